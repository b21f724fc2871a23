"""Rows that cannot be used: kept with a reason, counted, and too many of them stop the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from components.errors import UserError

DUPLICATE = "duplicate id"
CONFLICT = "duplicate id with other content"
FILE = "quarantine/quarantine.parquet"
SCHEMA = pa.schema([("source", pa.string()), ("row", pa.string()), ("reason", pa.string()), ("detail", pa.string())])


@dataclass(frozen=True)
class Quarantine:
    """Table ``source, row, reason, detail``, sorted.

    ``row`` is the row's id, or ``#7`` for the seventh row of a file where the row has none.
    """

    table: pa.Table

    @property
    def reasons(self) -> dict[str, int]:
        """Rows per reason, the commonest first."""
        counts = self.table["reason"].value_counts().to_pylist()
        return {c["values"]: c["counts"] for c in sorted(counts, key=lambda c: (-c["counts"], c["values"]))}

    @property
    def num_bad(self) -> int:
        """Rows with a reason, save repetitions of the same row: leaving those out loses nothing."""
        return len(self.table) - self.reasons.get(DUPLICATE, 0)

    @property
    def num_duplicates(self) -> int:
        return self.reasons.get(DUPLICATE, 0) + self.reasons.get(CONFLICT, 0)

    def check(self, num_rows: int, max_bad_fraction: float, *, where: str, kept_at: str) -> None:
        """Raises UserError if more than ``max_bad_fraction`` of the ``num_rows`` rows that were read are bad."""
        fraction = self.num_bad / max(num_rows, 1)
        if fraction <= max_bad_fraction:
            return
        commonest = [r for r in self.reasons if r != DUPLICATE][:3]
        examples = ", ".join(f"{self.reasons[r]} × {r} (e.g. {self._example(r)})" for r in commonest)
        raise UserError(
            f"{self.num_bad} of {num_rows} rows are bad ({fraction:.1%}, max_bad_fraction is {max_bad_fraction:.1%}): "
            f"{examples}",
            where=where,
            do=f"mend or remove the rows listed in {kept_at}, or raise max_bad_fraction",
        )

    def _example(self, reason: str) -> str:
        row = self.table.filter(pc.equal(self.table["reason"], reason)).slice(0, 1).to_pylist()[0]
        return f"row {row['row']} of {row['source']}"


def quarantine_of(
    sources: pa.ChunkedArray, rows: Sequence[str], reasons: Sequence[str], details: Sequence[str]
) -> Quarantine:
    """Sorted, so that equal rows give equal files."""
    table = pa.table([sources, rows, reasons, details], schema=SCHEMA)
    return Quarantine(table.sort_by([("source", "ascending"), ("row", "ascending"), ("reason", "ascending")]))
