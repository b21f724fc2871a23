"""Figures of a trained encoder: curves of the training, spectrum, probes, the transport plan, the gates.

Each function returns None if there is nothing to draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.reporting.encoder_data import EncoderData
from components.reporting.style import BLUE, GREY, INK, MUTED, ORANGE, Figure, csv_text, drawing, finish, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DRAWN = 128
"""Rows of a heat map, at most: more are thinned evenly."""
MOST_NAMES = 40
MOST_EDGES = 20  # more lines between classes would hide the map
_CURVES = ("loss", "validation_loss")


def curves(data: EncoderData) -> Figure | None:
    """Loss, effective rank and accuracy of the probe after every epoch."""
    if not data.history:
        return None
    epochs = np.arange(1, len(data.history) + 1)
    columns = [name for name in data.history[0] if all(name in h for h in data.history)]
    side = [name for name in ("effective_rank", "probe_accuracy") if name in columns]
    with drawing(3.5 * (1 + len(side)), 3.0, 1 + len(side)) as (canvas, axes):
        for name, colour in zip(_CURVES, (BLUE, ORANGE), strict=True):
            if name in columns:
                axes[0].plot(epochs, [h[name] for h in data.history], color=colour, label=name.replace("_", " "))
        axes[0].legend()
        for panel, name in zip(axes[1:], side, strict=True):
            panel.plot(epochs, [h[name] for h in data.history], color=BLUE)
        for panel, title in zip(axes, ["loss", *(n.replace("_", " ") for n in side)], strict=True):
            panel.set_title(title)
            panel.set_xlabel("epoch")
            panel.axvline(data.best_epoch, color=MUTED, lw=0.8, ls="--")
        return finish(
            canvas,
            name="training",
            title="Training",
            caption="After every epoch: the objective on training and on validation rows, the effective rank of the"
            " features, the accuracy of a nearest-neighbour probe on validation rows. Dashed: the epoch that is kept.",
            alt=f"{len(epochs)} epochs; the loss goes from {data.history[0]['loss']:.3g} to "
            f"{data.history[-1]['loss']:.3g}.",
            table=csv_text(
                ["epoch", *columns],
                ([int(e), *(h[c] for c in columns)] for e, h in zip(epochs, data.history, strict=True)),
            ),
        )


def spectrum(data: EncoderData) -> Figure | None:
    """Singular values of the held-out rows' vectors, trained and untrained."""
    found = {name: data.probes[name]["spectrum"] for name in ("trained", "untrained") if name in data.probes}
    if not found:
        return None
    with drawing(4.6, 3.1) as (canvas, (axes,)):
        for (name, values), colour in zip(found.items(), (BLUE, GREY), strict=False):
            rank = data.probes[name]["effective_rank"]
            axes.plot(range(1, len(values) + 1), values, color=colour, label=f"{name}, effective rank {rank:.1f}")
        axes.set_yscale("log")
        axes.set_ylim(bottom=1e-6)
        axes.set_xlabel("dimension")
        axes.set_ylabel("share of the singular values")
        axes.legend()
        return finish(
            canvas,
            name="spectrum",
            title="Singular spectrum",
            caption="How many dimensions the vectors of held-out rows fill. A steep fall: few of them are used.",
            alt="; ".join(f"{n}: effective rank {data.probes[n]['effective_rank']:.1f}" for n in found),
            table=csv_text(
                ["encoder", "dimension", "share"],
                ((n, i + 1, float(v)) for n, shares in found.items() for i, v in enumerate(shares)),
            ),
        )


def probes(data: EncoderData) -> Figure | None:
    """Accuracies on held-out rows with their intervals, beside the untrained network and the commonest class."""
    bars = _bars(data)
    if not bars:
        return None
    with drawing(5.4, 0.42 * len(bars) + 1.0) as (canvas, (axes,)):
        for place, (_, share, colour) in enumerate(bars):
            spread = [[share["mean"] - share["low"]], [share["high"] - share["mean"]]]
            axes.barh(place, share["mean"], color=colour, height=0.62, xerr=spread, ecolor=INK, capsize=2)
            axes.text(0.01, place, f"{share['mean']:.3f}", va="center", color="white", fontsize=8.5)
        axes.set_yticks(range(len(bars)), [label for label, _, _ in bars])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("accuracy on held-out rows")
        return finish(
            canvas,
            name="probes",
            title="Probes",
            caption="Classes of held-out rows, read off frozen vectors by the nearest neighbours and by logistic"
            " regression; 95 % bootstrap intervals over the rows.",
            alt="; ".join(f"{label} {share['mean']:.3f}" for label, share, _ in bars),
            table=csv_text(
                ["probe", "accuracy", "low", "high", "rows"],
                ((label, s["mean"], s["low"], s["high"], s["rows"]) for label, s, _ in bars),
            ),
        )


def _bars(data: EncoderData) -> list[tuple[str, dict[str, float], str]]:
    found = []
    for name, colour in (("trained", BLUE), ("untrained", GREY)):
        for probe, title in (("knn", "nearest neighbours"), ("linear", "linear probe")):
            if probe in data.probes.get(name, {}):
                found.append((f"{title}, {name}", data.probes[name][probe], colour))
    if "majority" in data.probes.get("trained", {}):
        found.append(("commonest class", data.probes["trained"]["majority"], GREY))
    return found


def plan(data: EncoderData) -> Figure | None:
    """Heat map of the transport plan between two views of validation rows, in the order of their classes."""
    if data.plan is None:
        return None
    chosen = np.unique(np.linspace(0, len(data.plan) - 1, min(len(data.plan), MOST_DRAWN)).astype(int))
    shown = data.plan[np.ix_(chosen, chosen)]
    with drawing(4.9, 4.2) as (canvas, (axes,)):
        _heat(axes, np.log10(np.maximum(shown / max(float(shown.max()), 1e-30), 1e-4)), "log10 of the mass")
        if data.plan_classes is not None:
            edges = np.flatnonzero(np.diff(data.plan_classes[chosen])) + 0.5
            if len(edges) <= MOST_EDGES:
                for edge in edges:
                    axes.axhline(edge, color="white", lw=0.3)
                    axes.axvline(edge, color="white", lw=0.3)
        axes.set_xlabel("second view")
        axes.set_ylabel("first view")
        right = float(np.mean(data.plan.argmax(axis=1) == np.arange(len(data.plan))))
        return finish(
            canvas,
            name="plan",
            title="Transport plan",
            caption=f"Mass between two random views of {len(data.plan)} validation rows, sorted by class. On the"
            f" diagonal: each row's own other view, the heaviest one for {100 * right:.0f} % of the rows.",
            alt=f"A {len(shown)} x {len(shown)} heat map; {100 * right:.0f} % of the rows match themselves best.",
            table=csv_text(
                ["row", *(f"column {c}" for c in chosen)],
                ([int(r), *map(float, v)] for r, v in zip(chosen, shown, strict=True)),
            ),
        )


def gates(data: EncoderData) -> Figure | None:
    """Heat map of how alike the gates of two classes are."""
    if data.gates is None:
        return None
    names = [words(c) for c in data.classes]
    with drawing(5.4, 4.6) as (canvas, (axes,)):
        _heat(axes, data.gates, "cosine of the gates")
        if len(names) <= MOST_NAMES:
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
            axes.set_yticks(range(len(names)), names, fontsize=6)
        rank = data.probes.get("gate_rank")
        told = f" The gates of all pairs have an effective rank of {rank:.1f}." if rank else ""
        return finish(
            canvas,
            name="gates",
            title="Gates of the classes",
            caption=f"Which classes open the same dimensions.{told}",
            alt=f"A heat map of {len(data.gates)} classes.{told}",
            table=csv_text(
                ["class", *data.classes], ([c, *map(float, v)] for c, v in zip(data.classes, data.gates, strict=True))
            ),
        )


def _heat(axes: Axes, values: np.ndarray, label: str) -> None:
    image = axes.imshow(values, cmap="viridis", interpolation="nearest", aspect="equal")
    axes.grid(visible=False)
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(image, ax=axes, label=label, shrink=0.85)
