"""From rows to a connected similarity graph: neighbours, weights, parts, density correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from components.errors import UserError
from components.graphs.affinity import Kernel, affinity, density_corrected
from components.graphs.config import GraphConfig
from components.graphs.connectivity import connect
from components.graphs.knn import knn


@dataclass(frozen=True)
class SimilarityGraph:
    """A connected graph over M of the N given rows, and what a new row needs to be attached to it.

    Attributes:
        weights: symmetric, no self loops. [M, M] float64 CSR
        rows: which of the given rows are nodes, ascending. [M]
        kernel: its scales are those of the nodes.
        radii: distance of each node to its last neighbour. [M]
        density: factors d_i^-alpha by which new weights are multiplied (all 1 if alpha is 0). [M]
        sizes: of the parts before they were joined or dropped, largest first.
        num_bridges: edges added to join them.
    """

    weights: sp.csr_matrix
    rows: np.ndarray
    kernel: Kernel
    radii: np.ndarray
    density: np.ndarray
    sizes: tuple[int, ...]
    num_bridges: int

    @property
    def num_parts(self) -> int:
        return len(self.sizes)


def build_graph(rows: np.ndarray, config: GraphConfig, *, seed: int = 0) -> SimilarityGraph:
    """Graph of ``rows`` [N, D].

    Raises:
        UserError: not more rows than neighbours, non-finite rows, rows that are all equal, or a disconnected graph
            with ``components="error"``.
    """
    if not np.isfinite(rows).all():
        raise UserError("rows with NaN or infinite values", do="quarantine them before the graph is built")
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    found = knn(rows, config.neighbours, exact=len(rows) < config.exact_below, seed=seed)
    kernel = Kernel.fit(found, scale=config.scale, scale_k=config.scale_k)
    joined = connect(affinity(found, kernel), rows, kernel, config.components, seed=seed)
    weights, density = density_corrected(joined.weights, config.density)
    return SimilarityGraph(
        weights=weights,
        rows=joined.rows,
        kernel=Kernel(kernel.scale, kernel.scale_k, kernel.scales[joined.rows]),
        radii=found.distances[joined.rows, -1],
        density=density,
        sizes=joined.sizes,
        num_bridges=joined.num_bridges,
    )
