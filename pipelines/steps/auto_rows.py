"""Step ``auto-rows``: the standardised rows that the branches of ``auto`` read, once for all of them."""

from __future__ import annotations

from cluster.workflow.step import Facts, StepContext
from components.corpora.splits import Splits
from components.evaluation.trials import sample_unpaired
from components.transforms import save_transform
from pipelines.steps.auto_trials import MAX_ROWS
from pipelines.steps.fit import SIDES, standardized_side


def run(ctx: StepContext) -> Facts:
    """Write embeddings ``left`` and ``right`` of all rows that any fit reads, and the standardisers that made them."""
    splits, seed = Splits.read(ctx.inputs["splits"]), int(ctx.config["seed"])
    unpaired = sample_unpaired(splits, seed, MAX_ROWS)
    facts: Facts = {}
    for side in SIDES:
        made = standardized_side(ctx, side, splits, unpaired)
        made.features.write(ctx.out.sub(side))
        save_transform(ctx.out, f"standardizer-{side}", made.standardizer)
        facts |= {f"{side}_rows": len(made.features), f"{side}_dim": made.features.dim}
    return facts
