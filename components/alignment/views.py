"""Spectral views: what the unpaired rows of one side say about its shape, learned without any pair.

A view maps an encoder's row [D] to the row followed by K diffusion eigenvectors [D + K], so that aligners which use
both share one graph search. The graph holds unpaired rows only: pairs inside it would look better in cross-validation
than new rows do. Letters: ``N`` rows, ``D`` raw and ``K`` spectral columns.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from components.alignment.sampling import sample_rows
from components.alignment.shaping import Columns
from components.checks import check_range
from components.errors import UserError
from components.transforms import Concat, Identity, Transform

FEWEST_ROWS = 60
# An eigenvector is divided by its eigenvalue out of sample: small ones would only carry noise.
SMALLEST_EIGENVALUE = 0.05
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """Config of the spectral view of a side.

    Attributes:
        dim: eigenvectors K at most; never more than a quarter of the rows.
        neighbours: of the graph; None takes √N / 3.2 between 10 and 30, as denser samples bear larger neighbourhoods.
        max_rows: of more rows a seeded sample makes the graph, the others are mapped out of sample.
        seed: of the sample and the eigensolver's start.
    """

    dim: int = 100
    neighbours: int | None = None
    max_rows: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("dim", self.dim, 2)
        check_range("neighbours", self.neighbours, 2, optional=True)
        check_range("max_rows", self.max_rows, FEWEST_ROWS)


@dataclass(frozen=True)
class View:
    """One side's view.

    Attributes:
        map: rows [N, D] to [N, D + K].
        raw: D.
        eigenvalues: of the random walk, descending, without the trivial one. [K]
        spread: standard deviation of each spectral column over the rows of the graph. [K]
    """

    map: Transform
    raw: int
    eigenvalues: np.ndarray
    spread: np.ndarray

    @property
    def dim(self) -> int:
        """K."""
        return len(self.eigenvalues)

    def raw_columns(self) -> Columns:
        """The raw row out of a mapped one."""
        return Columns(0, self.raw)

    def standard_columns(self, dim: int) -> Columns:
        """The first ``dim`` spectral columns, of unit variance over the graph's rows."""
        kept = min(dim, self.dim)
        return Columns(self.raw, self.raw + kept, 1 / self.spread[:kept])

    def diffusion_columns(self, time: float, dim: int | None = None) -> Columns:
        """The first ``dim`` spectral columns times eigenvalue**time: their distances are diffusion distances."""
        kept = min(dim or self.dim, self.dim)
        return Columns(self.raw, self.raw + kept, self.eigenvalues[:kept] ** time)


@dataclass(frozen=True)
class Views:
    """Both sides' views."""

    left: View
    right: View


def plain_view(dim: int) -> View:
    """The view without a graph: the raw row of ``dim`` columns alone."""
    return View(Identity(), dim, np.zeros(0), np.zeros(0))


def spectral_view(rows: np.ndarray, config: ViewConfig) -> View:
    """View of unpaired ``rows`` [N, D], best centred and of unit length. Memory is linear in N.

    Raises:
        UserError: fewer than 60 rows, or more than half of them equal to each other.
    """
    from components.graphs.build import build_graph
    from components.graphs.config import GraphConfig
    from components.spectral.config import EigenConfig
    from components.spectral.eigen import SpectralBasis, spectral_basis
    from components.spectral.nystrom import Nystrom

    if len(rows) < FEWEST_ROWS:
        raise UserError(f"{len(rows)} unpaired rows are too few for a graph", do=f"give at least {FEWEST_ROWS}")
    rows = sample_rows(np.ascontiguousarray(rows, dtype=np.float32), config.max_rows, config.seed)
    k = config.neighbours or int(np.clip(round(np.sqrt(len(rows)) / 3.2), 10, 30))
    graph_config = GraphConfig(neighbours=k, scale_k=max(1, k // 2))
    graph = build_graph(rows, graph_config, seed=config.seed)
    dim = min(config.dim, len(graph.rows) // 4)
    basis = spectral_basis(graph.weights, EigenConfig(dim=dim, tolerance=TOLERANCE), seed=config.seed)
    kept = max(1, int((basis.eigenvalues > SMALLEST_EIGENVALUE).sum()))
    cut = SpectralBasis(basis.eigenvalues[:kept], basis.vectors[:, :kept], basis.residuals[:kept], basis.converged, 0)
    nystrom = Nystrom.fit(rows, graph, cut, graph_config)
    return View(Concat([Identity(), nystrom]), rows.shape[1], cut.eigenvalues, cut.vectors.std(axis=0))


def spectral_views(left: np.ndarray, right: np.ndarray) -> Views:
    """Views of both sides' unpaired rows [N1, D1], [N2, D2]; the last few are remembered by content, as many pair draws
    share them. Raises UserError as :func:`spectral_view`."""
    return Views(_remembered(left), _remembered(right))


_MEMORY: OrderedDict[str, View] = OrderedDict()
_REMEMBERED = 4


def _remembered(rows: np.ndarray) -> View:
    key = f"{hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest()}{rows.shape}{rows.dtype}"
    if key not in _MEMORY:
        _MEMORY[key] = spectral_view(rows, ViewConfig())
    _MEMORY.move_to_end(key)
    while len(_MEMORY) > _REMEMBERED:
        _MEMORY.popitem(last=False)
    return _MEMORY[key]
