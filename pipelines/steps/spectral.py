"""Step ``spectral-left`` / ``-right``: leading eigenfunctions of the random walk on one side's unpaired rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from cluster.training import train
from cluster.workflow.step import Facts, StepContext
from components.alignment.preprocess import fit_standardizer
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.files import Folder
from components.graphs.build import SimilarityGraph, build_graph
from components.graphs.config import GraphConfig
from components.spectral.config import EigenConfig, SpectralNetConfig
from components.spectral.eigen import largest_gap, spectral_basis
from components.spectral.nystrom import Nystrom
from components.spectral.spectralnet_training import fit_spectralnet
from components.training import Session
from components.transforms import Chain, Transform, load_transform, save_transform

INPUT, RESULT = "training", "result"


def run(ctx: StepContext) -> Facts:
    """Write ``embeddings/`` (spectral coordinates of *all* rows, out of sample where they were not fitted on), the
    transform ``map`` from encoder rows, and ``spectrum.json``."""
    started = time.monotonic()
    rows = Embeddings.read(ctx.inputs["embeddings"])
    splits = Splits.read(ctx.inputs["splits"])
    fit_ids = splits.unpaired_left if ctx.config["side"] == "left" else splits.unpaired_right
    standardizer = fit_standardizer(rows.rows(fit_ids), ctx.config["preprocess"]["pca_dim"], rows.blocks)
    points = standardizer(rows.rows(fit_ids))
    graph_config = GraphConfig(**ctx.config["graph"])
    graph = build_graph(points, graph_config, seed=int(ctx.config["seed"]))
    if graph.num_parts > 1:
        ctx.note(f"the graph fell into {graph.num_parts} parts (largest {graph.sizes[0]} of {len(points)} rows)")
    spectral, facts = _solve(ctx, points, graph, graph_config)
    mapping = Chain([standardizer, spectral])
    save_transform(ctx.out, "map", mapping)
    Embeddings(rows.ids, mapping(rows.vectors)).write(ctx.out)
    eigenvalues = [float(v) for v in facts.pop("eigenvalues")]
    gap = largest_gap(np.array(eigenvalues))
    spectrum = {"eigenvalues": eigenvalues, "gap_index": gap, "components": graph.num_parts, "fit_rows": len(points)}
    ctx.out.write_json("spectrum.json", {**spectrum, "solver": ctx.config["solver"], **facts})
    seconds = {"fit_seconds": round(time.monotonic() - started, 3)}
    return {"fit_rows": len(points), "parts": graph.num_parts, "lambda_1": eigenvalues[0], "gap": gap} | facts | seconds


def _solve(
    ctx: StepContext, points: np.ndarray, graph: SimilarityGraph, graph_config: GraphConfig
) -> tuple[Transform, dict[str, Any]]:
    dim, seed = int(ctx.config["dim"]), int(ctx.config["seed"])
    if ctx.config["solver"] == "eigen":
        basis = spectral_basis(graph.weights, EigenConfig(dim=dim), seed=seed)
        facts = {"eigenvalues": basis.eigenvalues, "residual": float(np.max(basis.residuals))}
        if not basis.converged:
            ctx.note(f"eigenvectors are known to {facts['residual']:.1e} only, after {basis.num_products} products")
        return Nystrom.fit(points, graph, basis, graph_config), facts
    _write_training(ctx.work, points[graph.rows], graph.weights)
    settings = {"dim": dim, **ctx.config["spectralnet"]}
    train("pipelines.steps.spectral:train_loop", ctx, {"settings": settings, "seed": seed})
    return load_transform(ctx.work, f"{RESULT}/net"), ctx.work.read_json(f"{RESULT}/fit.json")


def train_loop(session: Session, work: Folder, config: Mapping[str, Any]) -> None:
    """One worker's part of training SpectralNet; rank 0 leaves the result in ``work``."""
    settings = {**config["settings"], "widths": tuple(config["settings"]["widths"])}
    points, weights = _read_training(work)
    fit = fit_spectralnet(points, weights, SpectralNetConfig(**settings), session, seed=config["seed"])
    if session.rank == 0:
        save_transform(work, f"{RESULT}/net", fit.net)
        facts = {"eigenvalues": fit.eigenvalues.tolist(), "trivial": fit.trivial, "loss": fit.losses[-1]}
        work.write_json(f"{RESULT}/fit.json", {**facts, "epochs": len(fit.losses)})


def _write_training(work: Folder, points: np.ndarray, weights: sp.csr_matrix) -> None:
    arrays = {"points": points, "data": weights.data, "indices": weights.indices, "indptr": weights.indptr}
    work.write_tensors(f"{INPUT}.safetensors", arrays)


def _read_training(work: Folder) -> tuple[np.ndarray, sp.csr_matrix]:
    arrays = work.read_tensors(f"{INPUT}.safetensors")
    points = arrays["points"]
    shape = (len(points), len(points))
    return points, sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
