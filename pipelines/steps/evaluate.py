"""Step ``evaluate``: every method's ranks into one table with intervals, controls, curves and the gauge."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from cluster.workflow.step import Facts, StepContext
from components.corpora.splits import Splits
from components.evaluation.summary import UNITS, Tables, tabulate
from components.evaluation.trials import PRIMARY
from pipelines.steps.bank import folders_of
from pipelines.steps.confidence import SUMMARY
from pipelines.steps.fit_auto import TABLE

PREFIX = "method:"


def run(ctx: StepContext) -> Facts:
    """Write ``metrics.json`` (what ``--metrics-out`` copies), ``recall_at_k.csv`` and ``queries.parquet``."""
    splits = Splits.read(ctx.inputs["splits"])
    ranks = {name: folder.read_table("ranks.parquet") for name, folder in folders_of(ctx.inputs, PREFIX).items()}
    tables = tabulate(ranks, PRIMARY, seed=int(ctx.config.get("seed", 0)))
    ctx.out.write_json(
        "metrics.json",
        {
            "units": UNITS,
            "primary_split": PRIMARY,
            "retrieval": tables.retrieval,
            "splits": tables.splits,
            "splits_absent": splits.absent,
            "controls": tables.controls,
            "alignability": ctx.inputs["gauge"].read_json("gauge.json"),
            **({"confidence": ctx.inputs["confidence"].read_json(SUMMARY)} if "confidence" in ctx.inputs else {}),
            "pairs": splits.numbers() | {"selection": splits.config.get("pairs_selection", "random")},
            **_choice(ctx),
        },
    )
    ctx.out.write_bytes("recall_at_k.csv", csv_bytes(tables.curves))
    ctx.out.write_table("queries.parquet", tables.queries)
    return facts(tables)


def _choice(ctx: StepContext) -> dict[str, Any]:
    """What ``auto`` tried and chose, if it is among the methods."""
    folder = ctx.inputs.get(f"{PREFIX}auto")
    return {"auto": folder.read_json(TABLE)} if folder else {}


def facts(tables: Tables) -> Facts:
    """Headline numbers by method, mean of both directions on the primary split."""
    names = ("R@1", "R@5", "R@10", "median_rank", "foscttm")
    numbers = {f"{n}.{method}": entry["mean"][n] for method, entry in tables.retrieval.items() for n in names}
    for control, methods in tables.controls.items():
        numbers.update({f"R@10.{method}.{control}": entry["mean"]["R@10"] for method, entry in methods.items()})
    return numbers


def csv_bytes(table: pa.Table) -> bytes:
    """A table as CSV with a header line."""
    out = io.BytesIO()
    pacsv.write_csv(table, out)
    return out.getvalue()
