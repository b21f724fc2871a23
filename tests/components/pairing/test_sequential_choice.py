import numpy as np
import pytest
from pairing_corpora import clusters, corpus

from components.embeddings import Embeddings
from components.errors import UserError
from components.pairing.config import CoverageConfig
from components.pairing.sequential import LEAST_KNOWN, SequentialConfig, suggest_next
from components.pairing.suggest import suggest

LEFT, LABELS = clusters([100, 100, 100], spread=0.6)


def partners(noisy_cluster: int | None) -> Embeddings:
    """A rotation of the left rows; of one cluster only noise, so that nobody can agree on its rows' partners."""
    rng = np.random.default_rng(1)
    rows = LEFT.vectors @ np.linalg.qr(rng.normal(size=(8, 8)))[0]
    if noisy_cluster is not None:
        rows[LABELS == noisy_cluster] = 3 * rng.normal(size=(100, 8))
    return corpus(rows, "r")


def known(num: int) -> list[tuple[str, str]]:
    """The same number of pairs from every cluster."""
    rows = [int(np.flatnonzero(LABELS == c)[n]) for n in range(num // 3) for c in range(3)]
    return [(LEFT.ids[row], f"r{row:05d}") for row in rows]


@pytest.mark.parametrize("noisy", [0, 1, 2])
def test_asks_where_the_model_is_unsure(noisy: int) -> None:
    def share(trust: float) -> float:
        batch = suggest_next(LEFT, partners(noisy), known(30), 30, sequential=SequentialConfig(trust=trust))
        return float(np.mean(LABELS[[LEFT.index[i] for i in batch.ids]] == noisy))

    assert share(2.0) > share(0.0) + 0.1


def test_known_items_are_not_asked_for_again_and_nothing_changes_from_run_to_run() -> None:
    pairs = known(30)
    batch = suggest_next(LEFT, partners(None), pairs, 20, side="both")
    assert not set(batch.ids) & {i for pair in pairs for i in pair} and len(set(batch.ids)) == 20
    assert suggest_next(LEFT, partners(None), pairs, 20, side="both") == batch


def test_without_a_model_or_trust_it_is_coverage() -> None:
    few = known(LEAST_KNOWN - 1)
    assert suggest_next(LEFT, partners(0), few, 8).ids == suggest(LEFT, partners(0), 8, known=few).ids
    without = suggest_next(LEFT, partners(0), known(30), 8, sequential=SequentialConfig(trust=0.0))
    assert without.ids == suggest(LEFT, partners(0), 8, known=known(30)).ids


def test_kernel_variance_takes_the_known_pairs_into_account() -> None:
    config = CoverageConfig(method="kernel-variance")
    fresh = suggest(LEFT, partners(None), 6, config=config).ids
    pairs = [(i, f"r{LEFT.index[i]:05d}") for i in fresh]
    assert not set(suggest_next(LEFT, partners(None), pairs, 6, config=config).ids) & set(fresh)


def test_impossible_settings_of_the_committee_are_refused() -> None:
    for name, value in (("batch", 0), ("members", 1), ("trust", -1.0), ("sharpness", 0.0), ("ridge", 0.0)):
        with pytest.raises(UserError, match=name):
            SequentialConfig(**{name: value})
