"""Step ``mmd-net``: SUE's last stage, one residual net for every fit of the CCA step, trained at once on Ray Train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.training import train
from cluster.workflow.step import Facts, StepContext
from components.alignment.hubness import correct
from components.alignment.mmd_config import MMDConfig
from components.alignment.mmd_net import SharedRows, fit_mmd
from components.alignment.protocol import Alignment
from components.evaluation.retrieval import ranks_of, ranks_of_fits
from components.files import Folder
from components.training import Session
from components.transforms import Chain, Transform, UnitRows, load_transform, save_transform
from pipelines.steps.bank import FOLDER, hubness
from pipelines.steps.scores import headline

SHARED, RESULT = "shared.safetensors", "result"


def run(ctx: StepContext) -> Facts:
    """Write ``ranks.parquet``, the primary fit's maps ``left`` and ``right``, ``mmd.json`` and ``diagnostics.json``."""
    shared = ctx.inputs["shared"]
    ctx.work.write_bytes(SHARED, shared.read_bytes(SHARED))
    settings = {k: v for k, v in ctx.config.items() if k not in {"seed", "hubness"}}
    train("pipelines.steps.mmd:train_loop", ctx, {"settings": settings, "seed": int(ctx.config["seed"])})
    found = ctx.work.read_json(f"{RESULT}/fit.json")
    about = shared.read_json("shared.json")
    nets = [load_transform(ctx.work, f"{RESULT}/net-{n:04d}") for n in range(len(about["fits"]))]
    ranks = _ranks(shared, nets, about)
    ctx.out.write_table("ranks.parquet", ranks)
    _write_maps(ctx.out, shared, [nets[0], UnitRows()], [])
    _write_bank(ctx, nets, about)
    ctx.out.write_json("mmd.json", {"before": found["before"], "after": found["after"]})
    ctx.out.write_json(
        "diagnostics.json", [{**f, "best_epoch": e} for f, e in zip(about["fits"], found["best_epoch"], strict=True)]
    )
    means = {f"mmd2_{when}": float(np.mean(found[when])) for when in ("before", "after")}
    return {"fits": len(nets), **means, **headline(ranks)}


def train_loop(session: Session, work: Folder, config: Mapping[str, Any]) -> None:
    """One worker's part; rank 0 leaves the nets in ``work``."""
    arrays = work.read_tensors(SHARED)
    rows = SharedRows(
        left=arrays["left.unpaired"],
        right=arrays["right.unpaired"],
        left_pairs=arrays["left.pairs"],
        right_pairs=arrays["right.pairs"],
    )
    settings = {**config["settings"], "widths": tuple(config["settings"]["widths"])}
    fit = fit_mmd(rows, MMDConfig(**settings), session, seed=config["seed"])
    if session.rank == 0:
        for n, net in enumerate(fit.nets):
            save_transform(work, f"{RESULT}/net-{n:04d}", net)
        facts = {"before": fit.before, "after": fit.after, "best_epoch": fit.best_epoch}
        work.write_json(f"{RESULT}/fit.json", {name: values.tolist() for name, values in facts.items()})


def _ranks(shared: Folder, nets: list[Transform], about: Mapping[str, Any]) -> pa.Table:
    arrays = shared.read_tensors(SHARED)
    moved = np.stack([net(rows) for net, rows in zip(nets, arrays["left.heldout"], strict=True)])
    fits = [(f["split"], f["draw"]) for f in about["fits"]]
    return ranks_of_fits(moved, arrays["right.heldout"], fits, [tuple(p) for p in about["heldout"]])


def _write_maps(out: Folder, shared: Folder, left: list[Transform], right: list[Transform]) -> None:
    """Left: the CCA step's map with ``left`` in place of its last part, which scales rows to unit length; right: the
    CCA step's map and ``right``."""
    start = load_transform(shared, "left")
    assert isinstance(start, Chain) and isinstance(start.parts[-1], UnitRows)
    save_transform(out, "left", Chain([*start.parts[:-1], *left]))
    save_transform(out, "right", Chain([load_transform(shared, "right"), *right]))


def _write_bank(ctx: StepContext, nets: list[Transform], about: Mapping[str, Any]) -> None:
    """The same corrected for hubness, if the config asks for it: see :mod:`pipelines.steps.bank`."""
    wanted = hubness(ctx.config)
    if wanted is None:
        return
    rows = ctx.inputs["shared"].read_tensors(SHARED)
    tables = []
    for n, (net, fit) in enumerate(zip(nets, about["fits"], strict=True)):
        moved = Alignment(Chain([net, UnitRows()]), UnitRows())
        fitted = correct(moved, rows["left.unpaired"][n], rows["right.unpaired"][n], wanted)
        left, right = fitted.left(rows["left.heldout"][n]), fitted.right(rows["right.heldout"][n])
        tables.append(ranks_of(left, right, [tuple(p) for p in about["heldout"]], fit["split"], fit["draw"]))
        if n == 0:
            assert isinstance(fitted.left, Chain) and isinstance(fitted.right, Chain)
            _write_maps(ctx.out.sub(FOLDER).make(), ctx.inputs["shared"], fitted.left.parts, fitted.right.parts[1:])
    ctx.out.sub(FOLDER).write_table("ranks.parquet", pa.concat_tables(tables))
