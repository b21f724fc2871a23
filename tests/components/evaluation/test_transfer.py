"""Transfer: a rotated copy is an oracle's case, unrelated domains are at chance, shares of the gap are closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Alignment, Pairs
from components.errors import UserError
from components.evaluation.transfer import (
    ORACLE,
    SOURCE,
    Domains,
    closed,
    commonest,
    displaced,
    mmd_space,
    oracle,
    source_only,
    summarise_transfer,
    through_displacement,
    through_space,
)
from components.transforms import Identity

CLASSES = 6


def rows_of(rng: np.random.Generator, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Six classes around centres in R^8; unequal shares, so that the clouds have a shape."""
    centres = np.random.default_rng(42).normal(size=(CLASSES, 8)) * np.linspace(3, 1, 8)
    classes = rng.choice(CLASSES, num, p=np.arange(1, CLASSES + 1) / 21)
    return (centres[classes] + 0.4 * rng.normal(size=(num, 8))).astype(np.float32), classes


def domains(turn: np.ndarray, seed: int = 0) -> tuple[Domains, Pairs]:
    rng = np.random.default_rng(seed)
    (source, s), (labelled, m), (target, t), (both, _) = (rows_of(rng, n) for n in (300, 300, 200, 30))
    made = Domains(
        source=source,
        source_classes=s,
        target=target @ turn,
        target_classes=t,
        labelled=labelled @ turn,
        labelled_classes=m,
    )
    return made, Pairs(both, both @ turn)


def test_a_few_pairs_undo_a_rotation_that_defeats_source_only() -> None:
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))[0].astype(np.float32)
    made, pairs = domains(turn)
    space = Procrustes().fit(made.source, made.labelled, pairs)
    floor, ours, ceiling = source_only(made), through_space(made, space), oracle(made)
    assert floor is not None and floor < 0.5 and ceiling > 0.95
    assert closed(ours, floor, ceiling) > 0.9
    assert through_space(made, Alignment(Identity(), Identity())) == floor  # no space is source-only


def test_rows_are_displaced_as_the_pairs_show() -> None:
    rng = np.random.default_rng(0)
    left, rows = rng.normal(size=(40, 8)), rng.normal(size=(30, 8))
    shift = rng.normal(size=8)
    assert displaced(rows, Pairs(left, left + shift)) == pytest.approx(rows + shift)
    bent = 0.3 * rng.normal(size=(8, 8))  # away from the identity as far as forty pairs say
    away = np.linalg.norm(displaced(rows, Pairs(left, left + left @ bent)) - rows - rows @ bent)
    assert away < 0.3 * np.linalg.norm(rows @ bent)
    assert displaced(rows, Pairs(left[:1], left[:1] + shift)) == pytest.approx(rows + shift)


def test_displacement_undoes_what_each_class_does_on_its_own() -> None:
    """A shift, and a stretch of one direction, that source-only cannot know."""
    stretch = np.diag([0.2, 1, 1, 1, 1, 1, 1, 1]).astype(np.float32)
    made, pairs = domains(stretch)
    moved = Domains(**{**vars(made), "target": made.target + 5, "labelled": made.labelled + 5})
    floor, ours = source_only(moved), through_displacement(moved, Pairs(pairs.left, pairs.right + 5))
    assert floor is not None and ours is not None and floor < 0.5
    assert closed(ours, floor, oracle(moved)) > 0.8


def test_shuffled_pairs_do_not_transfer() -> None:
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))[0].astype(np.float32)
    scores = []
    for seed in range(5):
        made, pairs = domains(turn, seed)
        wrong = Pairs(pairs.left, pairs.right[np.random.default_rng(seed).permutation(len(pairs))])
        scores.append(through_space(made, Procrustes().fit(made.source, made.labelled, wrong)) - commonest(made))
    assert np.mean(scores) < 0.25


def test_mmd_undoes_a_shift_and_a_stretch_without_a_pair() -> None:
    made, _ = domains(np.eye(8, dtype=np.float32) * 3)
    moved = Domains(**{**vars(made), "target": made.target + 40, "labelled": made.labelled + 40})
    floor = source_only(moved)
    assert floor is not None and floor < 0.5
    assert through_space(moved, mmd_space(moved.source, moved.labelled, seed=0, epochs=3)) > 0.9


def test_the_gap_is_a_share_and_needs_both_ends() -> None:
    assert closed(0.6, 0.2, 1.0) == pytest.approx(0.5) and closed(0.3, 0.5, 0.5) == 0.0
    draws = [{SOURCE: 0.2, "space": 0.6, ORACLE: 1.0}, {SOURCE: 0.2, "space": 0.8, ORACLE: 1.0}]
    found = summarise_transfer(draws)
    assert found["closed"].keys() == {"space"} and found["closed"]["space"]["mean"] == pytest.approx(0.625)
    assert "closed" not in summarise_transfer([{"space": 0.6, ORACLE: 1.0}])


def test_domains_of_other_widths_have_no_source_only_and_no_displacement() -> None:
    made, pairs = domains(np.eye(8, 5, dtype=np.float32))
    assert source_only(made) is None and through_displacement(made, pairs) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source_classes": np.zeros(300, int)}, "of one class"),
        ({"target_classes": np.full(200, 9)}, "no class in common"),
    ],
)
def test_labels_that_cannot_transfer_are_one_sentence(change: dict[str, np.ndarray], said: str) -> None:
    made, _ = domains(np.eye(8, dtype=np.float32))
    with pytest.raises(UserError, match=said):
        Domains(**{**vars(made), **change})
