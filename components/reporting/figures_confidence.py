"""The reliability diagram: whether matches are right as often as their confidence says."""

from __future__ import annotations

from components.reporting.promises import Promises
from components.reporting.style import BLUE, DASHES_OF_CHANCE, MUTED, Figure, csv_text, drawing, finish


def reliability_diagram(promises: Promises | None) -> Figure | None:
    """Confidence against the share of right matches, held-out queries in about equal groups; None without any."""
    if promises is None or not promises.bins:
        return None
    bins = promises.bins
    edge = min(1.0, 1.08 * max(v for b in bins for v in (b.high, b.predicted)))
    with drawing(5.4, 4.2) as (canvas, (axes,)):
        axes.plot([0, 100 * edge], [0, 100 * edge], color=MUTED, lw=1.2, dashes=DASHES_OF_CHANCE, label="as promised")
        x, y = [100 * b.predicted for b in bins], [100 * b.observed for b in bins]
        spread = [
            [100 * max(0.0, e) for e in ends]
            for ends in ([b.observed - b.low for b in bins], [b.high - b.observed for b in bins])
        ]
        axes.errorbar(x, y, yerr=spread, fmt="o", ms=5, lw=1.4, color=BLUE, label="held-out queries (95 % interval)")
        axes.set_xlim(0, 100 * edge)
        axes.set_ylim(0, 100 * edge)
        axes.set_xlabel("confidence of the first match, percent")
        axes.set_ylabel("of these were right, percent")
        axes.legend(loc="upper left")
        return finish(
            canvas,
            name="reliability",
            title="Are matches right as often as their confidence says?",
            caption=f"First matches of the held-out queries, in {len(bins)} groups of about equal size. Expected"
            f" calibration error {promises.ece:.3f}; Brier score {promises.brier:.4f}, against"
            f" {promises.brier_base:.4f} for always saying the overall share.",
            alt=f"Reliability diagram; expected calibration error {promises.ece:.3f}.",
            table=csv_text(
                ["confidence", "right", "low", "high", "queries"],
                [(b.predicted, b.observed, b.low, b.high, b.num) for b in bins],
            ),
        )
