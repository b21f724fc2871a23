"""What holds for every aligner: invariances, seeds, refusals, and maps that survive saving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.alignment.protocol import Alignment, Pairs
from components.alignment.registry import BASELINES, make_aligner
from components.errors import UserError
from components.evaluation.retrieval import measure, rank_partners
from components.files import Folder
from components.transforms import load_transform, save_transform

# Hyperparameters fixed, so that no cross-validation fold depends on the order of the pairs.
FIXED: dict[str, dict[str, Any]] = {
    "ridge-cca": {"ridge": 1.0},
    "procrustes": {},
    "kernel-ridge": {"sharpness": (1.0,), "ridges": (0.5,)},
    "contrastive": {"dim": 16, "max_steps": 40},
}
CLOSED_FORM = ["ridge-cca", "procrustes", "kernel-ridge"]


def world(n: int, seed: int = 0, d1: int = 40, d2: int = 30) -> Pairs:
    rng = np.random.default_rng(seed)
    mix = [np.random.default_rng(s).normal(size=(6, d)) for s, d in ((11, d1), (12, d2))]
    z = rng.normal(size=(n, 6))
    left, right = (z @ m + 0.5 * rng.normal(size=(n, m.shape[1])) for m in mix)
    return Pairs(left.astype(np.float32), right.astype(np.float32))


KNOWN, EXTRA, NEW = world(30, 0), world(100, 1), world(60, 2)


def fit(name: str, known: Pairs = KNOWN, extra: Pairs = EXTRA) -> Alignment:
    return make_aligner(name, FIXED[name]).fit(extra.left, extra.right, known)


@pytest.mark.parametrize("name", BASELINES)
def test_fewer_pairs_than_dimensions_still_find_partners(name: str) -> None:
    fitted = fit(name)  # 30 pairs, 40 and 30 dimensions
    ranks = rank_partners(fitted.transform_left(NEW.left), fitted.transform_right(NEW.right))
    assert measure(ranks).recall[10] > 50  # chance 17
    assert fitted.transform_left(NEW.left).dtype == np.float32


@pytest.mark.parametrize("name", BASELINES)
def test_maps_survive_saving(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    fitted, folder = fit(name), Folder.at(tmp_path).make()
    save_transform(folder, "left", fitted.left)
    save_transform(folder, "right", fitted.right)
    np.testing.assert_array_equal(load_transform(folder, "left")(NEW.left), fitted.transform_left(NEW.left))
    np.testing.assert_array_equal(load_transform(folder, "right")(NEW.right), fitted.transform_right(NEW.right))


@pytest.mark.parametrize("name", BASELINES)
def test_same_seed_same_bits(name: str) -> None:
    a, b = (make_aligner(name, seed=3).fit(EXTRA.left, EXTRA.right, KNOWN) for _ in range(2))
    np.testing.assert_array_equal(a.score(NEW.left, NEW.right), b.score(NEW.left, NEW.right))


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_order_of_pairs_does_not_matter(name: str) -> None:
    order = np.random.default_rng(0).permutation(len(KNOWN))
    a, b = fit(name), fit(name, KNOWN.take(order))
    np.testing.assert_allclose(a.score(NEW.left, NEW.right), b.score(NEW.left, NEW.right), atol=2e-4)


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_rotating_and_scaling_the_inputs_does_not_matter(name: str) -> None:
    q, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(40, 40)))
    turn = (q * 37.0).astype(np.float32)
    turned = fit(name, Pairs(KNOWN.left @ turn, KNOWN.right), Pairs(EXTRA.left @ turn, EXTRA.right))
    np.testing.assert_allclose(
        turned.score(NEW.left @ turn, NEW.right), fit(name).score(NEW.left, NEW.right), atol=2e-4
    )


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_swapping_the_sides_transposes_the_scores(name: str) -> None:
    swapped = fit(name, Pairs(KNOWN.right, KNOWN.left), Pairs(EXTRA.right, EXTRA.left))
    np.testing.assert_allclose(swapped.score(NEW.right, NEW.left).T, fit(name).score(NEW.left, NEW.right), atol=2e-4)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("bad", ["nan", "equal", "few"])
def test_rows_without_content_are_refused(name: str, bad: str) -> None:
    left = KNOWN.left.copy()
    if bad == "nan":
        left[3, 2] = np.nan
    if bad == "equal":
        left[:] = left[0]
    known = Pairs(left, KNOWN.right)
    with pytest.raises(UserError):
        fit(name, known.take(np.arange(1)) if bad == "few" else known)
