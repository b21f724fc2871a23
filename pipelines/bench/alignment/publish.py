"""What a bench leaves: tables and figures in ``HOME/results/bench-alignment``, the JSON file, records in MLflow."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.tracking.tracker import Tracker
from cluster.workflow.history import new_run_id
from components.files import write_atomically
from pipelines.bench.alignment.figures import all_figures
from pipelines.bench.alignment.markdown import to_markdown
from pipelines.bench.alignment.records import METRICS, CellResult
from pipelines.home import Home

NAME = "bench-alignment"
Record = dict[str, Any]
_GROUP = ("corpus", "protocol", "split", "selection", "rows", "control")


def write_report(report: Mapping[str, Any], cells: Sequence[CellResult], folder: Path) -> list[Path]:
    """Write ``cells.parquet`` (a row per fit), ``records.parquet``, ``report.json``, ``table.md`` and the figures (PNG
    and CSV). Each file is replaced as a whole. Returns what was written."""
    records, claims = report["records"], report["claims"]
    files = {
        "report.json": _json(report),
        "table.md": to_markdown(records, claims, report["absent"]).encode(),
        "cells.parquet": _parquet([c.row() for c in cells]),
        "records.parquet": _parquet([_flat(r) for r in records]),
    }
    for figure in all_figures(records):
        files |= {f"{figure.name}.png": figure.png, f"{figure.name}.csv": figure.csv.encode()}
    for name, data in files.items():
        write_atomically(folder / name, data)
    return [folder / name for name in files]


def write_json(report: Mapping[str, Any], path: Path) -> None:
    """The report, replaced as a whole."""
    write_atomically(path, _json(report))


def track(report: Mapping[str, Any], folder: Path, home: Home, params: Mapping[str, Any]) -> Tracker:
    """One run for the bench and below it one per group of cells: corpus, protocol, split, choice of pairs, rows and
    control. Its metrics are ``METHOD.R@10`` and so on, with the number of pairs as step. Close what is returned."""
    tracker = Tracker(home.path, store_uri=home.store_uri)
    now, run = time.time(), new_run_id()
    tracker.recipe(params, "", NAME)
    tracker.listen({"kind": "run-started", "run": run, "time": now, "pipeline": NAME, "steps": []})
    for name, group in _groups(report["records"]).items():
        for record in group:
            for metric in (*METRICS, "cpu_seconds", "peak_mib"):
                value = record["mean"][metric] if metric in METRICS else record[metric]
                event = {"kind": "metric", "step": name, "name": f"{record['method']}.{metric}", "value": value}
                tracker.listen({**event, "index": record["budget"], "time": now})
        tracker.listen(_finished(name, {n: group[0][n] for n in _GROUP}, {"records": len(group)}, now))
    held = {f"claim.{c['corpus']}.{c['claim']}": str(c["holds"]) for c in report["claims"]}
    tracker.listen(_finished("report", {}, held, now, output=str(folder)))
    tracker.listen({"kind": "run-finished", "time": time.time(), "seconds": report["seconds"], "state": "DONE"})
    return tracker


def _groups(records: Sequence[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        if "mean" in record:
            names = [str(record[n]) for n in _GROUP[:4]]
            names += [f"{record['rows']}-rows"] if record["rows"] else []
            names += [record["control"]] if record["control"] != "none" else []
            groups.setdefault("-".join(names), []).append(record)
    return groups


def _finished(step: str, config: Record, facts: Record, now: float, output: str = "") -> Record:
    digest = hashlib.sha256(json.dumps([step, config], sort_keys=True).encode()).hexdigest()
    same = {"kind": "step-finished", "step": step, "time": now, "key": digest, "version": "1", "cached": False}
    return {**same, "config": config, "facts": facts, "output": output}


def _flat(record: Record) -> Record:
    """A record as one row: ``R@10``, ``R@10_low``, ``R@10_high`` and so on."""
    kept = {n: v for n, v in record.items() if not isinstance(v, dict)}
    if "mean" not in record:
        return kept
    ends = {m: record["ci95"][m] or [None, None] for m in METRICS}
    numbers = {m: record["mean"][m] for m in METRICS}
    return kept | numbers | {f"{m}_{end}": ends[m][n] for m in METRICS for n, end in enumerate(("low", "high"))}


def _parquet(rows: Sequence[Record]) -> bytes:
    names = dict.fromkeys(name for row in rows for name in row)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), sink)
    return bytes(sink.getvalue().to_pybytes())


def _json(report: Mapping[str, Any]) -> bytes:
    return (json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
