"""Step ``gauge``: can these two corpora be aligned at all? Answered before any aligner is fitted."""

from __future__ import annotations

from cluster.workflow.step import Facts, StepContext
from components.alignment.preprocess import standardize
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.evaluation.gauge import gauge
from components.evaluation.trials import PRIMARY


def run(ctx: StepContext) -> Facts:
    """Write ``gauge.json`` from the primary pairs, each side centred by its unpaired rows; null without pairs."""
    splits = Splits.read(ctx.inputs["splits"])
    pairs = splits.pairs(PRIMARY)
    if not pairs:
        ctx.out.write_json("gauge.json", None)
        ctx.note("no pairs to fit on: nothing says beforehand whether the corpora share geometry")
        return {"level": "unknown"}
    rows = []
    for n, side, unpaired in ((0, "left", splits.unpaired_left), (1, "right", splits.unpaired_right)):
        embeddings = Embeddings.read(ctx.inputs[side])
        ids = [pair[n] for pair in pairs]
        # No PCA: the gauge is about the geometry that the encoders give.
        rows.append(standardize(embeddings, unpaired, ids, pca_dim=None, seed=ctx.config["seed"]).features.vectors)
    result = gauge(rows[0], rows[1], seed=ctx.config["seed"])
    ctx.out.write_json("gauge.json", result.to_json())
    ctx.note(result.verdict)
    return {"cka": result.cka, "mutual_knn": result.mutual_knn, "p_cka": result.null["cka"].p, "level": result.level}
