"""Digits as domains: no item is on both sides unpaired, pairs correspond, and a transformation is fixed."""

from __future__ import annotations

import numpy as np
import pytest

from components.corpora.digit_domains import HELDOUT, KINDS, digit_domains, digit_pixels
from components.errors import UserError


def test_a_rotated_digit_is_its_source_turned_and_inverted() -> None:
    world = digit_domains("rotated", 20, 0)
    turned = 1 - np.rot90(world.pairs.left.reshape(-1, 8, 8), axes=(1, 2)).reshape(20, -1)
    assert np.allclose(world.pairs.right, turned)


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_used_once_and_seeds_differ(kind: str) -> None:
    world = digit_domains(kind, 20, 0)
    sizes = [len(world.left), len(world.right), len(world.pairs), len(world.heldout)]
    assert sum(sizes) == len(digit_pixels()[0]) and sizes[3] == HELDOUT and abs(sizes[0] - sizes[1]) <= 1
    assert [len(d) for d in (world.left_digits, world.right_digits, world.pair_digits)] == sizes[:3]
    assert np.array_equal(world.heldout, digit_domains(kind, 20, 0).heldout)
    assert not np.array_equal(world.heldout_digits, digit_domains(kind, 20, 1).heldout_digits)


def test_too_many_pairs_and_unknown_kinds_are_one_sentence() -> None:
    with pytest.raises(UserError, match="leave too few digits"):
        digit_domains("rotated", 1200, 0)
    with pytest.raises(UserError, match="choose from"):
        digit_domains("mirrored", 20, 0)
