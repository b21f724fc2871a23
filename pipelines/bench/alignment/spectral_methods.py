"""The two methods that are several steps of a pipeline, in one process: eigenvectors + CCA, and SUE itself.

Settings are the recipe's defaults: SpectralNet at widths 512, 512, 256 instead of the paper's 4096, 4096, 1024.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.alignment.protocol import Alignment, Pairs
from components.alignment.ridge_cca import RidgeCCA, canonical_parts
from components.graphs.build import SimilarityGraph, build_graph
from components.graphs.config import GraphConfig
from components.spectral.config import EigenConfig, SpectralNetConfig
from components.spectral.eigen import spectral_basis
from components.spectral.nystrom import Nystrom
from components.transforms import Chain, Transform, UnitRows
from pipelines.recipe import AlignRecipe, Cca, Mmd, Spectral

_SPECTRAL: Spectral = Spectral()


def fit_spectral(left: np.ndarray, right: np.ndarray, pairs: Pairs, *, seed: int, trained: bool) -> Alignment:
    """Ridge CCA of the pairs' spectral coordinates.

    Args:
        left, right: unpaired rows [N1, D1], [N2, D2].
        trained: SUE: coordinates from SpectralNet instead of exact eigenvectors, an MMD net after the CCA.
    """
    maps = [_map(rows, seed, trained) for rows in (left, right)]
    settings: Cca = AlignRecipe.model_fields["cca" if trained else "eigen_cca"].default
    aligner = RidgeCCA(dim=settings.dim, ridge=settings.ridge, gamma=settings.gamma, scale=True, seed=seed)
    rows = [spectral(side) for spectral, side in zip(maps, (left, right), strict=True)]
    fitted = aligner.fit(rows[0], rows[1], Pairs(maps[0](pairs.left), maps[1](pairs.right)))
    if not trained:
        ends: tuple[Transform, Transform] = (fitted.left, fitted.right)
    else:
        ends = _moved(fitted, rows, Pairs(maps[0](pairs.left), maps[1](pairs.right)), seed)
    return Alignment(Chain([maps[0], ends[0]]), Chain([maps[1], ends[1]]), fitted.diagnostics)


def _map(rows: np.ndarray, seed: int, trained: bool) -> Transform:
    config = GraphConfig(**_SPECTRAL.graph.model_dump())
    graph = build_graph(rows, config, seed=seed)
    if trained:
        return _spectralnet(rows, graph, seed)
    basis = spectral_basis(graph.weights, EigenConfig(dim=_SPECTRAL.dim), seed=seed)
    return Nystrom.fit(rows, graph, basis, config)


def _spectralnet(rows: np.ndarray, graph: SimilarityGraph, seed: int) -> Transform:
    from components.spectral.spectralnet_training import fit_spectralnet
    from components.training import LocalSession

    config = SpectralNetConfig(dim=_SPECTRAL.dim, **_SPECTRAL.spectralnet.model_dump())
    points = rows[graph.rows]
    config = replace(config, batch=min(config.batch, max(len(points) // 2, config.dim + 2)))
    return fit_spectralnet(points, graph.weights, config, LocalSession(), seed=seed).net


def _moved(fitted: Alignment, rows: list[np.ndarray], pairs: Pairs, seed: int) -> tuple[Transform, Transform]:
    """Both ends with the MMD net on the left one, before rows are scaled to unit length (SUE §3)."""
    from components.alignment.mmd_config import MMDConfig
    from components.alignment.mmd_net import SharedRows, fit_mmd
    from components.training import LocalSession

    parts = canonical_parts(fitted)
    values = (parts[0](rows[0]), parts[1](rows[1]), parts[0](pairs.left), parts[1](pairs.right))
    shared = SharedRows(*(v[None] for v in values))
    net = fit_mmd(shared, MMDConfig(**Mmd().model_dump()), LocalSession(), seed=seed).nets[0]
    return Chain([parts[0], net, UnitRows()]), Chain([parts[1], UnitRows()])
