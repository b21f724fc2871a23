"""Step ``probe``: what can be read off the vectors of rows that the encoder never saw, beside the untrained one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.encoding import SHARDS
from cluster.workflow.step import Facts, StepContext
from components.encoders.protocol import LoadOptions
from components.encoders.trained import Trained
from components.evaluation.probes import Frozen, probe
from components.evaluation.representation import effective_rank
from components.files import Folder
from components.pretraining.artifact import TrainedEncoder
from components.pretraining.labels import NONE, classes_of
from components.pretraining.rows import TEST, TRAIN, Rows
from pipelines.steps.train_encoder import DIAGNOSIS, ENCODER, START, make_inputs

MOST_ROWS = 5000
"""Training rows that the probes learn from, at most."""


def run(ctx: StepContext) -> Facts:
    """Write ``probe.json``.

    The encoders run in evaluation mode without gradients: no probe changes them. config: ``seed``, ``views``.
    inputs: ``shards``, ``rows``, ``train``.
    """
    rows, seed = Rows(ctx.inputs["rows"]), int(ctx.config["seed"])
    trained = TrainedEncoder.load(ctx.inputs["train"].sub(ENCODER))
    untrained = _with(trained, ctx.inputs["train"].read_tensors(START))
    chosen = {TRAIN: _some(rows.of(TRAIN), seed), TEST: rows.of(TEST)}
    classes = classes_of(rows.labels, chosen[TRAIN])
    items = _items(ctx.inputs["shards"], {rows.ids[n] for part in chosen.values() for n in part}, rows.modality)
    found: dict[str, Any] = {}
    for number, (name, parts) in enumerate({"trained": trained, "untrained": untrained}.items()):
        encoder = Trained(parts, name, LoadOptions(device="auto"))
        vectors = {split: encoder.encode([items[rows.ids[n]] for n in part]) for split, part in chosen.items()}
        views = _views(encoder, rows, chosen[TEST], ctx.config)
        frozen = Frozen(
            train=vectors[TRAIN],
            test=vectors[TEST],
            train_classes=classes.of_row[chosen[TRAIN]],
            test_classes=classes.of_row[chosen[TEST]],
            views=views,
        )
        found[name] = probe(frozen, seed=seed)
        ctx.progress(number + 1, 2, "encoders")
    found |= {"rows": {split: len(part) for split, part in chosen.items()}, "classes": len(classes)}
    found |= {
        "test_rows_without_class": int((classes.of_row[chosen[TEST]] == NONE).sum()),
        **_gates(ctx.inputs["train"]),
    }
    ctx.out.write_json("probe.json", found)
    return _facts(found)


def _facts(found: Mapping[str, Any]) -> Facts:
    facts: Facts = {"classes": found["classes"]}
    for name in ("trained", "untrained"):
        for measure, value in found[name].items():
            if measure != "spectrum":
                facts[f"{name}.{measure}"] = value["mean"] if isinstance(value, dict) else value
    return facts | {k: v for k, v in found.items() if k == "gate_rank"}


def _with(encoder: TrainedEncoder, weights: Mapping[str, np.ndarray]) -> TrainedEncoder:
    from dataclasses import replace

    return replace(encoder, weights=weights)


def _some(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng([seed, 8]).permutation(rows)[:MOST_ROWS])


def _items(shards: Folder, ids: set[str], modality: str) -> dict[str, Any]:
    """The rows themselves, as the corpus has them."""
    items: dict[str, Any] = {}
    for name in shards.parquet_names(SHARDS):
        table = shards.read_table(name, ["id", modality])
        pairs = zip(table["id"].to_pylist(), table[modality].to_pylist(), strict=True)
        items.update((i, item) for i, item in pairs if i in ids)
    return items


def _views(encoder: Trained, rows: Rows, chosen: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    """Vectors of two random views of each row. [2, T, D]"""
    inputs = make_inputs(config, rows, encoder.spec)
    seeds = np.random.default_rng([int(config["seed"]), 9]).integers(2**62, size=(2, len(chosen)))
    return np.stack([_forward(encoder, inputs, chosen, s) for s in seeds])


def _forward(encoder: Trained, inputs: Any, chosen: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    parts = [
        encoder.forward(inputs.random(chosen[s : s + 256].tolist(), seeds[s : s + 256].tolist()))
        for s in range(0, len(chosen), 256)
    ]
    return np.concatenate(parts)


def _gates(train: Folder) -> dict[str, float]:
    """How many different gates there are, as the effective rank of the class pairs' gates."""
    if not train.exists(DIAGNOSIS):
        return {}
    arrays = train.read_tensors(DIAGNOSIS)
    return {"gate_rank": effective_rank(arrays["pair_gates"])} if "pair_gates" in arrays else {}
