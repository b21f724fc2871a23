"""Step ``fit-<method>``: one aligner of encoder rows on every split and draw, scored on the held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.workflow.step import Facts, StepContext
from components.alignment.preprocess import StandardizedSide, standardize
from components.alignment.registry import make_aligner
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.evaluation.controls import NONE, RANDOM, SHUFFLED, random_features
from components.evaluation.trials import (
    TrialResult,
    World,
    needed_ids,
    plan_trials,
    ranks_table,
    run_trials,
    sample_unpaired,
)
from components.transforms import Chain, save_transform
from pipelines.steps.bank import write_bank
from pipelines.steps.scores import headline

SIDES = ("left", "right")


def run(ctx: StepContext) -> Facts:
    """Write ``ranks.parquet``, ``diagnostics.json`` and the primary draw's maps ``left`` and ``right``.

    The maps take the encoder's own rows: standardiser first, then the aligner.
    """
    splits, seed = Splits.read(ctx.inputs["splits"]), int(ctx.config["seed"])
    unpaired = sample_unpaired(splits, seed)
    sides = {side: standardized_side(ctx, side, splits, unpaired) for side in SIDES}
    world = make_world(splits, unpaired, {side: s.features for side, s in sides.items()})
    aligner = make_aligner(ctx.config["method"], ctx.config.get("settings"), seed=seed)
    results = run_trials(aligner, plan_trials(splits), world)
    if ctx.config.get("controls"):
        noise = {s: random_features(f.features.ids, f.features.dim, seed=seed, side=s) for s, f in sides.items()}
        if splits.pairs():  # nothing to shuffle otherwise
            results += run_trials(aligner, plan_trials(splits, SHUFFLED), world)
        results += run_trials(aligner, plan_trials(splits, RANDOM), make_world(splits, unpaired, noise))
    write_bank(ctx.out, ctx.config, results, world, lambda side, aligned: Chain([sides[side].standardizer, aligned]))
    return write_fits(ctx, results, sides)


def standardized_side(
    ctx: StepContext, side: str, splits: Splits, unpaired: tuple[list[str], list[str]]
) -> StandardizedSide:
    """Features of all rows of ``side`` that any trial reads, standardised by its unpaired rows."""
    n = SIDES.index(side)
    return standardize(
        Embeddings.read(ctx.inputs[side]),
        (splits.unpaired_left, splits.unpaired_right)[n],
        needed_ids(splits, unpaired)[n],
        pca_dim=ctx.config["preprocess"]["pca_dim"],
        seed=int(ctx.config["seed"]),
    )


def make_world(splits: Splits, unpaired: tuple[list[str], list[str]], features: Mapping[str, Embeddings]) -> World:
    """What the trials of one set of features see."""
    return World(
        left=features["left"],
        right=features["right"],
        unpaired_left=unpaired[0],
        unpaired_right=unpaired[1],
        heldout=splits.heldout,
    )


def write_fits(ctx: StepContext, results: list[TrialResult], sides: dict[str, StandardizedSide]) -> Facts:
    """Write the step's files; the first result is the primary draw."""
    ranks = ranks_table(results)
    ctx.out.write_table("ranks.parquet", ranks)
    ctx.out.write_json("diagnostics.json", [r.facts() for r in results])
    primary = results[0].alignment
    for side, aligned in (("left", primary.left), ("right", primary.right)):
        save_transform(ctx.out, side, Chain([sides[side].standardizer, aligned]))
    return {"fits": len(results), "controls": sum(r.trial.control != NONE for r in results), **headline(ranks)}
