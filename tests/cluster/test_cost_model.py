"""The cost model finds the law that made synthetic timings, and says what is dear at sizes nobody has run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from cluster.cost_model import GROWTH, LAWS, Point, estimate, fit_step
from components.errors import UserError

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)


def timings(law: Sequence[str], *, fixed: float = 0.0, at_most: float = 60.0, noise: float = 0.0) -> list[Point]:
    """Terms of a law in equal shares of the longest time."""
    rng = np.random.default_rng(0)
    units = {term: at_most / len(law) / GROWTH[term](SIZES[-1]) for term in law}
    seconds = {n: fixed + sum(unit * GROWTH[term](n) for term, unit in units.items()) for n in SIZES}
    return [Point(rows=n, seconds=s * math.exp(noise * rng.normal()), bytes=8 * n) for n, s in seconds.items()]


@pytest.mark.parametrize("law", LAWS)
def test_the_law_is_found_whatever_is_fixed(law: tuple[str, ...]) -> None:
    points = timings(law, fixed=0.02 if law else 3.0)
    cost = fit_step("s", points)
    assert cost.law == (" + ".join(law) or "1")
    assert cost.worst < 1.15
    for point in points:
        assert cost.seconds(point.rows) == pytest.approx(point.seconds, rel=0.25)
    assert cost.bytes.at(1e6) == pytest.approx(8e6)


def test_ten_times_further_within_a_factor_of_two() -> None:
    for law in LAWS:
        points = timings(law, fixed=0.05, noise=0.05)
        for seen in (3, 4):
            told = fit_step("s", points[:seen]).seconds(SIZES[seen])
            assert 0.5 < told / points[seen].seconds < 2, law


def test_small_times_count_as_much_as_large_ones() -> None:
    cost = fit_step("s", timings(("n",), fixed=5.0))
    assert cost.fixed_s == pytest.approx(5.0, rel=0.05)


def test_another_way_of_working_on_few_rows_does_not_count_beyond() -> None:
    few = [Point(rows=n, seconds=1e-6 * n**2) for n in (100, 300, 1_000)]
    many = [Point(rows=n, seconds=1e-3 * n) for n in (3_000, 10_000, 30_000)]
    cost = fit_step("s", [*few, *many])
    assert cost.law == "n" and cost.seconds(1e6) == pytest.approx(1_000)
    assert cost.seconds(300) == pytest.approx(0.09)
    assert cost.seconds(math.sqrt(3e6 * 10)) == pytest.approx(math.sqrt(30.0))  # between 3,000 and 10,000


def test_one_size_is_enough_for_a_guess() -> None:
    cost = fit_step("s", [Point(rows=1000, seconds=1.0)])
    assert (cost.law, cost.fixed_s) == ("n ln n", 0.0)
    assert cost.seconds(1000) == pytest.approx(1.0)
    assert cost.seconds(10_000) == pytest.approx(10 * math.log(10_000) / math.log(1000))
    with pytest.raises(UserError, match="step s has no measured time"):
        fit_step("s", [])


def test_what_dominates_changes_with_the_size() -> None:
    costs = {
        "encode": fit_step("encode", [Point(rows=n, seconds=1e-3 * n, bytes=100 * n) for n in SIZES]),
        "graph": fit_step("graph", [Point(rows=n, seconds=3e-7 * n**1.5 + 1e-6 * n, bytes=20 * n) for n in SIZES]),
        "report": fit_step("report", [Point(rows=n, seconds=3.0) for n in SIZES]),
    }
    assert [costs[name].law for name in costs] == ["n", "n + n^1.5", "1"]
    assert [estimate(costs, n).dominant for n in (1e2, 1e5, 1e8)] == ["report", "encode", "graph"]
    told = estimate(costs, 1e6)
    assert told.bytes == pytest.approx(1.2e8)
    assert told.hours == pytest.approx((1000 + 301 + 3) / 3600, rel=0.01)


def test_the_shortest_run_of_a_size_counts_and_the_most_memory() -> None:
    clean = timings(("n",), fixed=1.0)
    slow = [Point(rows=p.rows, seconds=3 * p.seconds, bytes=9 * p.rows, memory=1 << 20) for p in clean]
    cost = fit_step("s", [*slow, *clean])
    assert cost.seconds(1_000) == pytest.approx(fit_step("s", clean).seconds(1_000))
    assert cost.bytes.at(1e6) == pytest.approx(9e6)
    assert cost.memory is not None and cost.memory.at(1e9) == pytest.approx(1 << 20)


def test_short_steps_grow_in_proportion_unless_they_are_alike() -> None:
    short = fit_step("s", [Point(rows=n, seconds=s) for n, s in ((1_000, 0.023), (2_000, 0.036), (4_000, 0.042))])
    assert short.law == "n" and 0.05 < short.seconds(8_000) < 0.1
    noise = fit_step("s", [Point(rows=n, seconds=s) for n, s in ((1_000, 0.004), (3_000, 0.002), (10_000, 0.007))])
    assert noise.law == "n" and noise.seconds(1e9) < 3600
    alike = fit_step("s", [Point(rows=n, seconds=s) for n, s in ((1_000, 1.51), (3_000, 1.52), (10_000, 1.59))])
    assert alike.law == "1" and alike.seconds(1e9) == pytest.approx(1.54, abs=0.05)


def test_fixed_bytes_do_not_grow() -> None:
    points = [Point(rows=n, seconds=1.0, bytes=1_000_000 + 10 * n, memory=10**8 + 100 * n) for n in SIZES]
    told = estimate({"s": fit_step("s", points)}, 1e6)
    assert told.bytes == pytest.approx(1.1e7, rel=0.01)
    assert told.memory["s"] == pytest.approx(2e8, rel=0.01)
    assert estimate({"s": fit_step("s", points[:1])}, 1e6).memory == {}
    assert estimate({"s": fit_step("s", timings(("n",)))}, 1e6).memory == {}
