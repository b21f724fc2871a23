"""Figures of a search: the front against its definition, what is chosen for a budget, and when there is no figure."""

from __future__ import annotations

import csv
import io

import numpy as np

from components.reporting.figures_sweep import TrialRow, by_budget, pareto, pareto_front, response


def row(number: int, known: float, cost: float, **params: object) -> TrialRow:
    return TrialRow(
        number=number, params=params, known=(known, known - 2, known + 2), heldout=(known - 1, 0.0, 99.0), cost=cost
    )


def numbers(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_nothing_beats_the_front_and_it_beats_all_others() -> None:
    rng = np.random.default_rng(0)
    rows = [row(n, float(v), float(c)) for n, (v, c) in enumerate(rng.uniform(1, 9, size=(60, 2)).round(0))]
    front = pareto_front(rows)
    for r in rows:
        beaten = any(
            o.cost <= r.cost and o.known[0] >= r.known[0] and (o.cost, o.known[0]) != (r.cost, r.known[0]) for o in rows
        )
        if r in front:
            assert not beaten
        else:
            assert beaten or any((o.cost, o.known[0]) == (r.cost, r.known[0]) for o in front)
    lowest = pareto_front(rows, high=False)
    assert min(r.known[0] for r in rows) == lowest[-1].known[0]


def test_a_budget_shows_its_best_trial_by_the_known_pairs() -> None:
    rows = [row(0, 10, 1, budget=20), row(1, 12, 1, budget=20), row(2, 30, 1, budget=80), row(3, 25, 1, budget=80)]
    figure = by_budget(rows, "budget", "R@10, percent")
    assert figure is not None
    assert [(r["budget"], r["trial"], r["known"]) for r in numbers(figure.csv)] == [
        ("20", "1", "12"),
        ("80", "2", "30"),
    ]
    assert b"<svg" in figure.svg and figure.png[:4] == b"\x89PNG"
    assert by_budget(rows[:2], "budget", "R@10") is None, "one budget is no curve"
    lowest = by_budget(rows, "budget", "loss", high=False)
    assert lowest is not None and [r["trial"] for r in numbers(lowest.csv)] == ["0", "3"]


def test_a_cell_holds_the_best_of_the_other_settings_and_may_be_empty() -> None:
    rows = [row(0, 10, 1, e=0.1, r="none", b=1), row(1, 14, 1, e=0.1, r="none", b=2), row(2, 11, 1, e=0.3, r=0.5, b=1)]
    figure = response(rows, ("e", "r"), "R@10")
    assert figure is not None
    cells = {(r["e"], r["r"]): r["R@10"] for r in numbers(figure.csv)}
    assert cells == {("0.1", "none"): "14", ("0.3", "0.5"): "11"}
    assert response(rows[:2], ("e", "r"), "R@10") is None


def test_the_cost_figure_marks_its_front() -> None:
    figure = pareto([row(0, 10, 1.0), row(1, 9, 2.0), row(2, 20, 3.0)], "R@10")
    assert figure is not None
    assert [r["front"] for r in numbers(figure.csv)] == ["1", "0", "1"]
    assert pareto([row(0, 10, 1.0)], "R@10") is None
