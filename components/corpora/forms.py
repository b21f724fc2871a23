"""Which form a file has, by its extension, and which columns it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from components.corpora.images import EXTENSIONS
from components.corpora.listing import Listing, shown
from components.corpora.parquet_rows import parquet_columns, read_parquet
from components.corpora.rows import RawRows
from components.corpora.table import Table
from components.corpora.text_rows import read_csv, read_jsonl, text_columns
from components.errors import UserError

FORMS = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
    **dict.fromkeys(EXTENSIONS, "images"),
}  # fmt: skip
PACKED = {".gz", ".bz2", ".zst"}


def form_of_name(name: str) -> str | None:
    """Form of a file by its extension, e.g. ``texts.csv.gz`` -> ``csv``; None if it is none that we read."""
    path = PurePosixPath(name.lower())
    return FORMS.get(PurePosixPath(path.stem).suffix if path.suffix in PACKED else path.suffix)


def form_of(listing: Listing, location: str) -> str:
    """The one form of the files that we can read. Raises UserError if there is none or more than one."""
    forms = Counter(filter(None, (form_of_name(f.name) for f in listing.files)))
    if len(forms) == 1:
        return str(next(iter(forms)))
    if forms:
        found = " and ".join(f"{n} {form} files" for form, n in sorted(forms.items()))
        raise UserError(f"{found} are mixed here", where=shown(location), do="name a file or a glob such as **/*.png")
    endings = sorted({PurePosixPath(f.name).suffix or f.name for f in listing.files})[:5]
    raise UserError(
        f"no pictures and no Parquet, CSV or JSONL files, only {', '.join(endings)}",
        where=shown(location),
        do=f"readable are {', '.join(sorted(FORMS))}",
    )


def of_form(listing: Listing, form: str) -> Listing:
    """The files of one form."""
    return Listing(listing.fs, listing.root, tuple(f for f in listing.files if form_of_name(f.name) == form))


def read_table(table: Table, form: str, groups: range | None = None) -> Iterator[RawRows]:
    """Rows of a ``parquet``, ``csv`` or ``jsonl`` file; ``groups``: some row groups of a Parquet file."""
    if form == "parquet":
        return read_parquet(table, groups)
    return read_csv(table) if form == "csv" else read_jsonl(table)


def column_names(listing: Listing, form: str) -> list[str]:
    """Columns of the first file. Raises UserError if it cannot be read as ``form``."""
    first = listing.files[0].name
    return parquet_columns(listing, first) if form == "parquet" else text_columns(listing, first, form)
