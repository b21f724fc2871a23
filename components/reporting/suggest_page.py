"""The page of items to find partners for: pictures or texts in order, and what each adds.

Like the report it needs nothing but itself, and trusts nothing that comes from a corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.reporting.data import Item
from components.reporting.page import environment
from components.reporting.style import BLUE, DASHES_OF_CHANCE, GREY, ORANGE, Figure, csv_text, drawing, finish
from components.reporting.thumbnails import data_uri

COLOURS = {"left": BLUE, "right": ORANGE}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One item to find a partner for.

    Attributes:
        item: what a person sees.
        side: ``left`` or ``right``: the corpus it is of.
        gain: what it adds to the objective; coverage: of its side's corpus, with it and all before it.
    """

    item: Item
    side: str
    gain: float
    coverage: float


@dataclass(frozen=True, kw_only=True)
class SuggestPage:
    """What the page shows.

    Attributes:
        title: of the page.
        wanted: items, the most useful first.
        method: how they were chosen.
        num_known: pairs that the choice went on from.
        rows: side -> rows of its corpus.
        start: side -> coverage before the first pick; random: side -> coverage after 1, 2, … random picks.
        file: name of the list to fill in.
        notes: sentences for the reader.
    """

    title: str
    wanted: Sequence[Wanted]
    method: str
    num_known: int
    rows: Mapping[str, int]
    start: Mapping[str, float]
    random: Mapping[str, Sequence[float]]
    file: str
    notes: Sequence[str] = field(default_factory=list)

    @property
    def sides(self) -> list[str]:
        return list(dict.fromkeys(w.side for w in self.wanted))

    def of(self, side: str) -> list[Wanted]:
        """Items of one side, in order."""
        return [w for w in self.wanted if w.side == side]


def render_suggestion(page: SuggestPage) -> str:
    """The page as HTML. The same data gives the same bytes."""
    figure = coverage_figure(page)
    best = {side: max((w.gain for w in page.of(side)), default=0.0) for side in page.sides}
    context: dict[str, Any] = {
        "page": page,
        "figure": figure,
        "figure_uri": data_uri(figure.svg, "image/svg+xml"),
        "findings": [sentence for side in page.sides for sentence in _findings(page, side)],
        "shares": [100 * w.gain / best[w.side] if best[w.side] > 0 else 0.0 for w in page.wanted],
    }
    return str(environment().get_template("suggest.html.j2").render(context))


def coverage_figure(page: SuggestPage) -> Figure:
    """Coverage after each pick, and after as many random ones."""
    with drawing(8.4, 2.9, len(page.sides), sharey=True) as (canvas, axes):
        for axis, side in zip(axes, page.sides, strict=True):
            _draw(axis, page, side)
        axes[0].set_ylabel("coverage")
        return finish(
            canvas,
            name="coverage",
            title="What the next item still adds",
            caption="Coverage: mean similarity of all items of a corpus to the nearest one with a partner; 1 if every"
            " item has one. Where the line is flat, further partners tell little that is new.",
            alt="Line of coverage against the number of items with partners, above the line of random items.",
            table=csv_text(["side", "items", "coverage", "coverage of random items"], _points(page)),
        )


def _draw(axis: Any, page: SuggestPage, side: str) -> None:
    colour = COLOURS[side]
    for values, name, look in (
        ([w.coverage for w in page.of(side)], "these items", {"color": colour, "lw": 1.8}),
        (page.random.get(side, ()), "random items", {"color": GREY, "lw": 1.4, "dashes": DASHES_OF_CHANCE}),
    ):
        start = [page.start[side]] if page.start.get(side) else []  # nothing known: there is no similarity yet
        points = [*start, *values]
        axis.plot(range(1 - len(start), len(values) + 1), points, label=name, **look)
    axis.set_xlabel(f"{side} items with a new partner")
    axis.legend(loc="lower right")


def _points(page: SuggestPage) -> list[tuple[str, int, float, float]]:
    return [
        (side, n, w.coverage, by_chance)
        for side in page.sides
        for n, (w, by_chance) in enumerate(zip(page.of(side), page.random.get(side, ()), strict=False), 1)
    ]


def _findings(page: SuggestPage, side: str) -> list[str]:
    """When more stops paying, in words."""
    wanted = page.of(side)
    start = page.start.get(side) or wanted[0].coverage
    said = []
    if wanted[-1].coverage > start:
        half = _first(wanted, (start + wanted[-1].coverage) / 2)
        said.append(f"half of what {len(wanted)} items add is reached with {half}")
    if random := page.random.get(side):
        said.append(f"{_first(wanted, random[-1])} cover as much as {len(random)} random ones")
    return [f"{side.capitalize()}: {', and '.join(said)}."] if said else []


def _first(wanted: Sequence[Wanted], coverage: float) -> int:
    """How many items reach a coverage; all of them if none does."""
    return next((n for n, w in enumerate(wanted, 1) if w.coverage >= coverage), len(wanted))
