"""Evidence that two corpora share their geometry (SUE, §4 and figure on universality), each with its null.

Random walks: P = D⁻¹W of the nearest-neighbour graphs of the same held-out items seen from either side, compared by
‖P_x − P_y‖_F / √(‖P_x‖² + ‖P_y‖²): 0 for equal walks, 1 for walks with no edge in common. Null: items permuted.
Letters: ``T`` held-out pairs, ``S`` items of a subset, ``K`` coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import UserError
from components.evaluation.gauge import null_of
from components.evaluation.intervals import t_interval
from components.graphs.build import build_graph
from components.graphs.config import GraphConfig
from components.graphs.walk import transition
from components.spectral.angles import principal_cosines
from components.spectral.config import EigenConfig
from components.spectral.eigen import spectral_basis
from components.transforms import unit_rows

BINS = np.linspace(-1, 1, 41)


@dataclass(frozen=True, kw_only=True)
class UniversalityConfig:
    """Config.

    Attributes:
        subset: items of each random subset of the held-out pairs; num_subsets: of them.
        neighbours: of the graphs.
        permutations: of each null.
        dim: spectral coordinates whose spans are compared.
        curve: eigenvalues of the curves; curve_rows: rows a side that they are of; curve_nulls: shuffled copies.
        seed: of subsets, permutations and samples.
    """

    subset: int = 200
    num_subsets: int = 10
    neighbours: int = 15
    permutations: int = 500
    dim: int = 10
    curve: int = 30
    curve_rows: int = 400
    curve_nulls: int = 10
    seed: int = 0


def walk_distances(left: np.ndarray, right: np.ndarray, config: UniversalityConfig) -> dict[str, Any]:
    """Distance of the walks of the same items, rows [T, D1] and [T, D2], against that of permuted items.

    Returns:
        ``corresponding`` (interval over subsets), ``permuted`` (mean, sd), ``p`` (one-sided, of the mean over subsets),
        ``values`` and ``null_values`` for the figure.

    Raises:
        UserError: fewer pairs than a graph needs.
    """
    size = min(config.subset, len(left))
    k = min(config.neighbours, size // 4)
    if k < 2:
        raise UserError(f"{len(left)} held-out pairs are too few for a walk", where="heldout", do="hold out more pairs")
    rng = np.random.default_rng(config.seed)
    graph = GraphConfig(neighbours=k, scale_k=(k + 1) // 2)
    observed, null = [], np.zeros((config.num_subsets, config.permutations))
    for n in range(config.num_subsets):
        rows = rng.choice(len(left), size, replace=False)
        walks = [transition(build_graph(side[rows], graph, seed=config.seed).weights) for side in (left, right)]
        x, y = (walk.toarray() for walk in walks)
        scale = np.sqrt((x**2).sum() + (y**2).sum())
        observed.append(float(np.linalg.norm(x - y) / scale))
        orders = (rng.permutation(size) for _ in range(config.permutations))
        null[n] = [np.linalg.norm(x - y[np.ix_(o, o)]) / scale for o in orders]
    chance = null_of(-float(np.mean(observed)), -null.mean(axis=0))
    return {
        "corresponding": t_interval(np.array(observed), bounds=(0, 1)).to_json(),
        "permuted": {"mean": float(null.mean()), "sd": chance.sd},
        "p": chance.p,
        "items": size,
        "neighbours": k,
        "values": observed,
        "null_values": null.mean(axis=0).tolist(),
    }


def pair_cosines(left: np.ndarray, right: np.ndarray, config: UniversalityConfig) -> dict[str, Any]:
    """Cosines of true held-out pairs, rows [T, K] of the shared space, against those of all other combinations.

    ``separation`` is the chance that a true pair's cosine is above that of a combination drawn at random (AUC; .5 if
    there is nothing), with the p of permuted pairs; ``true`` and ``others`` are shares by ``bins``.
    """
    scores = unit_rows(left) @ unit_rows(right).T
    off = np.sort(scores[~np.eye(len(scores), dtype=bool)])
    place = _standing(scores, off)
    true = np.diag(scores)
    rng = np.random.default_rng(config.seed)
    everyone = np.arange(len(scores))
    null = np.array([place[everyone, rng.permutation(len(scores))].mean() for _ in range(config.permutations)])
    found = null_of(float(np.diag(place).mean()), null)
    return {
        "separation": float(np.diag(place).mean()),
        "permuted": {"mean": found.mean, "sd": found.sd},
        "p": found.p,
        "true_mean": float(true.mean()),
        "others_mean": float(off.mean()),
        "bins": BINS.tolist(),
        "true": (np.histogram(true, BINS)[0] / len(true)).tolist(),
        "others": (np.histogram(off, BINS)[0] / len(off)).tolist(),
    }


def span_angles(left: np.ndarray, right: np.ndarray, config: UniversalityConfig) -> dict[str, Any]:
    """Cosines of the principal angles between the spans of both sides' leading spectral coordinates [T, K].

    ``overlap`` is their mean square, 1 for equal spans; null: items permuted. Raises UserError if there are fewer items
    than twice the coordinates: any two spans would meet.
    """
    dim = min(config.dim, left.shape[1], right.shape[1])
    if len(left) < 2 * dim + 2:
        what = f"{len(left)} held-out pairs are too few to compare spans of {dim} coordinates"
        raise UserError(what, where="heldout", do="hold out more pairs")
    x, y = (side[:, :dim] - side[:, :dim].mean(axis=0) for side in (left, right))
    cosines = principal_cosines(x, y)
    rng = np.random.default_rng(config.seed)
    null = np.stack([principal_cosines(x, y[rng.permutation(len(y))]) for _ in range(config.permutations)])
    found = null_of(float(np.mean(cosines**2)), (null**2).mean(axis=1))
    return {
        "cosines": cosines.tolist(),
        "permuted_cosines": null.mean(axis=0).tolist(),
        "overlap": float(np.mean(cosines**2)),
        "permuted": {"mean": found.mean, "sd": found.sd},
        "p": found.p,
    }


def eigenvalue_curves(left: np.ndarray, right: np.ndarray, config: UniversalityConfig) -> dict[str, Any]:
    """Leading eigenvalues of both sides' walks, unpaired rows [N1, D1], [N2, D2], and how far apart the curves are.

    Null: every column of a side shuffled on its own, so that values stay and geometry goes; ``null_distance`` is the
    distance of a side's curve from the other's null. Eigenvalues know nothing of which item is which.
    """
    rng = np.random.default_rng(config.seed)
    size = min(config.curve_rows, len(left), len(right))
    sides = [rows[rng.permutation(len(rows))[:size]] for rows in (left, right)]
    x, y = (_curve(rows, config) for rows in sides)
    nulls = [[_curve(_columns_shuffled(r, rng), config) for _ in range(config.curve_nulls)] for r in sides]
    apart = [_apart(x, n) for n in nulls[1]] + [_apart(y, n) for n in nulls[0]]
    found = null_of(-_apart(x, y), -np.array(apart))
    return {
        "left": x.tolist(),
        "right": y.tolist(),
        "left_null": np.mean(nulls[0], axis=0).tolist(),
        "right_null": np.mean(nulls[1], axis=0).tolist(),
        "distance": _apart(x, y),
        "null_distance": {"mean": -found.mean, "sd": found.sd},
        "p": found.p,
        "rows": size,
    }


def _standing(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of ``others`` (sorted) below each score, ties half. [T, T]"""
    low, high = (np.searchsorted(others, scores.ravel(), side=side) for side in ("left", "right"))
    return ((low + high) / 2 / len(others)).reshape(scores.shape)


def _curve(rows: np.ndarray, config: UniversalityConfig) -> np.ndarray:
    k = min(config.neighbours, len(rows) // 4)
    graph = build_graph(rows, GraphConfig(neighbours=k, scale_k=(k + 1) // 2), seed=config.seed)
    dim = min(config.curve, len(rows) // 4)
    return spectral_basis(graph.weights, EigenConfig(dim=dim), seed=config.seed).eigenvalues


def _columns_shuffled(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permuted(rows, axis=0)


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean(np.abs(a - b)))
