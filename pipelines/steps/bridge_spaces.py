"""Step ``critics-spaces``: critics of two spaces made by ``align``. The maps are in the models; this is their card."""

from __future__ import annotations

from cluster.workflow.step import Facts, StepContext
from components.bridging.critic import CriticPair
from components.bridging.edges import critic_of
from components.bridging.fitted import ROWS, FittedCritics
from components.corpora.triples import EDGES
from components.errors import UserError
from components.evaluation.controls import NONE
from components.judge import Judge
from components.transforms import Identity
from pipelines.steps.bridge_rows import read_rows, write_critics


def run(ctx: StepContext) -> Facts:
    """Write ``critics.safetensors``: one fit, of the identity.

    The scale of an edge is the temperature that the model's confidence was calibrated with: the one under which known
    partners were likeliest out of fold.

    config: ``ab_scale``, ``bc_scale``: instead of the models' own. inputs: ``space-ab``, ``space-bc``.
    """
    rows = read_rows(ctx.inputs)
    ends = {"ab": (rows["a"], rows["b_first"]), "bc": (rows["b_second"], rows["c"])}
    scales = {edge: ctx.config[f"{edge}_scale"] or _scale(ctx, edge) for edge in EDGES}
    critics = {e: critic_of(scales[e], left.vectors, right.vectors) for e, (left, right) in ends.items()}
    pair = CriticPair(critics["ab"], critics["bc"])
    fitted = FittedCritics(critics=pair, maps={name: Identity() for name in ROWS})
    write_critics(ctx.out, {(NONE, 0): fitted})
    return {f"scale.{edge}": float(scale) for edge, scale in scales.items()} | {"kind": pair.ab.kind}


def _scale(ctx: StepContext, edge: str) -> float:
    judge = Judge.read(ctx.inputs[f"space-{edge}"].sub("model"))
    if judge is None:
        raise UserError(
            f"the scale of space {edge} is missing: its model was fitted on too few pairs to say how sure it is",
            where=f"spaces.{edge}",
            do=f"align it on at least 10 known pairs, or give spaces.{edge}_scale",
        )
    return judge.model.temperature / judge.model.spread
