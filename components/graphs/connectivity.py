"""Parts of a graph, and what to do if there is more than one. ``N`` rows, ``D`` dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from components.errors import UserError
from components.graphs.affinity import Kernel
from components.graphs.config import Policy

# At most this many distances are computed in one round of bridging; above, queries are a seeded sample.
MAX_DISTANCES = 1_000_000_000
MIN_BRIDGE = 1e-3  # of the median weight: a bridge that underflows would leave the graph disconnected


@dataclass(frozen=True)
class Connected:
    """A connected graph.

    Attributes:
        weights: [M, M].
        rows: which of the N given rows are its nodes, ascending. [M]
        sizes: of the parts before, largest first.
        num_bridges: edges added.
    """

    weights: sp.csr_matrix
    rows: np.ndarray
    sizes: tuple[int, ...]
    num_bridges: int = 0


def connect(weights: sp.csr_matrix, points: np.ndarray, kernel: Kernel, policy: Policy, *, seed: int = 0) -> Connected:
    """Apply a policy to the parts of ``weights`` [N, N] over ``points`` [N, D].

    Raises:
        UserError: policy ``error`` and more than one part; the message names their number and sizes.
    """
    count, labels = connected_components(weights, directed=False)
    sizes = tuple(sorted((int(s) for s in np.bincount(labels)), reverse=True))
    everything = np.arange(weights.shape[0])
    if count == 1:
        return Connected(weights, everything, sizes)
    if policy == "error":
        raise UserError(
            f"the neighbour graph falls into {count} parts of {_listed(sizes)} rows",
            do="raise spectral.graph.neighbours, or set spectral.graph.components to bridge or largest",
        )
    if policy == "largest":
        rows = everything[labels == np.argmax(np.bincount(labels))]
        return Connected(weights[rows][:, rows].tocsr(), rows, sizes)
    bridged, num_bridges = _bridge(weights, points, kernel, seed)
    return Connected(bridged, everything, sizes, num_bridges)


def _listed(sizes: tuple[int, ...]) -> str:
    shown = ", ".join(str(s) for s in sizes[:5])
    return f"{shown} and {len(sizes) - 5} smaller ones of" if len(sizes) > 5 else shown


def _bridge(weights: sp.csr_matrix, points: np.ndarray, kernel: Kernel, seed: int) -> tuple[sp.csr_matrix, int]:
    """Boruvka's rounds: each part but the largest is tied to its nearest row outside, until one part is left."""
    floor = MIN_BRIDGE * float(np.median(weights.data))
    num_bridges = 0
    rng = np.random.default_rng(seed)
    while True:
        count, labels = connected_components(weights, directed=False)
        if count == 1:
            return weights, num_bridges
        edges = _shortest_exits(points, labels, rng)
        d = np.linalg.norm(points[edges[:, 0]].astype(np.float64) - points[edges[:, 1]], axis=1)
        value = np.exp(-kernel.exponent(d, kernel.scales[edges[:, 0]], kernel.scales[edges[:, 1]]))
        half = sp.csr_matrix((np.maximum(value, floor), (edges[:, 0], edges[:, 1])), shape=weights.shape)
        weights = (weights + half + half.T).tocsr()
        num_bridges += len(edges)


def _shortest_exits(points: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One edge (inside, outside) for each part but the largest, no edge twice. [E, 2] int64."""
    queries = _queries(labels, rng)
    best = dict.fromkeys(range(int(labels.max()) + 1), (np.inf, 0, 0))
    norms = np.einsum("nd,nd->n", points, points, dtype=np.float64)
    for start in range(0, len(queries), 512):
        block = queries[start : start + 512]
        squared = norms[block, None] + norms[None] - 2.0 * (points[block] @ points.T)
        squared[labels[block, None] == labels[None]] = np.inf
        nearest = squared.argmin(1)
        for row, other, value in zip(block, nearest, squared[np.arange(len(block)), nearest], strict=True):
            part = int(labels[row])
            best[part] = min(best[part], (float(value), int(row), int(other)))
    pairs = {(min(a, b), max(a, b)) for value, a, b in best.values() if np.isfinite(value)}
    return np.array(sorted(pairs), dtype=np.int64)


def _queries(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of all parts but the largest; of big parts a sample, so that a round stays affordable."""
    largest = np.argmax(np.bincount(labels))
    parts = [np.flatnonzero(labels == part) for part in range(labels.max() + 1) if part != largest]
    allowed = max(1, MAX_DISTANCES // len(labels) // len(parts))
    sampled = [p if len(p) <= allowed else np.sort(rng.choice(p, allowed, replace=False)) for p in parts]
    return np.concatenate(sampled)
