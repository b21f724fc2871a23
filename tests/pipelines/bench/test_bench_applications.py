"""Parts of ``bench applications``: they are put together under their keys, and goals follow from the numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.errors import UserError
from pipelines.bench import applications, flatten, merged, run_bench
from pipelines.bench.applications.corpora import measure as measure_corpora
from pipelines.bench.applications.drawings import measure as measure_drawings
from pipelines.bench.applications.space import _closed, lows, zero_shot_goals


def test_parts_may_share_a_key_but_not_a_number() -> None:
    assert merged({"transfer": {"digits": 1}, "quick": True}, {"transfer": {"drawings": 2}, "serve": {}}) == {
        "transfer": {"digits": 1, "drawings": 2},
        "quick": True,
        "serve": {},
    }
    with pytest.raises(ValueError, match="two parts measure 'digits'"):
        merged({"digits": 1}, {"digits": 2})


def test_an_interval_is_one_line() -> None:
    told = flatten({"a": {"mean": 0.5, "low": 0.4, "high": 0.625, "num": 5}, "b": {"c": [1]}})
    assert told == {"a": "0.5 (0.4 to 0.625)", "b.c.0": 1}


def test_all_parts_are_measured_or_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def part(name: str) -> Any:
        if name == "pipelines.bench.applications":
            return applications
        told.append(name.rpartition(".")[2])
        return SimpleNamespace(measure=lambda *, quick: {"transfer": {"quick": quick}})

    monkeypatch.setattr("pipelines.bench.import_module", part)
    console = Console(quiet=True)
    found = run_bench("applications", quick=True, metrics_out=None, console=console)
    assert found == {"quick": True, "transfer": {"quick": True}} and told == list(applications.PARTS)
    told.clear()
    run_bench("applications", quick=True, metrics_out=None, console=console, parts=["serve"])
    assert told == ["serve"]
    with pytest.raises(UserError, match="'speed' is no part of bench applications"):
        run_bench("applications", quick=True, metrics_out=None, console=console, parts=["speed"])


def test_without_the_corpora_drawings_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_CORPORA", "/nowhere")
    assert "is not there" in measure_drawings(quick=True)["transfer"]["drawings"]["absent"]
    assert "is not there" in measure_corpora(quick=True)["arithmetic"]["openclipart"]["absent"]


def test_goals_are_means_over_seeds_and_the_worst_lower_bound() -> None:
    def run(ours: float, base: float) -> dict[str, Any]:
        methods = {"m": {"accuracy": {"mean": ours}}, "ridge-cca": {"accuracy": {"mean": base}}}
        return {"label": {"methods": methods, "chance": {"accuracy": 0.1}}}

    goals = zero_shot_goals([run(0.5, 0.4), run(0.3, 0.3)], "m")["label"]
    assert goals["times_chance"] == pytest.approx(4.0) and goals["points_above_ridge_cca"] == pytest.approx(5.0)
    assert lows([{"gains": {"sum": {"a": {"low": low}}}} for low in (0.02, -0.01)]) == {"sum": {"a": -0.01}}
    assert _closed({"closed": {"auto": {"mean": 0.9}, "shuffled pairs": {"mean": 0.0}}}) == {"auto": 0.9}
