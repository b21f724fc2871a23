"""One fit of one method: from a world, chosen pairs and a seed to retrieval numbers, CPU seconds and memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.alignment.protocol import Alignment, Pairs
from components.alignment.registry import find_method, make_aligner
from components.corpora.hashing import seeded_order
from components.errors import UserError
from components.evaluation.retrieval import measure, rank_partners
from components.files import Folder
from pipelines.bench.alignment.world import BenchWorld

SHUFFLED = "shuffled-pairs"


@dataclass(frozen=True, kw_only=True)
class FitJob:
    """What to fit; the folders are local paths.

    Attributes:
        world: of :class:`BenchWorld`.
        order: with ``order.json``: pairs in order of choice; the first ``budget`` are known.
        control: ``none``, or ``shuffled-pairs``: every left item gets another one's partner.
        seed: of the method.
    """

    world: str
    order: str
    method: str
    budget: int
    control: str = "none"
    seed: int = 0


@dataclass(frozen=True)
class Prepared:
    """All rows in memory, so that the clock sees the fit alone."""

    left: np.ndarray
    right: np.ndarray
    pairs: Pairs
    gallery: Pairs


def prepare(job: FitJob) -> Prepared:
    """Read the rows. Raises UserError: fewer pairs in the pool than the budget."""
    world = BenchWorld.read(Folder.at(job.world))
    order = [(a, b) for a, b in Folder.at(job.order).read_json("order.json")]
    if len(order) < job.budget:
        raise UserError(f"{job.budget} pairs are more than the {len(order)} there are to choose from")
    known = order[: job.budget]
    left, right = world.unpaired(known)
    pairs = known if job.control == "none" else shuffled(known, job.seed)
    return Prepared(left, right, world.pairs(pairs), world.pairs(world.cut.gallery))


def fit(job: FitJob, data: Prepared) -> tuple[Alignment, float]:
    """The alignment and the CPU seconds of the fit, all threads together."""
    began = time.process_time()
    method = find_method(job.method)
    if method.spectral:
        from pipelines.bench.alignment.spectral_methods import fit_spectral

        fitted = fit_spectral(data.left, data.right, data.pairs, seed=job.seed, trained=method.refined)
    else:
        fitted = make_aligner(job.method, seed=job.seed).fit(data.left, data.right, data.pairs)
    return fitted, time.process_time() - began


def score(alignment: Alignment, gallery: Pairs) -> dict[str, dict[str, float]]:
    """Both directions and their mean: R@1, R@5, R@10 (percent), median rank, FOSCTTM, and the gallery's size."""
    left, right = alignment.transform_left(gallery.left), alignment.transform_right(gallery.right)
    forth, back = measure(rank_partners(left, right)).as_dict(), measure(rank_partners(right, left)).as_dict()
    both = {name: (forth[name] + back[name]) / 2 for name in forth}
    return {"left_to_right": forth, "right_to_left": back, "mean": both}


def shuffled(pairs: Sequence[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    """Every left id with the partner of the next one in a seeded order: all wrong."""
    order = [pairs[n] for n in seeded_order([b for _, b in pairs], seed, "shuffled")]
    return [(a, b) for (a, _), (_, b) in zip(order, order[1:] + order[:1], strict=True)]


def about(alignment: Alignment) -> dict[str, Any]:
    """The short facts of a fit: what ``auto`` chose."""
    found = alignment.diagnostics
    return {name: found[name] for name in ("chosen",) if name in found}
