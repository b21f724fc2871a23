"""A part of a corpus for a trial at small size: the rows that are asked for, and others drawn by the seed.

A large source is not read to its end: pieces come in an order drawn by the seed until there are enough rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.corpora.reading import pieces_of, read_piece
from components.corpora.rows import RawRows
from components.corpora.source_config import SourceConfig
from components.corpora.sources import Source, open_source

MOST_BYTES = 1 << 29  # of rows that nobody asked for


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows with the columns of their source; files in place of paths to them, in a column ``image``.

    ``table`` has the ``num_wanted`` rows that were asked for first, in the order of their ids; the others follow in
    random order, so that its first n rows are a part of n rows.
    """

    table: pa.Table
    id_column: str
    num_wanted: int

    @property
    def ids(self) -> set[str]:
        return set(self.table[self.id_column].to_pylist())


def read_part(
    config: SourceConfig, *, wanted: Collection[str], most: int, seed: int, stop: Callable[[], bool] = lambda: False
) -> Part:
    """The wanted rows that there are, and up to ``most`` others (512 MiB of them at most).

    Args:
        stop: is asked after each batch; when it says so, what was read is enough.

    Raises:
        UserError: as :func:`~components.corpora.sources.open_source` and
            :func:`~components.corpora.reading.read_piece`.
    """
    source = open_source(config)
    rng, names = np.random.default_rng(seed), frozenset(wanted)
    found = _Found(names, most)
    pieces = pieces_of(source)
    for number in rng.permutation(len(pieces)):
        for rows in read_piece(source, pieces[number]):
            found.take(_table(source, rows))
            if found.enough or stop():
                return found.part(source, rng)
    return found.part(source, rng)


class _Found:
    def __init__(self, wanted: frozenset[str], most: int) -> None:
        self._wanted, self._most = wanted, most
        self._seen: set[str] = set()
        self._bytes = 0
        self._asked: list[pa.Table] = []
        self._others: list[pa.Table] = []

    @property
    def full(self) -> bool:
        return sum(map(len, self._others)) >= self._most or self._bytes > MOST_BYTES

    @property
    def enough(self) -> bool:
        return self.full and self._wanted <= self._seen

    def take(self, rows: pa.Table) -> None:
        asked: list[int] = []
        others: list[int] = []
        for row, name in enumerate(rows["id"].to_pylist()):
            if name is not None and name not in self._seen:
                (asked if name in self._wanted else others).append(row)
                self._seen.add(name)
        self._asked.append(rows.take(pa.array(asked, pa.int64())))
        if not self.full:
            self._others.append(rows.take(pa.array(others, pa.int64())))
            self._bytes += self._others[-1].nbytes

    def part(self, source: Source, rng: np.random.Generator) -> Part:
        asked = pa.concat_tables(self._asked).sort_by("id") if self._asked else pa.table({"id": pa.array([], "string")})
        others = pa.concat_tables(self._others or [asked.slice(0, 0)])
        table = pa.concat_tables([asked, others.take(rng.permutation(len(others))[: self._most])])
        columns = {
            _column(source, name): name for name in reversed(table.column_names)
        }  # two may be one: a text as title
        return Part(
            table=pa.table({column: table[name] for column, name in columns.items()}),
            id_column=_column(source, "id"),
            num_wanted=len(asked),
        )


def _table(source: Source, rows: RawRows) -> pa.Table:
    """Our names. A row without a usable id gets null, and is left out."""
    named = dict(zip(source.views, rows.views, strict=True))
    extras = {name: pa.array(values, pa.large_string()) for name, values in rows.extras.items()}
    return pa.table({"id": pa.array(list(map(_text, rows.ids)), pa.large_string()), **named, **extras})


def _text(value: bytes | None) -> str | None:
    try:
        return value.decode() if value else None
    except UnicodeDecodeError:
        return None


def _column(source: Source, name: str) -> str:
    """What a column of ours is called in the source; pictures that were files come as a column."""
    return "image" if name == "path" else source.columns.get(name) or name
