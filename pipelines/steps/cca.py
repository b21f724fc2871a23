"""Step ``cca``: ridge CCA on both sides' spectral coordinates, for every split and draw, and what the MMD net needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.ridge_cca import RidgeCCA, canonical_parts
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.evaluation.canonical import heldout_correlations, permutation_null
from components.evaluation.trials import TrialResult, World, plan_trials, ranks_table, run_trials, sample_unpaired
from components.transforms import Chain, Transform, load_transform, save_transform
from pipelines.steps.bank import write_bank
from pipelines.steps.fit import SIDES, make_world
from pipelines.steps.scores import headline


def run(ctx: StepContext) -> Facts:
    """Write ``ranks.parquet``, ``diagnostics.json``, the primary draw's maps ``left`` and ``right`` (from the
    encoder's rows: spectral map, canonical coordinates, unit rows), ``shared.safetensors`` and ``shared.json``."""
    splits, seed = Splits.read(ctx.inputs["splits"]), int(ctx.config["seed"])
    unpaired = sample_unpaired(splits, seed)
    world = make_world(splits, unpaired, {side: Embeddings.read(ctx.inputs[side]) for side in SIDES})
    aligner = RidgeCCA(
        dim=ctx.config["dim"],
        ridge=ctx.config["ridge"],
        gamma=ctx.config.get("gamma", 1.0),
        scale=True,
        seed=seed,
    )
    results = run_trials(aligner, plan_trials(splits), world)
    _write_maps(ctx, results[0])
    write_bank(ctx.out, ctx.config, results, world, lambda side, aligned: _whole(ctx, side, aligned))
    _write_shared(ctx, results, world)
    ranks = ranks_table(results)
    ctx.out.write_table("ranks.parquet", ranks)
    diagnostics = _diagnostics(results, aligner, world, seed)
    ctx.out.write_json("diagnostics.json", diagnostics)
    return {
        "fits": len(results),
        "ridge": diagnostics[0]["ridge"],
        "correlation_1": diagnostics[0]["canonical_correlations"][0],
        "heldout_correlation_1": diagnostics[0]["heldout_correlations"][0],
        **headline(ranks),
    }


def _write_maps(ctx: StepContext, primary: TrialResult) -> None:
    for side, aligned in (("left", primary.alignment.left), ("right", primary.alignment.right)):
        save_transform(ctx.out, side, _whole(ctx, side, aligned))


def _whole(ctx: StepContext, side: str, aligned: Transform) -> Chain:
    """From the encoder's rows."""
    return Chain([load_transform(ctx.inputs[side], "map"), *_parts(aligned)])


def _parts(transform: Any) -> list[Any]:
    return transform.parts if isinstance(transform, Chain) else [transform]


def _diagnostics(results: list[TrialResult], aligner: RidgeCCA, world: World, seed: int) -> list[dict[str, Any]]:
    """Facts of every fit with its held-out correlations; the first, primary one also with its permutation bands."""
    heldout = world.pairs(world.heldout)
    rows = [{**r.facts(), "heldout_correlations": heldout_correlations(r.alignment, heldout).tolist()} for r in results]
    chosen = RidgeCCA(dim=aligner.dim, ridge=rows[0]["ridge"], gamma=rows[0]["gamma"], scale=True, seed=seed)
    pairs = results[0].trial.pairs
    left, right = world.unpaired(pairs)
    null = permutation_null(lambda p: chosen.fit(left, right, p), world.pairs(pairs), heldout, seed=seed)
    rows[0]["null"] = null.to_json()
    return rows


def _write_shared(ctx: StepContext, results: list[TrialResult], world: World) -> None:
    """Canonical coordinates, before rows are scaled to unit length, of every fit: what the MMD net moves (SUE §3)."""
    unpaired = {"left": world.left.rows(world.unpaired_left), "right": world.right.rows(world.unpaired_right)}
    heldout = world.pairs(world.heldout)
    tensors: dict[str, list[np.ndarray]] = {}
    for result in results:
        pairs = world.pairs(result.trial.pairs)
        for n, side in enumerate(SIDES):
            part = canonical_parts(result.alignment)[n]
            tensors.setdefault(f"{side}.unpaired", []).append(part(unpaired[side]))
            tensors.setdefault(f"{side}.pairs", []).append(part(getattr(pairs, side)))
            tensors.setdefault(f"{side}.heldout", []).append(part(getattr(heldout, side)))
    ctx.out.write_tensors("shared.safetensors", {k: np.stack(v).astype(np.float32) for k, v in tensors.items()})
    fits = [{"split": r.trial.split, "draw": r.trial.draw} for r in results]
    ctx.out.write_json("shared.json", {"fits": fits, "heldout": [list(p) for p in world.heldout]})
