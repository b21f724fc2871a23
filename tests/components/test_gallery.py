"""Confidence from the first rows and a sample of the others, against all rows."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.confidence import Confidence
from components.gallery import Gallery
from components.judge import Judge
from components.row_index import RowIndex

N, PAIRED = 20_000, 100
MODEL = Confidence(temperature=2.0, spread=0.25, constant=1.0, row=0.8, column=0.5, num_pairs=100, gallery=500.0)


def side(seed: int) -> np.ndarray:
    """Row n of both sides is of the same item."""
    items = np.random.default_rng(0).normal(size=(N, 16))
    x = items + 0.35 * np.random.default_rng(seed).normal(size=(N, 16))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


LEFT, RIGHT = side(1), side(2)
IDS = [f"i{n:05d}" for n in range(N)]


def verdicts(exact_rows: int, query: int, k: int = 10) -> tuple[list[int], list[float], list[bool | None]]:
    judge = Judge(MODEL, {s: frozenset(IDS[:PAIRED]) for s in ("left", "right")})
    if exact_rows not in GALLERIES:
        free = judge.free("left", IDS)
        pairs = ((RIGHT, LEFT), (LEFT, RIGHT))
        GALLERIES[exact_rows] = tuple(Gallery(RowIndex.build(r, q, exact_rows=exact_rows), free) for r, q in pairs)
    found, own = GALLERIES[exact_rows]
    places, _, seen = found.see(LEFT[query], k)
    judged = judge.verdicts(places, seen, found, own)
    assert all(
        v.paired == (n < PAIRED) and (v.confidence is None) == v.paired for n, v in zip(places, judged, strict=True)
    )
    return places.tolist(), [v.confidence or 0.0 for v in judged], [v.mutual for v in judged]


GALLERIES: dict[int, tuple[Gallery, Gallery]] = {}


def test_confidence_of_an_approximate_index_is_that_of_all_rows() -> None:
    off, flags = [], []
    for query in range(PAIRED, PAIRED + 60):
        exact, near = verdicts(N, query), verdicts(1000, query)
        both = set(exact[0]) & set(near[0])
        assert len(both) >= 7
        for n in both:
            a, b = exact[0].index(n), near[0].index(n)
            off.append(abs(exact[1][a] - near[1][b]))
            flags.append(exact[2][a] == near[2][b])
    assert max(verdicts(N, PAIRED)[1]) > 0.1  # there is something to be wrong about
    assert np.mean(off) < 0.005 and max(off) < 0.05
    assert np.mean(flags) > 0.98


def test_a_known_partner_is_told_and_not_judged() -> None:
    places, confidence, _ = verdicts(1000, 3)
    assert 3 in places and confidence[places.index(3)] == 0.0


def test_the_sample_stands_for_all_free_rows() -> None:
    verdicts(1000, PAIRED)
    *_, seen = GALLERIES[1000][0].see(LEFT[PAIRED], 10)
    assert seen.counts is not None
    assert seen.counts[np.isfinite(seen.scores)].sum() == pytest.approx(N - PAIRED)
