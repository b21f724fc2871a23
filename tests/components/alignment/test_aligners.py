"""What holds for every aligner: invariances, seeds, refusals, controls, and maps that survive saving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.alignment.protocol import Alignment, Pairs
from components.alignment.registry import BASELINES, METHODS, make_aligner
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
# Cheap settings of one candidate each for every method, so that all of them can be tried.
SMALL: dict[str, dict[str, Any]] = {
    **FIXED,
    "csa": {"ridge": 1.0, "gamma": 1.0},
    "ridge-map": {"ridges": (0.5,)},
    "asif": {"fractions": (1.0,), "powers": (4.0,)},
    "semi-cca": {"shrinkages": (0.5,), "gammas": (1.0,)},
    "self-training": {"rounds": (0,), "shrinkages": (0.5,)},
    "functional-map": {},
    "spectral-transport": {"dim": 30, "rounds": 1},
    "fused-kernel-ridge": {"weights": (0.3,), "sharpness": (1.0,), "ridges": (0.5,)},
    "fused-csa": {"weights": (0.5,), "ridges": (1.6,), "gammas": (1.0,)},
    "contrastive-mlp": {"dim": 16, "hidden": 32, "max_steps": 40},
    "wasserstein-procrustes": {"dim": 12, "centres": 8, "repeats": 2, "restarts": 2, "rounds": 4, "block": 150},
    "fused-gromov": {"weights": (), "maps": ("kernel-ridge",)},
    "teacher-plan": {"steps": (3,), "block": 50, "dim": 8},
    "eigen-cca": {"dim": 5, "ridge": 1.0},
    "sue": {"dim": 5, "ridge": 1.0},
}
OTHERS = [name for name in SMALL if name not in BASELINES]
# Nothing in these looks at the order of rows or at the axes of a side: scores may differ by rounding only.
EXACT = ["csa", "ridge-map", "asif", "semi-cca", "self-training", "fused-gromov", "eigen-cca"]


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


# More rows than above: graphs need them.
WIDE_KNOWN, WIDE_EXTRA = world(60, 3), world(200, 4)


def fit_wide(name: str, known: Pairs = WIDE_KNOWN, extra: Pairs = WIDE_EXTRA) -> Alignment:
    return make_aligner(name, SMALL[name]).fit(extra.left, extra.right, known)


def foscttm(fitted: Alignment, new: Pairs = NEW) -> float:
    return measure(rank_partners(fitted.transform_left(new.left), fitted.transform_right(new.right))).foscttm


def test_every_method_is_tried_here() -> None:
    assert set(SMALL) == set(METHODS) - {"auto"}


@pytest.mark.parametrize("name", OTHERS)
def test_partners_are_found_and_saved_maps_find_the_same(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    fitted, folder = fit_wide(name), Folder.at(tmp_path).make()
    assert foscttm(fitted) < 0.25  # chance .5
    for side in ("left", "right"):
        save_transform(folder, side, getattr(fitted, side))
        rows = getattr(NEW, side)
        np.testing.assert_array_equal(load_transform(folder, side)(rows), getattr(fitted, side)(rows))


@pytest.mark.parametrize("name", [n for n in SMALL if METHODS[n].needs_pairs])
def test_shuffled_pairs_fall_to_chance(name: str) -> None:
    values = []
    for seed in range(8):  # the hidden world has few dimensions: one random map is often far from chance
        order = np.random.default_rng(seed).permutation(len(WIDE_KNOWN))
        values.append(foscttm(fit_wide(name, Pairs(WIDE_KNOWN.left, WIDE_KNOWN.right[order]))))
    assert abs(np.mean(values) - 0.5) < 0.15


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("change", ["order", "turn", "swap"])
def test_order_axes_scale_and_sides_do_not_matter(name: str, change: str) -> None:
    known, extra, new, order = WIDE_KNOWN, WIDE_EXTRA, NEW, np.random.default_rng(0).permutation(len(WIDE_KNOWN))
    if change == "order":
        scores = fit_wide(name, known.take(order)).score(new.left, new.right)
    elif change == "turn":
        q = np.linalg.qr(np.random.default_rng(5).normal(size=(40, 40)))[0]
        turn = (q * 37.0).astype(np.float32)
        turned = fit_wide(name, Pairs(known.left @ turn, known.right), Pairs(extra.left @ turn, extra.right))
        scores = turned.score(new.left @ turn, new.right)
    else:
        scores = fit_wide(name, Pairs(known.right, known.left), Pairs(extra.right, extra.left))
        scores = scores.score(new.right, new.left).T
    if name == "eigen-cca" and change == "turn":
        pytest.skip("its columns are eigenvectors, whose axes mean something")
    np.testing.assert_allclose(scores, fit_wide(name).score(new.left, new.right), atol=2e-3)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("bad", ["nan", "equal", "none"])
def test_degenerate_input_is_refused_in_a_sentence(name: str, bad: str) -> None:
    extra, known = WIDE_EXTRA, WIDE_KNOWN
    if bad == "none":
        known = known.take(np.arange(0))
        if not METHODS[name].needs_pairs:
            assert foscttm(fit_wide(name, known)) < 1  # it runs
            return
    else:
        left = extra.left.copy()
        left[3 if bad == "nan" else slice(None)] = np.nan if bad == "nan" else left[0]
        extra = Pairs(left, extra.right)
    with pytest.raises(UserError):
        fit_wide(name, known, extra)


@pytest.mark.parametrize("name", [n for n in SMALL if not METHODS[n].config.__dict__.get("spectral")])
def test_one_tight_cluster_gives_finite_scores(name: str) -> None:
    """All rows nearly the same: nothing can be found, but nothing may break either. (A graph may refuse it.)"""
    tight = [Pairs(1 + 1e-3 * p.left, 1 + 1e-3 * p.right) for p in (WIDE_KNOWN, WIDE_EXTRA)]
    assert np.isfinite(fit_wide(name, *tight).score(NEW.left, NEW.right)).all()
