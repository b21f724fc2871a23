"""Transfer between domains with few correspondences: a classifier learns on one side only and is used on the other.

Rows of the target reach the classifier through a shared space, or, where both domains have the same columns, the
source's rows are displaced as the pairs show. Beside them: the classifier without any of this (source-only), a space
from distributions alone (MMD, no pairs), and one that was trained on the target's own labels (oracle).
Letters: ``N`` labelled source rows, ``P`` pairs, ``T`` target rows, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.alignment.mmd_config import MMDConfig
from components.alignment.protocol import Alignment, Pairs
from components.errors import UserError
from components.evaluation.intervals import t_interval
from components.evaluation.representation import knn_hits
from components.transforms import Chain, Linear, Transform

NEIGHBOURS = 10
MMD_DIM = 16
SOURCE, DISPLACED, MMD, ORACLE = "source only", "displaced", "MMD only", "oracle"


@dataclass(frozen=True, kw_only=True)
class Domains:
    """Rows of both domains, as the aligner takes them, and their classes.

    Attributes:
        source: rows [N, D1] that the classifier learns on, of classes ``source_classes`` [N], 0 or more.
        target: held-out rows [T, D2] that it is asked about; ``target_classes`` [T] only count the answers.
        labelled: other rows of the target with ``labelled_classes``: what the oracle learns on.
    """

    source: np.ndarray
    source_classes: np.ndarray
    target: np.ndarray
    target_classes: np.ndarray
    labelled: np.ndarray
    labelled_classes: np.ndarray

    def __post_init__(self) -> None:
        if len(np.unique(self.source_classes)) < 2:
            raise UserError("the labelled rows of the source are of one class", where="label", do="give two or more")
        if not np.isin(self.target_classes, self.source_classes).any():
            raise UserError(
                "the domains have no class in common", where="label", do="use the same labels on both sides"
            )


def through_space(domains: Domains, space: Alignment) -> float:
    """Accuracy on the target of neighbours' votes among the source, both mapped into the shared space."""
    return _accuracy(space.left(domains.source), domains.source_classes, space.right(domains.target), domains)


def source_only(domains: Domains) -> float | None:
    """The same without a shared space; None if the domains have different columns."""
    if domains.source.shape[1] != domains.target.shape[1]:
        return None
    return _accuracy(domains.source, domains.source_classes, domains.target, domains)


def through_displacement(domains: Domains, pairs: Pairs) -> float | None:
    """The same after every source row was moved as ``pairs`` show; None if the domains have different columns."""
    if domains.source.shape[1] != domains.target.shape[1]:
        return None
    return _accuracy(displaced(domains.source, pairs), domains.source_classes, domains.target, domains)


def displaced(rows: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Source rows [N, D] where their counterparts would be: x + what right − left is expected to be at x.

    Ridge regression of right − left on left over the pairs; the penalty is the pairs' mean square length, so few pairs
    move all rows alike and many move each by its own place. An alignment from few pairs forgets that domains of one
    encoder nearly agree already; this starts from there. O(P² D + N P D).
    """
    centre, moves = pairs.left.mean(axis=0), pairs.right - pairs.left
    left, mean = pairs.left - centre, moves.mean(axis=0)
    gram = left @ left.T
    penalty = np.trace(gram) / len(gram) or 1.0
    weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), moves - mean)
    return np.asarray(rows + mean + (rows - centre) @ left.T @ weights)


def oracle(domains: Domains) -> float:
    """What the target's own labels give."""
    return _accuracy(domains.labelled, domains.labelled_classes, domains.target, domains)


def commonest(domains: Domains) -> float:
    """Accuracy of always saying the source's commonest class."""
    return float(np.mean(domains.target_classes == np.bincount(domains.source_classes).argmax()))


def mmd_space(left: np.ndarray, right: np.ndarray, *, seed: int, epochs: int = 100) -> Alignment:
    """A space without pairs: whitened principal components of both sides, the left moved onto the right by an MMD net.

    Args:
        left, right: unpaired rows [N1, D1], [N2, D2].

    Raises:
        UserError: what the net refuses, e.g. fewer than 8 rows on a side.
    """
    from components.alignment.mmd_net import SharedRows, fit_mmd
    from components.training import LocalSession

    dim = min(MMD_DIM, left.shape[1], right.shape[1], len(left) - 1, len(right) - 1)
    a, b = (_whitened(rows, dim) for rows in (left, right))
    nobody = np.zeros((1, 0, dim), np.float32)
    rows = SharedRows(a(left)[None], b(right)[None], nobody, nobody)
    net = fit_mmd(rows, MMDConfig(epochs=epochs), LocalSession(), seed=seed).nets[0]
    return Alignment(Chain([a, net]), b)


def closed(accuracy: float, floor: float, ceiling: float) -> float:
    """Share of the gap between source-only and oracle that is closed; 0 if there is no gap."""
    return (accuracy - floor) / (ceiling - floor) if ceiling > floor else 0.0


def summarise_transfer(draws: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Accuracies by name over draws (or seeds) with 95 % intervals; ``closed`` by name, where both ends are there."""
    accuracies = {name: t_interval(np.array([d[name] for d in draws]), bounds=(0, 1)).to_json() for name in draws[0]}
    if SOURCE not in draws[0]:
        return {"accuracy": accuracies}
    shares = {
        name: t_interval(np.array([closed(d[name], d[SOURCE], d[ORACLE]) for d in draws])).to_json()
        for name in draws[0]
        if name not in (SOURCE, ORACLE)
    }
    return {"accuracy": accuracies, "closed": shares}


def _accuracy(rows: np.ndarray, classes: np.ndarray, queries: np.ndarray, domains: Domains) -> float:
    return float(np.mean(knn_hits(rows, classes, queries, domains.target_classes, k=NEIGHBOURS)))


def _whitened(rows: np.ndarray, dim: int) -> Transform:
    """Principal components of unit variance, each turned to positive skew: two clouds of one shape then agree."""
    mean = rows.mean(axis=0, dtype=np.float64)
    _, values, axes = np.linalg.svd(rows - mean, full_matrices=False)
    weight = axes[:dim].T * np.sqrt(len(rows) - 1) / np.maximum(values[:dim], 1e-9)
    skew = (((rows - mean) @ weight) ** 3).sum(axis=0)
    return Linear(mean, weight * np.where(skew < 0, -1.0, 1.0))
