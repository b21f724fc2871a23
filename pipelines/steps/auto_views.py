"""Step ``auto-views``: spectral views of both sides' unpaired rows, for all spectral candidates of ``auto``."""

from __future__ import annotations

from cluster.workflow.step import Facts, StepContext
from components.alignment.tuned import with_views
from components.errors import UserError
from pipelines.steps.auto_trials import AutoTrials, save_ground

RECORD = "views.json"


def run(ctx: StepContext) -> Facts:
    """Write the views of every set of unpaired rows, and ``views.json``: their names, or why there are none."""
    trials = AutoTrials.read(ctx)
    grounds = trials.grounds()
    skipped = ""
    try:
        for done, (name, trial) in enumerate(grounds.items()):
            ctx.progress(done, len(grounds), "graphs")
            save_ground(ctx.out, name, with_views(trials.ground(trials.rows(trial))))
    except UserError as error:
        skipped = str(error)
    ctx.out.write_json(RECORD, {"grounds": [] if skipped else list(grounds), "skipped": skipped})
    return {"graphs": 0 if skipped else len(grounds), "shared": trials.shared, "skipped": skipped}
