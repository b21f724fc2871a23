"""Squares of four colours, anywhere; their coordinates tell the colour and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COLOURS = np.array([[220, 30, 30], [30, 160, 40], [40, 60, 220], [240, 200, 20]], np.uint8)


@dataclass(frozen=True)
class ToyPictures:
    """``pictures`` [N, 16, 16, 3] uint8 of ``colour`` [N], and ``coordinates`` [N, 6] unit rows near the colour's."""

    pictures: np.ndarray
    colour: np.ndarray
    coordinates: np.ndarray


def toy_pictures(count: int = 160, *, seed: int = 0) -> ToyPictures:
    rng = np.random.default_rng(seed)
    colour = rng.integers(len(COLOURS), size=count)
    pictures = np.full((count, 16, 16, 3), 255, np.uint8)
    for picture, own, (top, left) in zip(pictures, colour, rng.integers(0, 5, (count, 2)), strict=True):
        picture[top : top + 12, left : left + 12] = COLOURS[own]
    return ToyPictures(pictures, colour, toy_coordinates(colour, rng))


def toy_coordinates(colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows = np.eye(6)[colour] + 0.05 * rng.standard_normal((len(colour), 6))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def colour_of(pictures: np.ndarray) -> np.ndarray:
    """Which colour a picture's tint (how far its channels' means are from their own mean) is nearest to. [N]"""

    def tint(values: np.ndarray) -> np.ndarray:
        centred = values - values.mean(axis=-1, keepdims=True)
        return np.asarray(centred / (np.linalg.norm(centred, axis=-1, keepdims=True) + 1e-9))

    return np.asarray((tint(pictures.astype(float).mean(axis=(1, 2))) @ tint(COLOURS.astype(float)).T).argmax(axis=1))
