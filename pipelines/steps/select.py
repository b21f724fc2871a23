"""Step ``select``: the draws of step ``pairs``, chosen instead of drawn; needs embeddings, so it comes after encode."""

from __future__ import annotations

from cluster.workflow.step import Facts, StepContext
from components.alignment.preprocess import fused
from components.corpora.splits import Splits, pairs_apart
from components.embeddings import Embeddings
from components.pairing.draws import choose_draws
from pipelines.steps.pairs import side_ids


def run(ctx: StepContext) -> Facts:
    """Write ``splits.json`` again; held-out pairs, pool and unpaired rows stay as they are.

    inputs: ``splits``, ``shard-left``, ``shard-right`` (groups), ``left``, ``right`` (embeddings).
    config: ``pairs_selection``, ``seed``.
    """
    splits = Splits.read(ctx.inputs["splits"])
    groups = [side_ids(ctx.inputs[f"shard-{side}"])[0] for side in ("left", "right")]
    pools = {"random": splits.pool}
    if "group" in splits.draws:
        pools["group"] = pairs_apart(splits.pool, splits.heldout, *groups) or []
    seed = int(ctx.config["seed"])
    left, right = (fused(Embeddings.read(ctx.inputs[side]), seed=seed) for side in ("left", "right"))
    how = ctx.config["pairs_selection"]
    chosen = choose_draws(splits, pools, left, right, how=how, seed=seed)
    chosen.write(ctx.out)
    for line in chosen.warnings[len(splits.warnings) :]:
        ctx.note(line)
    return chosen.numbers() | {"pairs_selection": how, "splits": chosen.names}
