"""Drawn pictures beside the true ones and the nearest that were learned from."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.reporting.style import GREEN, MUTED, Figure, csv_text, drawing, finish, words

COLUMNS = 12


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A text and pictures [S, S, 3] uint8.

    Attributes:
        true: of the text.
        made: by each generator.
        nearest: training picture to the first generator's.
        hit: the true picture is among the ten nearest to the first generator's.
    """

    text: str
    true: np.ndarray
    made: Sequence[np.ndarray]
    nearest: np.ndarray
    hit: bool


def drawn_pictures(items: Sequence[Drawn], generators: Sequence[str]) -> Figure:
    """Bands of ``COLUMNS`` texts; below each its true picture, what was drawn, and the nearest learned from."""
    names = ["true picture", *(f"drawn, {g}" for g in generators), "nearest learned from"]
    bands = -(-len(items) // COLUMNS)
    height = bands * (0.85 * len(names) + 0.62)
    with drawing(11.2, height, COLUMNS, rows=bands * len(names)) as (canvas, axes):
        for panel in axes:
            panel.axis("off")
        for n, item in enumerate(items):
            band, column = divmod(n, COLUMNS)
            for row, picture in enumerate((item.true, *item.made, item.nearest)):
                panel = axes[(band * len(names) + row) * COLUMNS + column]
                panel.imshow(picture, interpolation="bicubic")
                if row == 0:
                    panel.set_title(_wrapped(item.text), fontsize=7, color=GREEN if item.hit else MUTED, pad=3)
                if column == 0:
                    panel.text(
                        -0.12,
                        0.5,
                        names[row].replace(" ", "\n", 1),
                        transform=panel.transAxes,
                        ha="right",
                        va="center",
                        fontsize=7.5,
                    )
        hits = sum(item.hit for item in items)
        return finish(
            canvas,
            name="drawn-pictures",
            title="Drawn from texts",
            caption=f"Held-out texts taken by lot. In green: the true picture is among the ten nearest to the"
            f" {generators[0]}'s ({hits} of {len(items)}). Last: the training picture nearest to that one.",
            alt=f"{len(items)} texts, the true picture of each, what {' and '.join(generators)} drew, and the nearest"
            " training picture",
            table=csv_text(["text", "hit"], [(item.text, int(item.hit)) for item in items]),
        )


def _wrapped(text: str) -> str:
    """At most two lines: the name, without the keywords behind it."""
    lines = textwrap.wrap(words(text).split(". ")[0], 15)
    return "\n".join(lines[:2]) + ("…" if len(lines) > 2 else "")
