"""Step ``trial-scores`` of a sweep: what one setting is worth on the known pairs, and beside it on the held-out ones.

``known`` is what a search may choose by: recall out of fold, in a gallery as large as the held-out one, so that budgets
can be compared. It is computed from splits that have no held-out pair in them. ``heldout`` is only told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.checks import check_fit
from components.alignment.nested import Block, nested, rank_pairs
from components.alignment.protocol import Aligner, Alignment
from components.alignment.tuned import TunedAligner, make_ground, with_views
from components.corpora.splits import Splits
from components.errors import UserError
from components.evaluation.gallery_recall import KS, beaten_rates
from components.evaluation.intervals import bootstrap_interval
from components.evaluation.out_of_fold import FEWEST_PAIRS, cross_fit, load_blocks
from components.evaluation.retrieval import rank_partners
from components.evaluation.trials import World
from components.transforms import load_transform
from pipelines.steps.refit import Refit, exported_refit, fit_world

RESULT = "scores.json"


@dataclass(frozen=True)
class _Fitted:
    """A map of all known pairs, and scores of each of them by fits that did not see it."""

    alignment: Alignment
    blocks: tuple[Block, ...]


def run(ctx: StepContext) -> Facts:
    """Write ``scores.json``: for ``known`` and ``heldout`` R@k in percent with 95 % intervals over pairs.

    config: that of step ``confidence``. inputs: ``splits``, ``encode-*`` or ``spectral-*``; of ``auto`` its own step.

    Raises:
        UserError: fewer than 10 known pairs, or what the method refuses.
    """
    splits, seed = Splits.read(ctx.inputs["splits"]), int(ctx.config["seed"])
    num_pairs, gallery = len(splits.pairs()), len(splits.heldout)
    if num_pairs < FEWEST_PAIRS:
        told = f"{num_pairs} known pairs are too few to choose by"
        raise UserError(told, where="pairs_budget", do=f"search among budgets of at least {FEWEST_PAIRS} pairs")
    own = f"method:{ctx.config['method']}" in ctx.inputs
    refit = None if own else exported_refit(ctx.config)
    world = fit_world(ctx, splits, spectral=refit.spectral if refit else False, heldout=True)
    fitted = _fit(refit, replace(world, heldout=[]), splits, seed) if refit else _made(ctx)
    known = _known(fitted.blocks, gallery, seed)
    scores = {"known": known, "heldout": _heldout(ctx, fitted.alignment, world, own=own)}
    written = {**scores, "pairs": num_pairs, "gallery": gallery, "diagnostics": _small(fitted.alignment.diagnostics)}
    ctx.out.write_json(RESULT, written)
    return {"pairs": num_pairs, **scores}


def _fit(refit: Refit, world: World, splits: Splits, seed: int) -> _Fitted:
    """Fits that choose hyperparameters by themselves do so once for the fold and for the whole (nested)."""
    pairs = splits.pairs()
    left, right = world.unpaired(pairs)
    rows, aligner = world.pairs(pairs), refit.aligner
    if isinstance(aligner, TunedAligner):
        check_fit(left, right, rows, needed=aligner.needed, why=aligner.name)
        ground = make_ground(left, right, seed=seed)
        tuned = nested(aligner.family, with_views(ground) if aligner.spectral else ground, rows, seed=seed)
        return _Fitted(tuned.alignment, tuned.blocks)
    judged = cross_fit(aligner, left, right, rows, seed=seed, distractors=refit.distractors)[0]
    whole: Aligner = aligner
    return _Fitted(whole.fit(left, right, rows), judged.blocks)


def _made(ctx: StepContext) -> _Fitted:
    """Of ``auto``, whose step has both already; its maps take the encoder's rows."""
    folder = ctx.inputs[f"method:{ctx.config['method']}"]
    maps = Alignment(load_transform(folder, "left"), load_transform(folder, "right"), {})
    return _Fitted(maps, load_blocks(folder).blocks)


def _known(blocks: tuple[Block, ...], gallery: int, seed: int) -> dict[str, Any]:
    rates = beaten_rates(blocks)
    found: dict[str, Any] = {f"R@{k}": _percent(rates.recall(k, (gallery, gallery)), seed) for k in KS if k < gallery}
    return {**found, "log_rank": {"mean": float(rank_pairs(blocks).score.mean())}}


def _heldout(ctx: StepContext, alignment: Alignment, world: World, *, own: bool) -> dict[str, Any]:
    rows = world.pairs(world.heldout)
    if own:  # maps from the encoder's rows
        from components.embeddings import Embeddings

        ids = zip(*world.heldout, strict=True)
        sides = zip(("left", "right"), ids, strict=True)
        left, right = (Embeddings.read(ctx.inputs[f"encode-{side}"]).rows(list(named)) for side, named in sides)
    else:
        left, right = rows.left, rows.right
    left, right = alignment.transform_left(left), alignment.transform_right(right)
    forth, back = rank_partners(left, right).rank, rank_partners(right, left).rank
    seed = int(ctx.config["seed"])
    return {f"R@{k}": _percent(((forth <= k) * 1.0 + (back <= k)) / 2, seed) for k in KS if k < len(left)}


def _percent(values: np.ndarray, seed: int) -> dict[str, float]:
    """Mean over pairs and its bootstrap interval."""
    interval = bootstrap_interval(100 * values, lambda v: float(v.mean()), seed=seed)
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def _small(diagnostics: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and names that the fit chose."""
    return {k: v for k, v in diagnostics.items() if isinstance(v, str | int | float | bool)}
