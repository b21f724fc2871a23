"""The section about ``auto``: what was tried, how it did on the known pairs, what was chosen and why."""

from __future__ import annotations

import re

from components.reporting.data import Choice, Tried
from components.reporting.names import method_name, plural, split_name
from components.reporting.style import csv_text
from components.reporting.tables import Cell, Line, Table

BANK = "+bank"
_ENSEMBLES = ("fixed-sum", "stack")
_NAME = re.compile(r"[a-z]+(?:-[a-z]+)*(?:\+bank)?")
_COLUMNS = ("R@1", "R@10", "score", "ahead of linear", "CPU s")


def choice_table(choice: Choice) -> Table:
    """Candidates and sums of them; the CSV has every row, the page those of :func:`shown`."""
    numbers = sorted({name for t in choice.tried for name in t.values})
    rows = [(t.name, *(t.values.get(n, "") for n in numbers), t.skipped) for t in choice.tried]
    return Table(
        groups=[("out of fold, on the known pairs", len(_COLUMNS))],
        columns=_COLUMNS,
        lines=[_line(t, t.name == choice.chosen) for t in shown(choice)],
        csv=csv_text(["name", *numbers, "skipped"], rows),
    )


def shown(choice: Choice) -> list[Tried]:
    """Every candidate as it is, sums of candidates corrected for hubness, and the chosen one. Best first."""
    return [
        t
        for t in choice.tried
        if t.name == choice.chosen or t.name.endswith(BANK) == (t.name.removesuffix(BANK) in _ENSEMBLES)
    ]


def reason(choice: Choice) -> str:
    """The reason with the names that the tables use."""
    named = _named(choice.reason, choice)
    return named if named.endswith(".") else f"{named}."


def details(choice: Choice) -> list[str]:
    """One sentence each: the parts of a sum, the other draws."""
    total = sum(choice.weights.values())
    parts = sorted(((w / total, n) for n, w in choice.weights.items() if w > 0.005 * total), reverse=True)
    said = []
    if len(parts) > 1:
        listed = ", ".join(f"{method_name(n)} {100 * w:.0f} %" for w, n in parts)
        said.append(f"Shares in its score: {listed}.")
    for split, counts in choice.draws.items():
        if sum(counts.values()) > 1:
            listed = ", ".join(f"{method_name(n)} {c}" for n, c in sorted(counts.items(), key=lambda i: (-i[1], i[0])))
            said.append(f"{plural(sum(counts.values()), 'draw')}, {split_name(split)}: {listed}.")
    return said


def left_out(choice: Choice) -> list[tuple[str, str]]:
    """(candidate, why) of all that took no part."""
    given_up = {t.name: t.skipped for t in choice.tried if t.skipped}
    return [(method_name(n), _named(why, choice)) for n, why in {**choice.left_out, **given_up}.items()]


def _named(text: str, choice: Choice) -> str:
    known = {t.name for t in choice.tried} | {choice.chosen}
    return _NAME.sub(lambda m: method_name(m[0]) if m[0] in known else m[0], text)


def _line(tried: Tried, chosen: bool) -> Line:
    v = tried.values
    cells = [
        Cell(text=f"{v['R@1']:.1f}", spread=f"±{v['R@1_se']:.1f}"),
        Cell(text=f"{v['R@10']:.1f}", spread=f"±{v['R@10_se']:.1f}"),
        Cell(text=f"{v['score']:.2f}".replace("-", "−"), spread=f"±{v['score_se']:.2f}"),
        Cell(text=f"{v['ahead_of_linear']:+.2f}".replace("-", "−"), spread=f"±{v['ahead_se']:.2f}"),
        Cell(text=f"{v['seconds']:.1f}"),
    ]
    marks = ["exported"] * chosen + ["given up"] * bool(tried.skipped)
    return Line(name=method_name(tried.name), cells=cells, marks=marks, chance=bool(tried.skipped))
