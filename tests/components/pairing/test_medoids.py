import numpy as np
import pytest
from pairing_corpora import clusters, corpus, cosines, whole_view

from components.errors import UserError
from components.pairing.config import CoverageConfig
from components.pairing.coverage import choose
from components.pairing.medoids import medoids

CONFIG = CoverageConfig(method="k-medoids")


def test_one_medoid_near_the_centre_of_every_cluster() -> None:
    rows, labels = clusters([80, 40, 30, 20])
    view = whole_view(rows)
    chosen = [rows.index[i] for i in view.rows.ids(medoids(view, 4, CONFIG))]
    assert sorted(labels[chosen]) == [0, 1, 2, 3]
    for row in chosen:
        mates = labels == labels[row]
        closeness = cosines(rows)[:, mates].mean(axis=1)
        assert closeness[row] >= np.quantile(closeness[mates], 0.9)


def test_medoids_are_different_rows_even_among_copies() -> None:
    rows = corpus(np.repeat(np.random.default_rng(0).normal(size=(12, 3)), 2, axis=0))
    assert len(set(choose(whole_view(rows), 12, CONFIG).rows)) == 12


def test_known_pairs_are_refused() -> None:
    rows, _ = clusters([20, 20])
    with pytest.raises(UserError, match="facility-location"):
        choose(whole_view(rows, rows.ids[:2]), 3, CONFIG)
