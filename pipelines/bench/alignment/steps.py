"""Bodies of the bench's steps: the table of a corpus, a world cut from it, an order of pairs, and one cell's fit."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cluster.workflow.step import Facts, StepContext
from components.corpora.paired import CutConfig, PairedRows, cut
from components.corpora.worlds import make_world, paired_rows
from components.errors import UserError
from components.files import Folder
from components.pairing.selection import select_pairs
from pipelines.bench.alignment.fitter import run_apart
from pipelines.bench.alignment.fitting import FitJob
from pipelines.bench.alignment.grid import ASKED
from pipelines.bench.alignment.tables import read_files, read_recipe
from pipelines.bench.alignment.world import BenchWorld, from_generated, from_table

REFUSED = "refused.json"


def run_table(ctx: StepContext) -> Facts:
    """Write the rows of a corpus with the truth (:class:`PairedRows`)."""
    kind = ctx.config["kind"]
    if kind == "views":
        table = paired_rows(str(ctx.config["name"]))
    else:
        table = read_files(ctx) if kind == "files" else read_recipe(ctx)
    table.write(ctx.out)
    return {"pairs": len(table.pairs), "left": len(table.left), "right": len(table.right)}


def run_world(ctx: StepContext) -> Facts:
    """Write a :class:`BenchWorld`, or why there is none, for the cells to say."""
    try:
        world = _world(ctx)
    except UserError as error:
        ctx.out.write_json(REFUSED, str(error))
        return {"refused": str(error)}
    world.write(ctx.out)
    found = world.cut
    return {"gallery": len(found.gallery), "pool": len(found.pool), "unpaired_left": len(found.unpaired_left)}


def _world(ctx: StepContext) -> BenchWorld:
    asked, cap = dict(ctx.config["cut"]), ctx.config["cap"]
    if "table" in ctx.inputs:
        table = PairedRows.read(ctx.inputs["table"])
        return from_table(table, cut(table, CutConfig(**asked)), cap)
    if asked["split"] != "random":
        raise UserError("a synthetic world has no groups", where="split", do="use the random split")
    world = make_world(
        ctx.config["name"],
        asked["seed"],
        protocol=asked["protocol"],
        num_unpaired=ctx.config["unpaired"],
        num_pairs=asked["pool"],
        num_heldout=asked["gallery"],
    )
    return from_generated(world, cap)


def run_order(ctx: StepContext) -> Facts:
    """Write ``order.json``: pairs of the pool in the order in which they are chosen.

    ``coverage`` and ``sequential`` choose among known pairs by both sides, as ``pairs_selection`` in a recipe does;
    ``asked`` looks at the left corpus alone, as ``isthmus suggest`` does before any partner exists.
    """
    if refused := _refused(ctx.inputs["world"]):
        ctx.out.write_json(REFUSED, refused)
        return {"refused": refused}
    world, how = BenchWorld.read(ctx.inputs["world"]), ctx.config["selection"]
    pool = world.cut.pool
    left, right = {a for a, _ in pool}, {b for _, b in pool}
    if how == ASKED:
        left |= set(world.cut.unpaired_left)
    order = select_pairs(
        pool,
        world.left.take(sorted(left)),
        world.right.take(sorted(right)),
        min(int(ctx.config["most"]), len(pool)),
        how="coverage" if how == ASKED else how,
        side="left" if how == ASKED else "both",
        seed=int(ctx.config["seed"]),
    )
    ctx.out.write_json("order.json", [list(p) for p in order])
    return {"pairs": len(order)}


def run_cell(ctx: StepContext) -> Facts:
    """Fit one method in a process of its own; write ``result.json``.

    Raises:
        RuntimeError: the fit failed in a way that is no refusal; the next run tries again.
    """
    if refused := _refused(ctx.inputs["order"]):
        result = {"status": "refused", "reason": refused}
    else:
        with _local(ctx.inputs["world"]) as world, _local(ctx.inputs["order"]) as order:
            result = run_apart(FitJob(world=str(world), order=str(order), **ctx.config))
    if result["status"] == "failed":
        logging.getLogger("isthmus.bench").error(result["traceback"])  # goes to the step's log
        raise RuntimeError(result["reason"])
    ctx.out.write_json("result.json", result)
    return {name: value for name, value in result.items() if name != "diagnostics"}


def _refused(folder: Folder) -> str:
    return str(folder.read_json(REFUSED)) if folder.exists(REFUSED) else ""


@contextlib.contextmanager
def _local(folder: Folder) -> Iterator[Path]:
    """A folder's files on the local disk, for the other process."""
    if folder.is_local:
        yield folder.local
        return
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as scratch:
        for file in folder.files():
            target = Path(scratch, file.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(folder.read_bytes(file.name))
        yield Path(scratch)
