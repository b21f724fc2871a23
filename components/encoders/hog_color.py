"""Weightless picture features: histograms of oriented gradients and colour histograms, 2020-d.

Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection" (CVPR 2005): 64 px, cells of 8 px, 9 unsigned
orientations with linear voting, blocks of 2 × 2 cells, L2-Hys. Colours: 4 × 4 × 4 RGB bins in each quadrant, square
roots (Hellinger). Each half has unit length before they are joined, or is zero (a picture of one colour has no edges).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.encoders.pixels import squares
from components.encoders.protocol import LoadOptions

NAME, SIDE = "hog-color", 64
_CELL, _ORIENTATIONS, _COLOURS, _CLIP = 8, 9, 4, 0.2
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_EPS = 1e-6


def load(name: str, options: LoadOptions) -> HogColor:
    """The encoder; nothing to load."""
    return HogColor()


class HogColor:
    """See the module."""

    name, modality, dim, licence = NAME, "image", 2020, "Apache-2.0"

    def encode(self, items: Sequence[bytes]) -> np.ndarray:
        """Pictures (encoded files) to [B, 2020] float32. Raises BadImage for bytes that are no picture."""
        if not items:
            return np.zeros((0, self.dim), np.float32)
        pixels = squares(items, SIDE).astype(np.float32) / 255.0
        return np.concatenate([_unit(hog(pixels @ _LUMA)), _unit(colours(pixels))], axis=1)


def hog(grey: np.ndarray) -> np.ndarray:
    """HOG of grey pictures [B, S, S] in [0, 1]. Returns [B, (S/8 - 1)² · 36] float32."""
    cells = _cell_histograms(grey)
    blocks = np.concatenate([cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]], axis=-1)
    clipped = np.minimum(blocks / (np.linalg.norm(blocks, axis=-1, keepdims=True) + _EPS), _CLIP)
    normed = clipped / (np.linalg.norm(clipped, axis=-1, keepdims=True) + _EPS)
    return normed.reshape(len(grey), -1).astype(np.float32)


def _cell_histograms(grey: np.ndarray) -> np.ndarray:
    """Gradient magnitude by orientation in each cell: [B, S/8, S/8, 9]."""
    dy, dx = np.gradient(grey, axis=(1, 2))
    where = (np.arctan2(dy, dx) % np.pi) / np.pi * _ORIENTATIONS  # in units of bins, bin k centred at k + ½
    low = np.floor(where - 0.5)
    share = where - 0.5 - low
    magnitude = np.hypot(dx, dy)
    size, grid = len(grey), grey.shape[1] // _CELL
    rows = np.arange(grid * _CELL) // _CELL
    cell = (np.arange(size)[:, None, None] * grid + rows[:, None]) * grid + rows
    votes = np.zeros(size * grid * grid * _ORIENTATIONS, np.float64)
    for bins, weight in ((low, 1 - share), (low + 1, share)):
        at = cell * _ORIENTATIONS + bins.astype(np.int64) % _ORIENTATIONS
        votes += np.bincount(at.ravel(), (magnitude * weight).ravel(), minlength=len(votes))
    return votes.reshape(size, grid, grid, _ORIENTATIONS)


def colours(pixels: np.ndarray) -> np.ndarray:
    """Square roots of the share of each of 64 RGB bins in each quadrant. [B, S, S, 3] in [0, 1] -> [B, 256]."""
    size, side = pixels.shape[:2]
    bins = np.minimum((pixels * _COLOURS).astype(np.int64), _COLOURS - 1)
    colour = (bins[..., 0] * _COLOURS + bins[..., 1]) * _COLOURS + bins[..., 2]
    half = np.arange(side) * 2 // side
    place = np.arange(size)[:, None, None] * 4 + half[:, None] * 2 + half
    counts = np.bincount((place * _COLOURS**3 + colour).ravel(), minlength=size * 4 * _COLOURS**3)
    return np.sqrt(counts.reshape(size, -1) / (side * side / 4)).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > _EPS)
