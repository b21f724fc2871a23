"""Step ``pseudo-labels``: clusters of a corpus's embeddings in place of labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cluster.workflow.step import Facts, StepContext
from components.embeddings import Embeddings
from components.errors import UserError
from pipelines.steps.prepare import LABELS

ITERATIONS = 25


def run(ctx: StepContext) -> Facts:
    """Write ``labels.parquet`` (id, label). config: ``clusters``, ``seed``. inputs: ``embeddings``.

    k-means (FAISS) on rows of unit length; empty clusters are left out.
    """
    rows = Embeddings.read(ctx.inputs["embeddings"])
    wanted = int(ctx.config["clusters"])
    if wanted > len(rows):
        raise UserError(f"{len(rows)} rows cannot make {wanted} clusters", where="pseudo.clusters", do="ask for fewer")
    numbers = _clusters(rows.vectors, wanted, int(ctx.config["seed"]))
    labels = [f"cluster-{n:04d}" for n in numbers]
    ctx.out.write_table(
        LABELS, pa.table({"id": pa.array(rows.ids, pa.string()), "label": pa.array(labels, pa.string())})
    )
    counts = np.bincount(numbers, minlength=wanted)
    return {"rows": len(rows), "clusters": int((counts > 0).sum()), "largest": int(counts.max())}


def _clusters(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Cluster number of each row. [N]"""
    import faiss

    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    means = faiss.Kmeans(
        unit.shape[1], count, niter=ITERATIONS, seed=seed + 1, min_points_per_centroid=1, max_points_per_centroid=1024
    )
    means.train(np.ascontiguousarray(unit, np.float32))
    return means.index.search(np.ascontiguousarray(unit, np.float32), 1)[1].reshape(-1)
