"""The bench of sweeps with commands replaced: what is run, how often, and how it is scaled up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.bench.scale import sweep as bench


def test_separate_runs_stand_for_all_and_overhead_is_what_work_does_not_explain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[tuple[str, ...]] = []

    def timed(*arguments: str) -> float:
        called.append(arguments)
        if arguments[0] == "run":
            return 30.0
        light = arguments[3].endswith("light.yaml")
        folder = Path(arguments[-1]) / "results" / "emoji" / "sweep"
        folder.mkdir(parents=True, exist_ok=True)
        trials: list[dict[str, Any]] = [{"cost_s": 0.5}] * (10 if light else 6)
        swept = {"trials": trials, "states": {"failed": 0}, "wall_s": 10.0, "concurrent": 2}
        (folder / "sweep.json").write_text(json.dumps(swept))
        return 20.0

    monkeypatch.setattr(bench, "_timed", timed)
    found = bench.measure(quick=True)
    assert found["sweep"]["speedup_vs_separate_runs"] == pytest.approx(6 * 30 / 20)
    assert (found["sweep"]["trials"], found["sweep"]["separate_runs_timed"]) == (6, 1)
    assert found["per_trial_overhead_s"] == pytest.approx((10 * 2 - 10 * 0.5) / 10)
    (run,) = [c for c in called if c[0] == "run"]
    assert "pairs_budget=60" in run and any(arg.startswith("aligner=") for arg in run)


def test_settings_of_separate_runs_are_those_of_the_sweep() -> None:
    points = bench._points("pairs-and-ot")
    assert len(points) == 40
    some = bench._spread(points, 3)
    assert len({p["pairs_budget"] for p in some}) == 3
