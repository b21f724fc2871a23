"""Figures of the applications: bars with intervals against chance, and the evidence of universality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.reporting.style import (
    BLUE,
    DASHES_OF_CHANCE,
    GREY,
    INK,
    LEFT_COLOUR,
    MUTED,
    RIGHT_COLOUR,
    Figure,
    csv_text,
    drawing,
    finish,
    words,
)

Share = Mapping[str, float]  # mean, low, high


def bars(
    panels: Mapping[str, Mapping[str, Share]],
    *,
    ours: Sequence[str],
    chance: Mapping[str, float],
    name: str,
    title: str,
    caption: str,
    axis: str = "accuracy",
) -> Figure:
    """One panel each; a bar a row, those of ``ours`` in colour, intervals, and a line where chance is."""
    most = max(len(rows) for rows in panels.values())
    with drawing(min(11.2, 1.6 + 4.4 * len(panels)), 0.36 * most + 1.1, len(panels)) as (canvas, axes):
        for panel, (what, rows) in zip(axes, panels.items(), strict=True):
            for place, (row, v) in enumerate(rows.items()):
                spread = [[v["mean"] - v["low"]], [v["high"] - v["mean"]]]
                colour = BLUE if row in ours else GREY
                panel.barh(place, v["mean"], color=colour, height=0.64, xerr=spread, ecolor=INK, capsize=2)
                panel.text(v["high"] + 0.012, place, f"{100 * v['mean']:.1f}", va="center", color=MUTED, fontsize=8.5)
            panel.set_yticks(range(len(rows)), [words(row) for row in rows])
            panel.invert_yaxis()
            panel.grid(visible=False, axis="y")
            if what in chance:
                panel.axvline(chance[what], color=INK, lw=1, dashes=DASHES_OF_CHANCE)
            panel.set_xlim(0, min(1.12, 1.18 * max(v["high"] for v in rows.values()) + 0.02))
            panel.set_title(words(what))
            panel.set_xlabel(f"{axis}, %")
            panel.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}")
        alt = "; ".join(
            f"{what}: " + ", ".join(f"{row} {100 * v['mean']:.0f} %" for row, v in rows.items())
            for what, rows in panels.items()
        )
        table = [
            (w, r, v["mean"], v["low"], v["high"], chance.get(w, ""))
            for w, rows in panels.items()
            for r, v in rows.items()
        ]
        header = ["panel", "row", "mean", "low", "high", "chance"]
        return finish(canvas, name=name, title=title, caption=caption, alt=alt, table=csv_text(header, table))


def universality(walks: Mapping[str, Any], cosines: Mapping[str, Any], angles: Mapping[str, Any]) -> Figure:
    """Distances of walks, cosines in the shared space and angles of spans, each beside its null."""
    with drawing(11.2, 3.1, 3) as (canvas, (walk, cosine, angle)):
        edges = np.linspace(*_range(walks["values"] + walks["null_values"]), 60).tolist()
        walk.hist(walks["null_values"], edges, color=GREY, label="permuted items")
        walk.hist(
            walks["values"], edges, color=BLUE, label="the same items", weights=[_height(walks)] * len(walks["values"])
        )
        walk.set_title("distance of the random walks")
        walk.set_yticks([])
        walk.locator_params(axis="x", nbins=5)
        centres = (np.array(cosines["bins"][1:]) + np.array(cosines["bins"][:-1])) / 2
        cosine.plot(centres, cosines["others"], color=GREY, dashes=DASHES_OF_CHANCE, label="other combinations")
        cosine.plot(centres, cosines["true"], color=BLUE, label="true pairs")
        cosine.set_title("cosine in the shared space")
        cosine.set_ylabel("share")
        place = range(1, len(angles["cosines"]) + 1)
        angle.plot(place, angles["permuted_cosines"], color=GREY, dashes=DASHES_OF_CHANCE, label="permuted items")
        angle.plot(place, angles["cosines"], color=BLUE, marker="o", ms=4, label="the same items")
        angle.set_title("cosines of principal angles")
        angle.set_ylim(0, 1.02)
        for panel in (walk, cosine, angle):
            panel.legend(loc="best")
        rows: list[tuple[object, ...]] = [("walk", "", v) for v in walks["values"]] + [
            ("walk, permuted", "", v) for v in walks["null_values"]
        ]
        rows += [(n, float(x), v) for n in ("true", "others") for x, v in zip(centres, cosines[n], strict=True)]
        rows += [(n, i, v) for n in ("cosines", "permuted_cosines") for i, v in enumerate(angles[n], 1)]
        return finish(
            canvas,
            name="universality",
            title="One geometry, seen twice",
            caption="Held-out items only. Left: distance of the two sides' random walks, for the same items and for"
            " permuted ones. Middle: true pairs against all other combinations. Right: angles between the spans of the"
            " leading diffusion coordinates; 1 is a common direction.",
            alt=f"walks {walks['corresponding']['mean']:.2f} against {walks['permuted']['mean']:.2f} permuted",
            table=csv_text(["what", "place", "value"], rows),
        )


def eigenvalues(curves: Mapping[str, Any]) -> Figure:
    """Both sides' leading eigenvalues beside those of rows without geometry."""
    with drawing(5.2, 3.1) as (canvas, (panel,)):
        place = range(1, len(curves["left"]) + 1)
        for side, colour in (("left", LEFT_COLOUR), ("right", RIGHT_COLOUR)):
            panel.plot(place, curves[side], color=colour, label=side)
            panel.plot(
                place,
                curves[f"{side}_null"],
                color=colour,
                lw=1,
                dashes=DASHES_OF_CHANCE,
                label=f"{side}, columns shuffled",
            )
        panel.set_ylim(0, 1.02)
        panel.set_xlabel("eigenvalue of the random walk")
        panel.legend()
        rows = [(n, i, v) for n in ("left", "right", "left_null", "right_null") for i, v in enumerate(curves[n], 1)]
        return finish(
            canvas,
            name="eigenvalues",
            title="Eigenvalue curves",
            caption=f"Random walks on {curves['rows']} unpaired rows a side. Dashed: the same values with every column"
            " shuffled on its own, which takes the geometry away.",
            alt=f"mean distance of the curves {curves['distance']:.3f}, of shuffled ones "
            f"{curves['null_distance']['mean']:.3f}",
            table=csv_text(["curve", "number", "eigenvalue"], rows),
        )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) + 1e-3
    return low - margin, high + margin


def _height(walks: Mapping[str, Any]) -> float:
    """The few subsets are drawn as high as the permutations are."""
    return max(1.0, len(walks["null_values"]) / max(len(walks["values"]), 1) / 2)
