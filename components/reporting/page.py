"""The report: one HTML page that needs nothing but itself, and the figures and tables as files.

Ids, titles and texts come from the user's corpora and are never trusted: the template escapes everything, pictures are
decoded and encoded again, and the page's own policy forbids scripts and any request to anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.reporting import choice, figures_confidence, figures_retrieval, figures_space
from components.reporting.data import CHANCE, DIRECTIONS, Item, Licence, NearHits, Provenance, ReportData
from components.reporting.headline import findings, headline, headline_metric
from components.reporting.names import direction_name, plural, split_name
from components.reporting.promises import promise_table
from components.reporting.style import Figure, shortened
from components.reporting.tables import Table, control_table, quarantine_rows, retrieval_table
from components.reporting.thumbnails import data_uri, thumbnail

_HERE = Path(__file__).parent
_DRAWN = ("gauge", "comparison", "recall-curves", "reliability", "spectra", "correlations", "mmd", "map", "timings")
_SECTIONS = {
    "gauge": "Gauge",
    "recall": "What is found",
    "choice": "What was chosen",
    "promises": "How sure it is",
    "card": "Model card",
    "space": "Shared space",
    "examples": "Examples",
    "near": "Near-hits",
    "data": "Data",
    "timings": "Timings",
    "reading": "Meaning",
    "made": "How it was made",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """``html`` is the page; ``figures`` by name; ``tables`` are CSV texts by name."""

    html: str
    headline: str
    figures: Mapping[str, Figure]
    tables: Mapping[str, str]

    def files(self) -> dict[str, bytes]:
        """Everything as relative file name -> bytes: ``report.html``, ``figures/*``, ``tables/*.csv``."""
        found = {"report.html": self.html.encode()}
        for name, figure in self.figures.items():
            found |= {f"figures/{name}.svg": figure.svg, f"figures/{name}.png": figure.png}
            found[f"figures/{name}.csv"] = figure.csv.encode()
        return found | {f"tables/{name}.csv": text.encode() for name, text in self.tables.items()}


def render(data: ReportData) -> Report:
    """Draw all figures for which there is data and write the page. The same data gives the same bytes."""
    figures = {f.name: f for f in _figures(data) if f is not None}
    tables = {f"retrieval-{split}": retrieval_table(data, split) for split in data.retrieval}
    if data.controls:
        tables["controls"] = control_table(data, headline_metric(data))
    if data.choice:
        tables["auto"] = choice.choice_table(data.choice)
    if data.promises and data.promises.recalls:
        tables["promises"] = promise_table(data.promises)
    html = environment().get_template("page.html.j2").render(_context(data, figures, tables))
    return Report(
        html=html,
        headline=headline(data),
        figures=figures,
        tables={name: table.csv for name, table in tables.items()},
    )


def _figures(data: ReportData) -> list[Figure | None]:
    return [
        figures_retrieval.gauge_bars(data.gauge),
        figures_retrieval.comparison(data),
        figures_retrieval.recall_curves(data),
        figures_confidence.reliability_diagram(data.promises),
        figures_space.spectra(data),
        figures_space.correlations(data.correlations),
        figures_space.discrepancy(data.discrepancy),
        figures_space.shared_map(data),
        figures_space.step_times(data.steps),
    ]


def _context(data: ReportData, figures: Mapping[str, Figure], tables: Mapping[str, Table]) -> dict[str, Any]:
    context = {
        "data": data,
        "headline": headline(data),
        "findings": findings(data),
        "tiles": _tiles(data),
        "figures": dict.fromkeys(_DRAWN) | {name: shown(figure) for name, figure in figures.items()},
        "retrieval": [
            (s, split_name(s), _gallery_line(data, s), table_shown(tables[f"retrieval-{s}"])) for s in data.retrieval
        ],
        "controls": table_shown(tables["controls"]) if "controls" in tables else None,
        "choice": _choice(data, tables),
        "promises": table_shown(tables["promises"]) if "promises" in tables else None,
        "has_space": bool(figures.keys() & {"spectra", "correlations", "mmd", "map"}),
        "queries": queries_shown(data),
        "near_hits": [
            (direction_name(data, d), _near_line(n), n) for d, n in data.near_hits.items() if n.num_near or n.expected
        ],
        "data_rows": _data_rows(data),
        "quarantine": quarantine_rows(data),
        "licences": _licences(data),
        "card": _card(data.card),
        "made": data.provenance or (Provenance() if _licences(data) else None),
    }
    return context | {"contents": _contents(context)}


def environment() -> Any:
    """Templates of this folder and their style sheet ``css``; whatever else is put into them is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "picture": _picture,
        "short": shortened,
        "rank": lambda rank: f"{rank:,.0f}" if float(rank).is_integer() else f"{rank:,.1f}",
        "csv_uri": lambda text: data_uri(text.encode(), "text/csv"),
        "capitalize_first": lambda text: text[:1].upper() + text[1:],
        "unbroken": lambda text: re.sub(r" (?=[±%=]) ?|(?<=[±=]) ", "\u00a0", text),
    }
    made.globals["css"] = Markup((_HERE / "page.css").read_text("utf-8"))  # noqa: S704  our own file
    return made


def _contents(context: Mapping[str, Any]) -> list[tuple[str, str]]:
    there = {
        "gauge": context["data"].gauge,
        "recall": True,
        "choice": context["choice"],
        "promises": context["data"].promises,
        "card": context["data"].card,
        "space": context["has_space"],
        "examples": context["queries"],
        "near": context["near_hits"],
        "data": context["data_rows"],
        "timings": context["figures"]["timings"],
        "reading": True,
        "made": context["made"],
    }
    return [(anchor, name) for anchor, name in _SECTIONS.items() if there[anchor]]


def _card(card: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The card without what the page says elsewhere, and the whole of it as Markdown."""
    if card is None:
        return None
    from components.reporting.model_card import card_markdown

    text = card_markdown(card)
    uri = data_uri(text.encode(), "text/markdown")
    return {"failures": card["known_failures"], "load": card["load"], "uri": uri}


def shown(figure: Figure) -> dict[str, str]:
    """A figure as templates take it."""
    uri = data_uri(figure.svg, "image/svg+xml")
    return {
        "uri": uri,
        "name": figure.name,
        "title": figure.title,
        "caption": figure.caption,
        "alt": figure.alt,
        "csv": figure.csv,
    }


def _tiles(data: ReportData) -> list[tuple[str, str]]:
    sides = [
        (f"{s.rows:,}", f"{noun}s") for s, noun in zip((data.left, data.right), data.nouns(""), strict=True) if s.rows
    ]
    gallery = max((s.gallery for s in data.main[data.exported].values()), default=0)
    draws = max((s.draws for s in data.main[data.exported].values()), default=1)
    shown = [*sides, (f"{data.num_pairs:,}", "known pairs per fit"), (f"{gallery:,}", "held-out pairs asked")]
    return [*shown, (f"{draws}", "draws of the known pairs")] if draws > 1 else shown


def _gallery_line(data: ReportData, split: str) -> str:
    scores = [s for m, by_direction in data.retrieval[split].items() if m != CHANCE for s in by_direction.values()]
    gallery, draws = max((s.gallery for s in scores), default=0), max((s.draws for s in scores), default=1)
    known = plural(data.num_pairs, "known pair")
    return f"{known}, {gallery:,} candidates in each direction, {plural(draws, 'draw')} of the known pairs."


def table_shown(table: Table) -> dict[str, Any]:
    """A table as templates take it."""
    spans = [span for _, span in table.groups]
    starts = {sum(spans[:i]) for i in range(len(spans))}
    return {**{k: getattr(table, k) for k in ("groups", "columns", "lines", "csv")}, "starts": starts}


def _choice(data: ReportData, tables: Mapping[str, Table]) -> dict[str, Any] | None:
    if data.choice is None:
        return None
    return {
        "reason": choice.reason(data.choice),
        "details": choice.details(data.choice),
        "left_out": choice.left_out(data.choice),
        "gallery": f"{data.choice.gallery:,.0f}",
        "table": table_shown(tables["auto"]) if data.choice.tried else None,
    }


def queries_shown(data: ReportData) -> list[tuple[str, str, bool, Any]]:
    """Examples as templates take them: direction, size of the gallery, whether answers are texts, queries."""
    shown = []
    for direction in (d for d in DIRECTIONS if data.queries.get(d)):
        asked = data.queries[direction]
        score = data.main[data.exported].get(direction)
        textual = asked[0].partner.image is None
        shown.append((direction_name(data, direction), f"{score.gallery:,}" if score else "", textual, asked))
    return shown


def _near_line(near: NearHits) -> str:
    found = f"{near.num_near} of {near.num_misses} misses ({100 * near.num_near / near.num_misses:.0f} %) are near-hits"
    return found + (
        f"; of random wrong answers {100 * near.expected:.1f} % would be." if near.expected is not None else "."
    )


def _data_rows(data: ReportData) -> list[tuple[str, str, str, str]]:
    return [
        (
            f"{s.name} ({noun}s)",
            f"{s.rows:,}",
            f"{s.quarantined:,}",
            f"{100 * s.quarantined / (s.rows + s.quarantined):.1f} %",
        )
        for s, noun in zip((data.left, data.right), data.nouns(""), strict=True)
        if s.rows
    ]


def _licences(data: ReportData) -> list[Licence]:
    own = data.provenance.licences if data.provenance else ()
    return list(dict.fromkeys((*data.left.licences, *data.right.licences, *own)))


def _picture(item: Item) -> str:
    small = thumbnail(item.image) if item.image else None
    return data_uri(small, "image/png") if small else ""
