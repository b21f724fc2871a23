"""Figures of drawn pictures and of mazes: what is told without the picture, and numbers as CSV."""

from __future__ import annotations

import numpy as np

from components.reporting.figures_control import success_by_bridge
from components.reporting.figures_generation import COLUMNS, Drawn, drawn_pictures


def test_every_text_is_there_with_its_hit() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    items = [
        Drawn(
            text=f"thing {n} of many things. key, words", true=picture, made=[picture] * 2, nearest=picture, hit=n < 3
        )
        for n in range(COLUMNS + 1)
    ]
    figure = drawn_pictures(items, ["GAN", "VAE"])
    assert f"(3 of {COLUMNS + 1})" in figure.caption and "GAN and VAE" in figure.alt
    assert figure.csv.count(",1\n") == 3 and figure.csv.count(",0\n") == COLUMNS - 2
    svg = figure.svg.decode()
    assert svg.count("<image") == 4 * len(items) and "key, words" not in svg


def test_curves_name_every_size() -> None:
    def share(mean: float) -> dict[str, dict[str, float]]:
        return {"success": {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}}

    found = {"curve": {"100": share(0.8), "9": share(0.5)}, "direct": share(0.4), "averaged_states": share(0.45)}
    found["gain"] = {"averaged_states": share(0.05)}
    figure = success_by_bridge({"fork": found})
    assert figure.csv.splitlines()[1:] == ["fork,9,0.5,0.4,0.6", "fork,100,0.8,0.7,0.9"]
    assert "+5.0 (-5.0 to +15.0)" in figure.svg.decode()
    assert ">100<" in figure.svg.decode() and "mathdefault" not in figure.svg.decode()
