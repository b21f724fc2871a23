"""Step ``export``: the trained encoder as a folder that a source of an ``align`` recipe takes by name."""

from __future__ import annotations

from dataclasses import replace

from cluster.workflow.step import Facts, StepContext
from components.pretraining.artifact import TrainedEncoder, fingerprint_of
from pipelines.steps.train_encoder import ENCODER


def run(ctx: StepContext) -> Facts:
    """Write ``encoder/``: see :mod:`components.pretraining.artifact`; the probes' numbers are in its description.

    inputs: ``train``, ``probe``.
    """
    encoder = TrainedEncoder.load(ctx.inputs["train"].sub(ENCODER))
    probes = ctx.inputs["probe"].read_json("probe.json")
    for name in ("trained", "untrained"):
        probes[name].pop("spectrum")
    replace(encoder, about={**encoder.about, "probes": probes}).save(ctx.out.sub(ENCODER))
    weights = sum(v.nbytes for v in encoder.weights.values())
    return {"dim": encoder.dim, "bytes": weights, "fingerprint": fingerprint_of(ctx.out.sub(ENCODER))}
