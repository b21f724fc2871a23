"""The list of items to find partners for: a CSV that, filled in, is a pairs file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from components.reporting.style import shortened
from components.reporting.suggest_page import Wanted

COLUMNS = ("left_id", "right_id", "title", "text")
TEXT_LENGTH = 300
# Spreadsheets take a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def worksheet(wanted: Sequence[Wanted]) -> bytes:
    """``left_id,right_id,title,text`` as UTF-8, a line an item, with the partner's cell empty.

    Ids are kept as they are: they are looked up again. Titles and texts are for people: shortened, on one line, and
    never a formula.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in wanted:
        ids = (entry.item.id, "") if entry.side == "left" else ("", entry.item.id)
        writer.writerow([*ids, _shown(entry.item.title), _shown(entry.item.text or "")])
    return out.getvalue().encode("utf-8", "replace")


def _shown(text: str) -> str:
    short = shortened(text, TEXT_LENGTH)
    return f"'{short}" if short.startswith(FORMULA) else short
