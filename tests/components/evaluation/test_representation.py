"""Measures of embeddings against values that are known, and probes on planted classes."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.probes import Frozen, probe
from components.evaluation.representation import (
    alignment_of,
    effective_rank,
    knn_hits,
    linear_hits,
    majority_hits,
    singular_spectrum,
    uniformity_of,
)


def blobs(rng: np.random.Generator, count: int, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    centres = 3 * np.eye(5)[:4]
    classes = np.arange(count) % 4
    return centres[classes] + spread * rng.standard_normal((count, 5)), classes


def test_effective_rank_counts_dimensions_of_equal_size() -> None:
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.standard_normal((200, 6)) - 0.0)
    centred = basis - basis.mean(0)
    flat, _, turned = np.linalg.svd(centred, full_matrices=False)
    rows = (flat[:, :5] - flat[:, :5].mean(0)) @ turned[:5]
    assert effective_rank(rows) == pytest.approx(5, rel=1e-3)
    assert effective_rank(np.outer(rng.standard_normal(50), np.ones(7))) == pytest.approx(1)
    assert effective_rank(np.ones((4, 3))) == 0.0
    assert singular_spectrum(rng.standard_normal((30, 8))).sum() == pytest.approx(1)


def test_alignment_and_uniformity_at_their_ends() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 1024))
    assert alignment_of(x, 5 * x) == pytest.approx(0, abs=1e-12)
    assert alignment_of(x, -x) == pytest.approx(4)
    assert alignment_of(x, rng.standard_normal(x.shape)) == pytest.approx(2, abs=0.1)
    assert uniformity_of(np.ones((20, 3))) == pytest.approx(0)
    assert uniformity_of(x) == pytest.approx(-4, abs=0.1)  # distances of nearly orthogonal rows are near the root of 2
    assert uniformity_of(x[:1]) == 0.0


def test_probes_read_planted_classes_and_fail_on_shuffled_ones() -> None:
    rng = np.random.default_rng(1)
    (rows, classes), (queries, truth) = blobs(rng, 200), blobs(rng, 80)
    assert knn_hits(rows, classes, queries, truth).mean() == 1.0
    assert linear_hits(rows, classes, queries, truth).mean() == 1.0
    mixed = rng.permutation(classes)
    assert knn_hits(rows, mixed, queries, truth).mean() < 0.5
    assert majority_hits(np.array([0, 1, 1, 2]), np.array([1, 0, 1, 2])).tolist() == [True, False, True, False]
    assert knn_hits(rows[:3], classes[:3], queries, truth, k=10).mean() < 1  # fewer rows than neighbours asked for


def test_probe_leaves_out_rows_without_a_class_and_says_how_many_rows_it_had() -> None:
    rng = np.random.default_rng(2)
    (rows, classes), (queries, truth) = blobs(rng, 120), blobs(rng, 60)
    classes[:20], truth[:15] = -1, -1
    found = probe(
        Frozen(train=rows, test=queries, train_classes=classes, test_classes=truth, views=np.stack([queries, queries]))
    )
    assert found["knn"]["rows"] == 45 and found["knn"]["mean"] == found["linear"]["mean"] == 1.0
    assert found["majority"]["low"] <= found["majority"]["mean"] <= found["majority"]["high"] < 0.6
    assert found["alignment"] == pytest.approx(0) and len(found["spectrum"]) == 5


def test_with_one_class_or_none_there_are_no_accuracies() -> None:
    rows = np.random.default_rng(3).standard_normal((20, 4))
    for classes in (np.zeros(20, int), np.full(20, -1)):
        found = probe(Frozen(train=rows, test=rows, train_classes=classes, test_classes=classes))
        assert set(found) == {"effective_rank", "spectrum", "uniformity"}
