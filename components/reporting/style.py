"""One look for all figures, and figures as files: SVG for the page, PNG for trackers, CSV for people who redo them.

Colours are Okabe and Ito's (2008), safe for the common kinds of colour blindness; lines differ in dash and marker too.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK, MUTED, FAINT, GREY, PAPER = "#1d2430", "#5d6675", "#dfe3e8", "#8a93a0", "#ffffff"
BLUE, ORANGE, GREEN, PURPLE, SKY, RED = "#0072b2", "#d55e00", "#009e73", "#a0508a", "#3d9fd6", "#b3261e"
LEFT_COLOUR, RIGHT_COLOUR = BLUE, ORANGE
PALETTE = (ORANGE, GREEN, PURPLE, SKY, "#8a6d00", "#555f6e", RED)
DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (5, 1.5),
    (1.5, 1.5),
    (6, 1.5, 1.5, 1.5),
    (3, 1),
    (8, 2),
)  # points on, off; empty = solid
DASHES_OF_CHANCE = (2, 2)
_RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": "#9aa3af",
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "isthmus",
}
_FONTS_WRITTEN = "'DejaVu Sans'"
_FONTS_WANTED = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans'"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure as files.

    Attributes:
        name: file stem.
        title, caption, alt: heading, what to see in it, and the same for readers who cannot see it.
        svg, png: pictures; csv: the numbers drawn.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: bytes
    png: bytes
    csv: str


@contextmanager
def drawing(
    width: float, height: float, columns: int = 1, *, rows: int = 1, **grid: Any
) -> Iterator[tuple[Canvas, list[Axes]]]:
    """A canvas of ``width`` x ``height`` inches with ``rows`` x ``columns`` axes, row by row; ``grid`` goes to
    ``Figure.subplots``."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context(_RC):
        canvas = Canvas(figsize=(width, height), layout="constrained")
        axes = canvas.subplots(rows, columns, squeeze=False, **grid)
        yield canvas, list(axes.flat)


def finish(canvas: Canvas, *, name: str, title: str, caption: str, alt: str, table: str) -> Figure:
    """Render a canvas inside its ``drawing`` block. The same canvas always gives the same bytes."""
    return Figure(
        name=name,
        title=title,
        caption=caption,
        alt=alt,
        svg=_render(canvas, "svg").replace(_FONTS_WRITTEN.encode(), _FONTS_WANTED.encode()),
        png=_render(canvas, "png"),
        csv=table,
    )


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with ``\\n`` line ends; floats keep six significant digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows)
    return out.getvalue()


def words(text: str) -> str:
    """Text without symbols that the figure fonts lack (emoji, private use, joiners)."""
    kept = (c for c in text if unicodedata.category(c) not in {"So", "Cs", "Co", "Cn", "Cf", "Cc"})
    return " ".join("".join(c for c in kept if c not in "\ufe0e\ufe0f").split())


def shortened(text: str, length: int) -> str:
    """On one line, and cut with an ellipsis if it is longer than ``length``."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


def _render(canvas: Canvas, kind: str) -> bytes:
    import warnings

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    (FigureCanvasSVG if kind == "svg" else FigureCanvasAgg)(canvas)
    out = io.BytesIO()
    metadata = {"Date": None, "Creator": "isthmus"} if kind == "svg" else {"Software": "isthmus"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        canvas.savefig(out, format=kind, dpi=144, facecolor=PAPER, metadata=metadata)
    return out.getvalue()
