"""Success in mazes by the number of states that are summed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.reporting.style import BLUE, DASHES, GREY, PALETTE, Figure, csv_text, drawing, finish


def success_by_bridge(layouts: Mapping[str, Mapping[str, Any]]) -> Figure:
    """One panel a maze: the sum at every size of the bridge, and the others as lines, all with intervals; above it what
    the sum gains over averaged states, seed by seed."""
    rows: list[tuple[object, ...]] = []
    with drawing(min(11.2, 3.7 * len(layouts)), 2.9, len(layouts), sharey=True) as (canvas, axes):
        for panel, (layout, v) in zip(axes, layouts.items(), strict=True):
            sizes = sorted(int(s) for s in v["curve"])
            found = [v["curve"][str(s)]["success"] for s in sizes]
            panel.plot(sizes, [f["mean"] for f in found], color=BLUE, marker="o", ms=4, label="sum over states")
            panel.fill_between(
                sizes, [f["low"] for f in found], [f["high"] for f in found], color=BLUE, alpha=0.15, lw=0
            )
            lines = (
                ("direct", "direct", GREY, DASHES[1]),
                ("averaged_states", "averaged states", PALETTE[0], DASHES[2]),
            )
            for name, label, colour, dashes in lines:
                level = v[name]["success"]
                panel.axhline(level["mean"], color=colour, dashes=dashes, label=label)
                panel.axhspan(level["low"], level["high"], color=colour, alpha=0.1, lw=0)
            panel.set_xscale("log")
            panel.set_xticks(sizes, [f"{s:,}" for s in sizes])
            panel.minorticks_off()
            panel.set_ylim(0, 1.02)
            panel.set_title(f"{layout}\nsum − averaged: {_points(v['gain']['averaged_states']['success'])}")
            panel.set_xlabel("states in the bridge")
            rows += [(layout, s, f["mean"], f["low"], f["high"]) for s, f in zip(sizes, found, strict=True)]
        axes[0].set_ylabel("success")
        axes[-1].legend(loc="lower right")
        return finish(
            canvas,
            name="control-by-bridge",
            title="How many states it takes",
            caption="Success of the sum over states by their number, with 95 % intervals over seeds; above: points that"
            " it gains over averaged states, seed by seed. An interval that holds 0 is no gain.",
            alt="; ".join(f"{r[0]}, {r[1]} states: {100 * float(str(r[2])):.0f} %" for r in rows),
            table=csv_text(["maze", "states", "success", "low", "high"], rows),
        )


def _points(gain: Mapping[str, float]) -> str:
    return f"{100 * gain['mean']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
