"""Rows of the highest dot product: exact with ties in order, cells with the recall that they report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.errors import UserError
from components.files import Folder
from components.row_index import TARGET_RECALL, IndexFacts, RowIndex, first

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(40, 16)).astype(np.float32)


def rows(n: int, seed: int) -> np.ndarray:
    """Clusters of very different lengths: the nearest row is not that of the highest dot product."""
    rng = np.random.default_rng(seed)
    return (CENTRES[rng.integers(0, 40, n)] + 0.6 * rng.normal(size=(n, 16))).astype(np.float32)


@pytest.fixture(scope="module")
def cells() -> RowIndex:
    return RowIndex.build(rows(4000, 1), rows(500, 2), exact_rows=1000)


def test_first_is_a_stable_sort_cut_short() -> None:
    scores = np.random.default_rng(3).integers(0, 30, 500).astype(np.float32)
    for k in (1, 7, 499, 500, 900):
        np.testing.assert_array_equal(first(scores, k), np.argsort(-scores, kind="stable")[:k])


def test_an_exact_index_is_brute_force() -> None:
    vectors = rows(300, 1)
    index = RowIndex.build(vectors, vectors)
    places, scores = index.top(vectors[5], 10)
    np.testing.assert_array_equal(places, np.argsort(-(vectors @ vectors[5]), kind="stable")[:10])
    np.testing.assert_allclose(scores, np.sort(vectors @ vectors[5])[::-1][:10], rtol=1e-6)
    assert index.is_exact and index.facts.recall == 1.0


def test_cells_find_what_they_promise_to_new_queries(cells: RowIndex) -> None:
    assert cells.facts.kind == "cells" and cells.facts.probes < cells.facts.cells
    assert cells.facts.recall >= TARGET_RECALL
    hits = []
    for query in rows(300, 9):
        truth = np.argsort(-(cells.vectors @ query), kind="stable")[:10]
        places, scores = cells.top(query, 10)
        assert np.all(np.diff(scores) <= 0)
        np.testing.assert_allclose(scores, cells.vectors[places] @ query, rtol=1e-5)
        hits.append(len(np.intersect1d(places, truth)) / 10)
    assert np.mean(hits) == pytest.approx(cells.facts.recall, abs=0.03)


def test_queries_of_another_kind_are_what_recall_is_measured_on() -> None:
    """As many probes as rows like the indexed ones ask for would not do for strangers."""
    strangers = np.random.default_rng(7).normal(size=(300, 16)).astype(np.float32)
    index = RowIndex.build(rows(4000, 1), strangers, exact_rows=1000)
    familiar = RowIndex.build(rows(4000, 1), rows(300, 1), exact_rows=1000)
    assert index.facts.recall >= TARGET_RECALL and index.facts.probes >= familiar.facts.probes


def test_saved_cells_answer_the_same(cells: RowIndex, tmp_path: Path) -> None:
    folder = Folder.at(tmp_path).make()
    cells.save(folder, "x.faiss")
    again = RowIndex.load(folder, "x.faiss", cells.vectors, IndexFacts(**cells.facts.to_json()))
    for query in rows(20, 11):
        np.testing.assert_array_equal(again.top(query, 25)[0], cells.top(query, 25)[0])
    with pytest.raises(UserError, match="is not of the model's rows"):
        RowIndex.load(folder, "x.faiss", cells.vectors[:-1], cells.facts)
    with pytest.raises(UserError, match=r"the index y\.faiss is missing"):
        RowIndex.load(folder, "y.faiss", cells.vectors, cells.facts)


def test_the_seed_decides_the_cells() -> None:
    a, b = (RowIndex.build(rows(3000, 1), rows(300, 2), seed=4, exact_rows=100) for _ in range(2))
    assert a.facts == b.facts
    np.testing.assert_array_equal(a.top(CENTRES[0], 50)[0], b.top(CENTRES[0], 50)[0])
