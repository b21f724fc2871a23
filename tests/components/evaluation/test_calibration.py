"""Reliability of probabilities against what happened."""

import numpy as np
import pytest

from components.evaluation.calibration import reliability


def test_true_probabilities_are_reliable() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=20_000)
    found = reliability(p, rng.uniform(size=len(p)) < p)
    assert found.ece < 0.02
    assert found.brier == pytest.approx(1 / 6, abs=0.01) and found.brier < found.brier_base
    assert sum(b.low <= b.predicted <= b.high for b in found.bins) >= 8


def test_known_case() -> None:
    found = reliability(np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 1, 1, 1]), num_bins=2)
    assert [(b.predicted, b.observed, b.num) for b in found.bins] == [(0.1, 0.5, 2), (0.9, 1.0, 2)]
    assert found.ece == pytest.approx((0.4 + 0.1) / 2)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert found.brier_base == pytest.approx(0.75 * 0.25)


def test_over_confident_predictions_are_found_out() -> None:
    rng = np.random.default_rng(1)
    assert reliability(np.full(2000, 0.9), rng.uniform(size=2000) < 0.3).ece == pytest.approx(0.6, abs=0.03)


def test_no_prediction_is_refused() -> None:
    with pytest.raises(ValueError):
        reliability(np.zeros(0), np.zeros(0))
