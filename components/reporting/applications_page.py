"""The page of applications: one section each. As safe as :mod:`components.reporting.page`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.reporting.page import environment
from components.reporting.section import Section, Shown
from components.reporting.thumbnails import data_uri


def render_applications(
    title: str,
    sections: Mapping[str, Section],
    *,
    heading: str = "What the shared space is good for",
    tiles: Sequence[tuple[str, str]] = (),
    recipe: str = "",
) -> str:
    """The page as HTML: sections by their anchor, in order. The same data gives the same bytes."""
    context: dict[str, Any] = {
        "title": title,
        "heading": heading,
        "there": {name: s for name, s in sections.items() if not s.absent},
        "absent": {name: s for name, s in sections.items() if s.absent},
        "svg": lambda figure: data_uri(figure.svg, "image/svg+xml"),
        "png": _png,
        "tiles": tiles,
        "recipe": recipe,
    }
    return str(environment().get_template("applications.html.j2").render(context))


def _png(shown: Shown) -> str:
    return data_uri(bytes.fromhex(shown.picture), "image/png") if shown.picture else ""
