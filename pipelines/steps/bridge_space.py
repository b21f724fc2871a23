"""Step ``space-<edge>``: a copy of a model made by ``align``, one edge of a bridge of two spaces."""

from __future__ import annotations

from cluster.workflow.step import Facts, StepContext
from components.files import Folder
from components.model import SharedSpace

MODEL = "model"


def run(ctx: StepContext) -> Facts:
    """Write ``model/``. locations: ``model``. Raises UserError for a folder without a whole model."""
    Folder.at(ctx.locations["model"]).copy_to(ctx.out.sub(MODEL))
    space = SharedSpace.load(ctx.out.sub(MODEL))
    rows = {f"{name}_rows": len(side.index) for name, side in space.sides.items()}
    return {"name": space.about.get("name", ""), "aligner": space.about.get("aligner", ""), **rows}
