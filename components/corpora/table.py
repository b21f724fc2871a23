"""One table file of a source, and what is wanted from it. Shared by the Parquet and the text readers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from components.corpora.listing import Listing
from components.errors import UserError

BATCH = {"image": 64, "path": 64, "text": 8192, "embedding": 4096, "partner": 8192}
"""Rows that are in memory at once, by payload."""

EMBEDDING = pa.large_list(pa.float32())


def view_columns(payload: str, names: str | Sequence[str]) -> dict[str, str]:
    """Our name -> column: ``{"text": "name", "text:keywords": "keywords"}``. The first view is the payload itself."""
    first, *more = [names] if isinstance(names, str) else names
    return {payload: first, **{f"{payload}:{column}": column for column in more}}


def view_names(columns: Iterable[str], payload: str) -> list[str]:
    """Those of our names that hold content: the payload and its further views."""
    return [c for c in columns if c == payload or c.startswith(f"{payload}:")]


@dataclass(frozen=True)
class Table:
    """A file, the columns wanted from it (our name -> its name), and which of them is the payload."""

    listing: Listing
    name: str
    columns: Mapping[str, str]
    payload: str

    @property
    def full(self) -> str:
        return self.listing.full(self.name)

    @property
    def views(self) -> list[str]:
        return view_names(self.columns, self.payload)

    @property
    def extras(self) -> list[str]:
        return [c for c in self.columns if c != "id" and c not in self.views]

    @property
    def batch_rows(self) -> int:
        return BATCH[self.payload]

    def require(self, found: Sequence[str]) -> None:
        """Raises UserError if a wanted column is not among those found."""
        for name, column in self.columns.items():
            if column not in found:
                raise no_column(name, column, found, where=self.full)


def no_column(name: str, column: str, found: Sequence[str], *, where: str, do: str = "") -> UserError:
    """The sentence for a column that is not among those ``found``."""
    what = f"there is no column {column!r} for {name!r}; the columns are {', '.join(found) or 'none'}"
    return UserError(what, where=where, do=do)


def unreadable(form: str, full: str, error: Exception) -> UserError:
    """The sentence for a file that a library could not read."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return UserError(f"cannot be read as {form} ({first})", where=full, do="write the file again")


def decoded(value: bytes | None) -> str | None:
    """Optional columns are for show: what is not UTF-8 in them is replaced, empty means none."""
    return value.decode("utf-8", "replace") or None if value is not None else None
