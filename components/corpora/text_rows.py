"""Rows of CSV and JSONL files, streamed. Values stay bytes: one row that is not UTF-8 spoils itself only."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import pyarrow as pa

from components.corpora.listing import Listing
from components.corpora.rows import RawRows
from components.corpora.table import EMBEDDING, Table, decoded, unreadable
from components.errors import UserError

MAX_FIELD = 1 << 28
Cells = dict[str, Any]


def text_columns(listing: Listing, name: str, form: str) -> list[str]:
    """Columns of a CSV file (its header) or of a JSONL file (keys of its first 100 lines)."""
    with _text(listing, name) as stream:
        if form == "csv":
            return _header(_csv_rows(stream, name), listing.full(name))
        found: dict[str, None] = {}
        for line in islice(stream, 100):
            found.update(dict.fromkeys(_json_object(line) or ()))
        return list(found)


def read_csv(table: Table) -> Iterator[RawRows]:
    """Rows of a CSV file with commas, semicolons or tabs; the first line is the header, the row after it is row 1."""
    with _text(table.listing, table.name) as stream:
        rows = _csv_rows(stream, table.name)
        header = _header(rows, table.full)
        table.require(header)
        places = {ours: header.index(theirs) for ours, theirs in table.columns.items()}

        def cells(row: list[str]) -> Cells | None:
            return {ours: row[place] for ours, place in places.items()} if len(row) == len(header) else None

        yield from _batches((r for r in rows if r), cells, table, "row does not fit the header")


def read_jsonl(table: Table) -> Iterator[RawRows]:
    """Rows of a file with one JSON object a line; blank lines are skipped."""

    def cells(line: str) -> Cells | None:
        row = _json_object(line)
        return None if row is None else {ours: row.get(theirs) for ours, theirs in table.columns.items()}

    with _text(table.listing, table.name) as stream:
        yield from _batches((line for line in stream if line.strip()), cells, table, "not a JSON object")


def _batches(
    rows: Iterator[Any], cells: Callable[[Any], Cells | None], table: Table, problem: str
) -> Iterator[RawRows]:
    number = 1
    while some := _some(rows, table):
        parsed = [cells(row) for row in some]
        values = [c or {} for c in parsed]
        as_view = _vectors if table.payload == "embedding" else _binary
        payload, *further = [as_view([c.get(view) for c in values]) for view in table.views]
        yield RawRows(
            source=table.name,
            numbers=range(number, number + len(some)),
            ids=[_bytes(c.get("id")) for c in values],
            payload=payload,
            further=further,
            extras={e: [decoded(_bytes(c.get(e))) for c in values] for e in table.extras},
            problems=[None if c is not None else problem for c in parsed],
        )
        number += len(some)


def _some(rows: Iterator[Any], table: Table) -> list[Any]:
    try:
        return list(islice(rows, table.batch_rows))
    except (csv.Error, pa.ArrowException, OSError, EOFError) as error:
        raise unreadable("text", table.full, error) from None


def _vectors(values: Sequence[Any]) -> pa.Array:
    """Lists, or texts that hold a JSON list. What is neither becomes a null."""
    return pa.array([_numbers(v) for v in values], EMBEDDING)


def _numbers(value: Any) -> np.ndarray | None:
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is refused as such
            numbers = np.array(parsed, dtype=np.float32)
    except (ValueError, TypeError, RecursionError):
        return None
    return numbers if numbers.ndim == 1 else None


def _binary(values: Sequence[Any]) -> pa.Array:
    return pa.array([_bytes(v) for v in values], pa.large_binary())


def _bytes(value: Any) -> bytes | None:
    """The very bytes of the file; a float or a list is no id and no text."""
    if value is None or isinstance(value, (bool, float, list, dict)):
        return None
    try:
        return str(value).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character, written as an escape in JSON
        return str(value).encode("utf-8", "surrogatepass")


def _json_object(line: str) -> Cells | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _text(listing: Listing, name: str) -> io.TextIOWrapper:
    """A text stream, unpacked if its name says so; bytes that are not UTF-8 come as surrogate escapes."""
    try:
        stream = listing.fs.open_input_stream(listing.full(name), compression="detect")
    except FileNotFoundError:
        raise UserError("no such file", where=listing.full(name)) from None
    except (pa.ArrowException, OSError) as error:
        raise unreadable("text", listing.full(name), error) from None
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _csv_rows(stream: io.TextIOWrapper, name: str) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_FIELD)  # the default stops the whole file at one text of 128 KiB
    first = stream.readline()
    # spreadsheets write semicolons where the comma is the decimal sign
    separator = "\t" if ".tsv" in name.lower() else max(",;\t", key=first.count)
    yield from csv.reader(chain([first], stream), delimiter=separator)


def _header(rows: Iterator[list[str]], full: str) -> list[str]:
    try:
        return [c.strip() for c in next(rows, [])]
    except (csv.Error, pa.ArrowException, OSError, EOFError) as error:
        raise unreadable("text", full, error) from None
