"""Scikit-learn's digits as two domains with few correspondences, or as pictures beside the names of what they show.

A target domain is the same kind of picture changed by a fixed transformation. No item is unpaired on both sides.
Letters: ``N1, N2`` unpaired rows of a side, ``P`` pairs, ``T`` held-out rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.alignment.protocol import Pairs
from components.checks import check_one_of
from components.errors import UserError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
KINDS = ("rotated", "waves")
HELDOUT = 400
WAVES, WAVE_LENGTH = 2048, 3.0


@dataclass(frozen=True, kw_only=True)
class DigitDomains:
    """Rows [·, 64] of both domains and the digit of each.

    Attributes:
        left, right: unpaired rows [N1, 64], [N2, 64] with ``left_digits``, ``right_digits``.
        pairs: known correspondences, of digits ``pair_digits`` [P].
        heldout: target rows [T, 64] with ``heldout_digits``.
    """

    left: np.ndarray
    left_digits: np.ndarray
    right: np.ndarray
    right_digits: np.ndarray
    pairs: Pairs
    pair_digits: np.ndarray
    heldout: np.ndarray
    heldout_digits: np.ndarray


def digit_pixels() -> tuple[np.ndarray, np.ndarray]:
    """Pictures [1797, 8, 8] in 0..1 and their digits."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images / 16.0, bunch.target


def digit_domains(kind: str, num_pairs: int, seed: int) -> DigitDomains:
    """Pixels on the left; on the right ``rotated``: turned by 90° and inverted; ``waves``: cosines of random
    projections of the pixels, mixed into 64 columns.

    Raises:
        UserError: unknown kind, or more pairs than there are pictures.
    """
    pictures, digits = digit_pixels()
    rng = np.random.default_rng([seed, 31])
    source, target = pictures.reshape(len(pictures), -1), _changed(kind, pictures, rng)
    heldout, pairs, rest = np.split(rng.permutation(len(pictures)), [HELDOUT, HELDOUT + num_pairs])
    if len(rest) < HELDOUT:
        raise UserError(f"{num_pairs} pairs leave too few digits without a pair", where="pairs", do="ask for fewer")
    left, right = rest[::2], rest[1::2]
    return DigitDomains(
        left=source[left],
        left_digits=digits[left],
        right=target[right],
        right_digits=digits[right],
        pairs=Pairs(source[pairs], target[pairs]),
        pair_digits=digits[pairs],
        heldout=target[heldout],
        heldout_digits=digits[heldout],
    )


def _changed(kind: str, pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if kind == "rotated":
        return 1.0 - np.rot90(pictures, axes=(1, 2)).reshape(len(pictures), -1)
    check_one_of("kind", kind, KINDS)
    pixels = pictures.reshape(len(pictures), -1) - 0.5
    angles = pixels @ rng.standard_normal((pixels.shape[1], WAVES)) / WAVE_LENGTH + rng.uniform(0, 2 * np.pi, WAVES)
    return np.cos(angles) @ rng.standard_normal((WAVES, pixels.shape[1])) / np.sqrt(WAVES)
