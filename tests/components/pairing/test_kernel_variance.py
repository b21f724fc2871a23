import numpy as np
import pytest
from pairing_corpora import clusters, corpus, cosines, whole_view

from components.pairing.config import CoverageConfig
from components.pairing.coverage import choose
from components.pairing.kernel_variance import KernelVariance

CONFIG = CoverageConfig(method="kernel-variance", density=0.0, sharpness=2.0, ridge=0.3)


def posterior_variance(kernel: np.ndarray, chosen: list[int]) -> np.ndarray:
    """The textbook formula, all at once."""
    some = kernel[chosen]
    return np.diag(kernel) - np.einsum(
        "st,st->t", some, np.linalg.solve(some[:, chosen] + 0.3 * np.eye(len(chosen)), some)
    )


@pytest.mark.parametrize("known", [0, 4])
def test_gains_are_the_fall_of_the_mean_posterior_variance(known: int) -> None:
    rows = corpus(np.random.default_rng(1).normal(size=(40, 4)))
    kernel = np.exp(2.0 * (cosines(rows) - 1))
    view = whole_view(rows, rows.ids[:known], CONFIG)
    objective = KernelVariance(view, CONFIG)
    chosen = list(range(known))
    for _ in range(6):
        gains = objective.gains(np.arange(40))
        place = [rows.index[i] for i in view.rows.ids(np.arange(40))]
        before = posterior_variance(kernel, chosen).mean() if chosen else 1.0
        expected = [before - posterior_variance(kernel, [*chosen, r]).mean() for r in place if r not in chosen]
        assert np.allclose([g for g, r in zip(gains, place, strict=True) if r not in chosen], expected, atol=1e-5)
        best = next(p for p in np.argsort(-gains) if place[p] not in chosen)
        objective.add(int(best))
        chosen.append(place[best])


def test_every_cluster_is_visited() -> None:
    rows, labels = clusters([60, 40, 20, 10])
    view = whole_view(rows, config=CONFIG)
    picks = choose(view, 4, CONFIG)
    assert sorted(labels[[rows.index[i] for i in view.rows.ids(picks.rows)]]) == [0, 1, 2, 3]
