"""Figures of the shared space: spectra, canonical correlations, discrepancy, the 2-D map; and the steps' times.

Each function returns None if the report's data has nothing for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.reporting.data import Band, Correlations, Discrepancy, ReportData, Spectrum, StepTime
from components.reporting.names import plural
from components.reporting.projection import Projection, mixing_score, project
from components.reporting.style import (
    BLUE,
    INK,
    LEFT_COLOUR,
    MUTED,
    ORANGE,
    RIGHT_COLOUR,
    Figure,
    csv_text,
    drawing,
    finish,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CORRELATION_COLUMNS = (
    "index",
    "known",
    "heldout",
    "known_null_low",
    "known_null_high",
    "heldout_null_low",
    "heldout_null_high",
)
_DRAWN_AS_SHAPES = 3000  # more points than this become one picture inside the SVG


def spectra(data: ReportData) -> Figure | None:
    """Eigenvalues of the random walk on each side's neighbour graph, with the chosen gap."""
    if not data.spectra:
        return None
    columns = min(len(data.spectra), 2)
    lines = -(-len(data.spectra) // columns)
    with drawing(4.9 * columns, 3.1 * lines, columns, rows=lines, sharey=True) as (canvas, axes):
        for panel in axes[len(data.spectra) :]:
            panel.set_visible(False)
        for panel, spectrum in zip(axes, data.spectra, strict=False):
            _draw_spectrum(panel, spectrum)
            side = data.left if spectrum.side == "left" else data.right
            solver = f", solver {words(spectrum.solver)}" if spectrum.solver else ""
            panel.set_title(f"{spectrum.side}: {side.noun}s{solver}")
        for panel in axes[::columns]:
            panel.set_ylabel("eigenvalue")
        rows = (
            (s.side, s.solver, i + 1, float(v), i + 1 == s.gap_index)
            for s in data.spectra
            for i, v in enumerate(s.eigenvalues)
        )
        gaps = "; ".join(f"{s.side}: gap after {s.gap_index}" for s in data.spectra if s.gap_index)
        return finish(
            canvas,
            name="spectra",
            title="Spectra of both sides",
            caption="Eigenvalues of the random walk on the neighbour graph, the trivial one left out. Values near 1 are"
            " slow, global structure; the dashed line is the chosen gap.",
            alt=f"Eigenvalue spectra of {len(data.spectra)} sides. {gaps}.",
            table=csv_text(["side", "solver", "index", "eigenvalue", "last_before_gap"], rows),
        )


def correlations(data: Correlations | None) -> Figure | None:
    """Canonical correlations on known and on held-out pairs, with what permuted pairs give."""
    if data is None:
        return None
    with drawing(6.4, 3.4) as (canvas, (axes,)):
        _draw_band(axes, data.known_null, BLUE, "known, permuted")
        _draw_band(axes, data.heldout_null, ORANGE, "held-out, permuted")
        axes.plot(range(1, len(data.known) + 1), data.known, "o", mfc="white", mec=BLUE, ms=5, label="known pairs")
        if len(data.heldout):
            axes.plot(range(1, len(data.heldout) + 1), data.heldout, "o-", color=ORANGE, lw=1.2, label="held-out pairs")
        axes.axhline(0, color=MUTED, lw=0.8)
        axes.set_xlabel("canonical pair")
        axes.set_ylabel("correlation")
        axes.set_ylim(top=1.03)
        canvas.legend(loc="outside upper left", ncols=2)
        first = f"; the first is {data.heldout[0]:.2f} on held-out pairs" if len(data.heldout) else ""
        return finish(
            canvas,
            name="correlations",
            title="Canonical correlations",
            caption="On the known pairs they are high even for noise when pairs are few; only those on held-out pairs"
            " count. Bands: middle 95 % when the known pairs are permuted and the map is fitted again.",
            alt=f"{len(data.known)} canonical correlations{first}.",
            table=csv_text(_CORRELATION_COLUMNS, _correlation_rows(data)),
        )


def discrepancy(data: Discrepancy | None) -> Figure | None:
    """MMD² between the two sides before and after the MMD-net, a line for each fit."""
    if data is None or not len(data.before):
        return None
    before, after = np.asarray(data.before, float), np.asarray(data.after, float)
    with drawing(4.3, 3.2) as (canvas, (axes,)):
        for start, end in zip(before, after, strict=True):
            axes.plot([0, 1], [start, end], "o-", color=BLUE, alpha=0.5, lw=1.2, ms=4.5)
        axes.plot([0, 1], [before.mean(), after.mean()], "o-", color=ORANGE, lw=2.6, ms=7, label="mean")
        axes.set_xticks([0, 1], ["before", "after"])
        axes.set_xlim(-0.35, 1.35)
        axes.set_ylim(bottom=min(0.0, float(after.min()) * 1.1))
        axes.set_ylabel("MMD² on unseen rows")
        axes.legend(loc="upper right")
        return finish(
            canvas,
            name="mmd",
            title="MMD² before and after the net",
            caption=f"{plural(len(before), 'fit')} (splits × draws). Mean {before.mean():.4f} → {after.mean():.4f};"
            " 0 means that the two clouds cannot be told apart.",
            alt=f"MMD squared falls from {before.mean():.4f} to {after.mean():.4f} on average over {len(before)} fits.",
            table=csv_text(
                ["fit", "before", "after"], zip(range(len(before)), before.tolist(), after.tolist(), strict=True)
            ),
        )


def shared_map(data: ReportData, *, num_lines: int = 12) -> Figure | None:
    """Both sides' held-out rows on two principal components, some true pairs joined, and the mixing score."""
    if data.shared is None:
        return None
    space, (asked, found) = data.shared, data.nouns("")
    mixing = mixing_score(space)
    flat = project(space)
    joined = _evenly(space.pairs, num_lines)
    with drawing(8.4, 5.6) as (canvas, (axes,)):
        many = len(flat.left) + len(flat.right) > _DRAWN_AS_SHAPES
        looks: dict[str, Any] = {"s": 16, "alpha": 0.55, "lw": 0, "rasterized": many}
        axes.scatter(flat.left[:, 0], flat.left[:, 1], c=LEFT_COLOUR, marker="o", label=f"{asked}s", **looks)
        axes.scatter(flat.right[:, 0], flat.right[:, 1], c=RIGHT_COLOUR, marker="^", label=f"{found}s", **looks)
        for left, right in joined:
            axes.plot(*np.stack([flat.left[left], flat.right[right]]).T, color=INK, lw=0.8, alpha=0.7)
        axes.set_xlabel(f"first component ({100 * flat.explained[0]:.0f} % of variance)")
        axes.set_ylabel(f"second component ({100 * flat.explained[1]:.0f} %)")
        axes.tick_params(labelbottom=False, labelleft=False)
        canvas.legend(loc="outside upper left", ncols=2, markerscale=1.6)
        return finish(
            canvas,
            name="map",
            title=f"The shared space in two dimensions (mixing score {mixing:.2f})",
            caption=f"Held-out {asked}s and {found}s; {len(joined)} true pairs are joined. Mixing score: share of the"
            " other side among 10 nearest neighbours in all dimensions; 1 = like one cloud, 0 = two islands."
            " A map can look more mixed than the space is.",
            alt=f"Scatter of {len(flat.left)} and {len(flat.right)} rows; mixing score {mixing:.2f}.",
            table=csv_text(["side", "row", "x", "y"], _map_rows(flat)),
        )


def step_times(steps: Sequence[StepTime]) -> Figure | None:
    """Seconds of each step; reused ones hollow, with what they took when they ran."""
    if not steps:
        return None
    with drawing(8.4, 0.9 + 0.27 * len(steps)) as (canvas, (axes,)):
        longest = max(s.seconds for s in steps)
        for cached, face in ((False, BLUE), (True, "white")):
            rows = [i for i, s in enumerate(steps) if s.cached is cached]
            if rows:
                label = "reused in this run" if cached else "made"
                axes.barh(rows, [steps[i].seconds for i in rows], height=0.62, fc=face, ec=BLUE, lw=1, label=label)
        for i, step in enumerate(steps):
            axes.text(step.seconds + longest * 0.01, i, f"{step.seconds:.1f} s", va="center", fontsize=8.5, color=MUTED)
        axes.set_yticks(range(len(steps)), [words(s.name) for s in steps])
        axes.set_ylim(len(steps) - 0.4, -0.6)
        axes.set_xlabel("seconds")
        axes.grid(axis="y", visible=False)
        canvas.legend(loc="outside upper left", ncols=2)
        ran = sum(not s.cached for s in steps)
        return finish(
            canvas,
            name="timings",
            title="Time of each step",
            caption=_timing_caption(len(steps) - ran, len(steps)),
            alt=f"Bar chart of {len(steps)} steps; the longest took {longest:.1f} seconds.",
            table=csv_text(["step", "seconds", "cached"], ((s.name, s.seconds, s.cached) for s in steps)),
        )


def _timing_caption(reused: int, total: int) -> str:
    first = f"{reused} of {total} steps were reused from the store. " if reused else ""
    return (
        f"{first}What each step took when it was made. Steps without a common input run at the same time, "
        "so the sum is more than the wait."
    )


def _draw_spectrum(axes: Axes, spectrum: Spectrum) -> None:
    index = np.arange(1, len(spectrum.eigenvalues) + 1)
    gap = spectrum.gap_index
    used = index <= (gap or len(index))
    values = np.asarray(spectrum.eigenvalues, float)
    colour = LEFT_COLOUR if spectrum.side == "left" else RIGHT_COLOUR
    axes.plot(index[used], values[used], "o", color=colour, ms=4.5)
    axes.plot(index[~used], values[~used], "o", mfc="white", mec=colour, ms=4.5)
    axes.set_xlabel("index")
    if gap:
        axes.axvline(gap + 0.5, color=MUTED, ls=(0, (4, 3)), lw=1)
        axes.annotate(
            f"gap after {gap}",
            (gap + 0.5, 1.0),
            (4, -2),
            axes.get_xaxis_transform(),
            textcoords="offset points",
            va="top",
            color=MUTED,
        )


def _draw_band(axes: Axes, band: Band | None, colour: str, label: str) -> None:
    if band is not None:
        index = range(1, len(band.low) + 1)
        axes.fill_between(index, band.low, band.high, color=colour, alpha=0.18, lw=0, label=label)


def _correlation_rows(data: Correlations) -> list[tuple[object, ...]]:
    nulls = [b for band in (data.known_null, data.heldout_null) for b in ((band.low, band.high) if band else ((), ()))]
    columns = [data.known, data.heldout, *nulls]
    return [
        (i + 1, *(float(column[i]) if i < len(column) else "" for column in columns)) for i in range(len(data.known))
    ]


def _evenly(pairs: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    return [pairs[i] for i in sorted({*np.linspace(0, len(pairs) - 1, count).astype(int).tolist()})] if pairs else []


def _map_rows(flat: Projection) -> list[tuple[object, ...]]:
    sides = (("left", flat.left), ("right", flat.right))
    return [(side, row, float(x), float(y)) for side, points in sides for row, (x, y) in enumerate(points)]
