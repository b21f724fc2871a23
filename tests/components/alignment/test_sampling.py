"""A seeded sample keeps the order of rows and takes every row alike."""

import numpy as np

from components.alignment.sampling import sample_rows

ROWS = np.arange(40.0)[:, None]


def test_few_rows_are_all_taken_and_many_are_thinned_in_their_order():
    assert sample_rows(ROWS, 40, 0) is ROWS and sample_rows(ROWS, 99, 0) is ROWS
    some = sample_rows(ROWS, 7, 0)
    assert some.shape == (7, 1) and (np.diff(some[:, 0]) > 0).all() and set(some[:, 0]) <= set(ROWS[:, 0])


def test_the_seed_decides():
    for seed in (3, [3, 1]):
        np.testing.assert_array_equal(sample_rows(ROWS, 7, seed), sample_rows(ROWS, 7, seed))
    assert not np.array_equal(sample_rows(ROWS, 7, 3), sample_rows(ROWS, 7, 4))
    rng = np.random.default_rng(0)
    assert not np.array_equal(sample_rows(ROWS, 7, rng), sample_rows(ROWS, 7, rng))  # a generator goes on


def test_every_row_is_as_likely():
    rng = np.random.default_rng(0)
    counts = np.zeros(40)
    for _ in range(2000):
        counts[sample_rows(ROWS, 10, rng)[:, 0].astype(int)] += 1
    assert np.abs(counts / 2000 - 0.25).max() < 0.05  # five standard errors
