"""The records as Markdown: methods down, corpora and budgets across."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.bench.alignment.methods import CHANCE
from pipelines.bench.alignment.show import method_text, place_text, with_half

COLUMNS = 8  # more than these are cut into several tables
Record = Mapping[str, Any]
Column = tuple[str, int]


def to_markdown(records: Sequence[Record], claims: Sequence[Record], absent: Mapping[str, str]) -> str:
    """The whole page."""
    parts = ["# Bench of the aligners", _LEGEND]
    main = [r for r in records if r["control"] == "none" and r["rows"] is None]
    for protocol, split, selection in dict.fromkeys((r["protocol"], r["split"], r["selection"]) for r in main):
        here = [r for r in main if (r["protocol"], r["split"], r["selection"]) == (protocol, split, selection)]
        parts.append(f"## {protocol} sides, {split} split, {selection} pairs")
        columns = list(dict.fromkeys((r["corpus"], r["budget"]) for r in here))
        parts += [_table(here, block) for block in _blocks(columns)]
    parts += _section("Fewer unpaired rows", _list_numbers(r for r in records if r["rows"] is not None))
    parts += _section("Controls: wrong pairs must fall to chance", _list_numbers(_controls(records)))
    parts += _section("Claims", [_claim_line(c) for c in claims])
    parts += _section("Not measured", [*(f"- {n}: {why}" for n, why in absent.items()), *_reasons(records)])
    return "\n\n".join(parts) + "\n"


_LEGEND = (
    "R@1 / R@10 in percent, mean of both directions and of the seeds, ± half the 95 % interval of R@10 over seeds. "
    "Best R@10 of a column in bold. Every cell is an inductive fit: neither gallery nor queries were seen."
)


def _blocks(columns: list[Column]) -> Iterable[list[Column]]:
    """A corpus' budgets stay together."""
    block: list[Column] = []
    for corpus in dict.fromkeys(c for c, _ in columns):
        own = [c for c in columns if c[0] == corpus]
        if block and len(block) + len(own) > COLUMNS:
            yield block
            block = []
        block = block + own
    if block:
        yield block


def _table(records: Sequence[Record], columns: Sequence[Column]) -> str:
    cells = {(r["method"], r["corpus"], r["budget"]): r for r in records}
    methods = [m for m in dict.fromkeys(r["method"] for r in records) if m != CHANCE]
    best = {c: _best(cells, methods, c) for c in columns}
    methods.sort(key=lambda m: -sum(_value(cells.get((m, *c))) for c in columns))
    lines = [["method", *(f"{corpus} {budget}" for corpus, budget in columns)], ["---", *["---:"] * len(columns)]]
    for method in [*methods, CHANCE]:
        lines.append([method, *(_cell(cells.get((method, *c)), bold=best[c] == method) for c in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _best(cells: Mapping[Any, Record], methods: Sequence[str], column: Column) -> str:
    found = {m: _value(cells.get((m, *column))) for m in methods}
    return max(found, key=lambda m: found[m]) if any(v > 0 for v in found.values()) else ""


def _value(record: Record | None) -> float:
    return float(record["mean"]["R@10"]) if record and "mean" in record else 0.0


def _cell(record: Record | None, *, bold: bool) -> str:
    if record is None:
        return ""
    if "mean" not in record:
        return str(record["reason"] if record["reason"] == "needs pairs" else record["status"])
    text = f"{record['mean']['R@1']:.1f} / {with_half(record, 'R@10', 1)}"
    return f"**{text}**" if bold else text


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "\n".join(lines)] if lines else []


def _controls(records: Sequence[Record]) -> Iterable[Record]:
    return (r for r in records if r["control"] != "none")


def _list_numbers(records: Iterable[Record]) -> list[str]:
    good = [r for r in records if "mean" in r]
    if not good:
        return []
    head = ["| setting | method | R@1 | R@10 | FOSCTTM |", "| --- | --- | ---: | ---: | ---: |"]
    return head + [
        f"| {place_text(r)} | {method_text(r)} | {with_half(r, 'R@1', 1)} | {with_half(r, 'R@10', 1)} "
        f"| {with_half(r, 'foscttm', 3)} |"
        for r in good
    ]


def _claim_line(claim: Record) -> str:
    if claim["holds"] is None:
        return f"- {claim['corpus']}: {claim['text']}: {claim['reason']}"
    ends = claim["ci95"]
    interval = f" (95 % {ends[0]:.2f} to {ends[1]:.2f}, {claim['seeds']} seeds)" if ends else " (one seed)"
    verdict = "holds" if claim["holds"] else "does not hold"
    return f"- {claim['corpus']}: {claim['text']}: **{verdict}**, {claim['value']:.2f}{interval}"


def _reasons(records: Sequence[Record]) -> list[str]:
    told = (r for r in records if r["reason"] and r["reason"] != "needs pairs")
    return [f"- {place_text(r)}, {method_text(r)}: {r['status']}, {r['reason']}" for r in told]
