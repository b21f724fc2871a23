"""What a sweep leaves below HOME/results/NAME/sweep, and the table at its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from rich.console import Console
from rich.table import Table

from cluster.tuning import DONE, FAILED, STOPPED
from components.files import write_atomically
from components.reporting.figures_sweep import Band, TrialRow, by_budget, pareto, response
from components.reporting.section import Section
from components.reporting.style import Figure, csv_text
from pipelines.home import Home
from pipelines.recipe import Recipe
from pipelines.search_space import KNOWN, Search
from pipelines.sweep_trials import Trial, best_of, failed, finished, short, worth

PAGE, NUMBERS = "sweep.html", "sweep.json"
BUDGET = "pairs_budget"
MOST_SHOWN = 40
_HOW = {
    "align": "Chosen by the known pairs alone, each scored by fits that did not see it; held-out pairs are beside it."
}
_HOW_TRAINED = "Chosen by validation rows, which no weight was fitted on; labels of the probes play no part."


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A search that came to an end.

    Attributes:
        keys: those that were searched.
        wall_s: seconds of all trials together; ``concurrent``: trials at a time.
    """

    recipe: Recipe
    search: Search
    metric: str
    trials: list[Trial]
    best: Trial
    keys: tuple[str, ...]
    home: Home
    wall_s: float
    concurrent: int

    @property
    def shown(self) -> list[Trial]:
        """The best ones, and below them those that have no value."""
        return [*self.ranked[:MOST_SHOWN], *[t for t in self.trials if t not in self.ranked][:MOST_SHOWN]]

    @property
    def ranked(self) -> list[Trial]:
        """Finished trials, the best first."""
        sign = -1 if self.search.mode == "max" else 1
        return sorted(finished(self.trials, self.metric), key=lambda t: (sign * (t.known(self.metric) or 0), t.number))


def publish_sweep(result: SweepResult) -> dict[str, bytes]:
    """Write trials as CSV and Parquet, ``sweep.json``, figures and ``sweep.html``. Returns the small ones by name."""
    files = _files(result)
    target = result.home.results(result.recipe.name) / "sweep"
    for name, data in files.items():
        write_atomically(target / name, data)
    pq.write_table(_table([_row(t) for t in result.trials]), target / "trials.parquet")
    return files


def _files(result: SweepResult) -> dict[str, bytes]:
    figures = _figures(result)
    files = {NUMBERS: (json.dumps(_numbers(result), indent=1, ensure_ascii=False) + "\n").encode()}
    rows = [_row(t) for t in result.trials]
    header = list(dict.fromkeys(name for row in rows for name in row))
    files["trials.csv"] = csv_text(header, [[row.get(name, "") for name in header] for row in rows]).encode()
    for figure in figures:
        drawn = {"svg": figure.svg, "png": figure.png, "csv": figure.csv.encode()}
        files |= {f"figures/{figure.name}.{ending}": data for ending, data in drawn.items()}
    files[PAGE] = _page(result, figures).encode()
    return files


def _row(trial: Trial) -> dict[str, Any]:
    bands = {
        f"{part}.{name}.{end}": float(entry[end])
        for part, scores in trial.scores.items()
        for name, entry in scores.items()
        for end in ("mean", "low", "high")
        if end in entry
    }
    head = {"trial": trial.number, "state": trial.state, **trial.params, **bands}
    return {**head, "cost_s": float(trial.cost), "seconds": float(trial.seconds), "error": trial.error}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """A column a name; one that has numbers in some trials and words in others is of words."""
    columns: dict[str, pa.Array] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        same = len({type(v) for v in values if v is not None}) == 1
        columns[name] = pa.array(values if same else [None if v is None else str(v) for v in values])
    return pa.table(columns)


def _numbers(result: SweepResult) -> dict[str, Any]:
    return {
        "recipe": result.recipe.name,
        "metric": result.metric,
        "mode": result.search.mode,
        "chosen_by": "known pairs alone" if result.metric.startswith(KNOWN) else result.metric,
        "best": {"trial": result.best.number, "params": result.best.params, "scores": result.best.scores},
        "states": {state: sum(t.state == state for t in result.trials) for state in (DONE, FAILED, STOPPED)},
        "reused": sum(t.reused for t in result.trials),
        "wall_s": result.wall_s,
        "concurrent": result.concurrent,
        "trials": [_row(t) for t in result.trials],
    }


def band(trial: Trial, part: str, metric: str) -> Band | None:
    """Mean and 95 % interval of a trial's number; None if it has none."""
    entry = trial.scores.get(part, {}).get(metric.removeprefix(KNOWN))
    if entry is None:
        return None
    mean = float(entry["mean"])
    return mean, float(entry.get("low", mean)), float(entry.get("high", mean))


def _figures(result: SweepResult) -> list[Figure]:
    metric, high = result.metric, result.search.mode == "max"
    rows = [
        TrialRow(
            number=t.number,
            params=t.params,
            known=band(t, "known", metric) or (0.0, 0.0, 0.0),
            heldout=band(t, "heldout", metric),
            cost=t.cost,
        )
        for t in finished(result.trials, metric)
    ]
    label = _label(metric)
    drawn = [by_budget(rows, BUDGET, label, high=high)]
    drawn += [response(rows, keys, label, high=high) for keys in _pairs(result.keys)]
    drawn.append(pareto(rows, label, high=high))
    return [figure for figure in drawn if figure is not None]


def _pairs(keys: Sequence[str]) -> list[tuple[str, str]]:
    """The two settings of the response surface: ε and ρ if they are searched, else the first two beside the budget."""
    others = [k for k in keys if k != BUDGET] or []
    transport = [k for end in ("epsilon", "rho") for k in others if k.endswith(f".{end}")]
    chosen = transport if len(transport) == 2 else others
    if len(chosen) < 2:
        chosen = [*others, *(k for k in keys if k == BUDGET)]
    return [(chosen[0], chosen[1])] if len(chosen) >= 2 else []


def _label(metric: str) -> str:
    name = metric.removeprefix(KNOWN)
    return f"{name}, percent" if name.startswith("R@") else name


def _page(result: SweepResult, figures: list[Figure]) -> str:
    from components.reporting.applications_page import render_applications

    columns = ["trial", *result.keys, _label(result.metric), "95 % interval", "held out", "seconds"]
    table = Section(
        title="Trials",
        finding=best_line(result),
        about=_about(result),
        columns=columns,
        words=0,
        rows=[_cells(result, t) for t in result.shown],
    )
    drawn = {f.name: Section(title=f.title, finding=f.alt, figures=[f]) for f in figures}
    tiles = [(str(len(result.trials)), "trials")]
    for part, pairs in (("known", "known pairs"), ("heldout", "held-out pairs")):
        if band(result.best, part, result.metric):
            name = f"{_label(result.metric)}, the best trial" + (
                f", {pairs}" if result.recipe.pipeline == "align" else ""
            )
            tiles.append((_value(result.best, part, result.metric), name))
    return render_applications(
        f"{result.recipe.name}: sweep",
        {"trials": table, **drawn},
        heading="What the search found",
        tiles=tiles,
        recipe=_made(result),
    )


def _made(result: SweepResult) -> str:
    """What was asked for, without defaults."""
    asked = {"recipe": result.recipe.name, **result.search.model_dump(mode="json", exclude_unset=True)}
    return yaml.safe_dump(asked, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def _about(result: SweepResult) -> str:
    """How it was chosen, how many rows are missing here, and why others have no value."""
    told = [_HOW.get(result.recipe.pipeline, _HOW_TRAINED)]
    if missing := len(result.trials) - len(result.shown):
        told.append(f"{missing} further trials are in trials.csv.")
    told += [f"Trial {t.number} was stopped after {t.epochs} epochs." for t in result.shown if t.state == STOPPED]
    told += [f"Trial {t.number} failed: {t.error.rstrip('.')}." for t in result.shown if t.state == FAILED]
    return " ".join(told)


def _cells(result: SweepResult, trial: Trial) -> list[str]:
    known = band(trial, "known", result.metric)
    interval = _interval(result.metric, known)
    settings = [short(trial.params[key]) if key in trial.params else "" for key in result.keys]
    value = trial.state if known is None else _value(trial, "known", result.metric)
    values = [value, interval, _value(trial, "heldout", result.metric)]
    return [str(trial.number), *settings, *values, f"{trial.cost:.1f}"]


def _value(trial: Trial, part: str, metric: str) -> str:
    found = band(trial, part, metric)
    return worth(metric, found[0]) if found else "–"


def _interval(metric: str, found: Band | None) -> str:
    return f"{worth(metric, found[1])} to {worth(metric, found[2])}" if found and found[2] > found[1] else ""


def best_line(result: SweepResult) -> str:
    """Which trial is best, by how much, and its settings."""
    best, metric = result.best, result.metric
    interval, unit = _interval(metric, band(best, "known", metric)), " %" if "percent" in _label(metric) else ""
    told = f"trial {best.number} is best: {metric.removeprefix(KNOWN)} {_value(best, 'known', metric)}{unit}"
    if interval:
        told += f" (95 % interval {interval})"
    if band(best, "heldout", metric):
        told += f", {_value(best, 'heldout', metric)}{unit} on held-out pairs"
    return f"{told}; {', '.join(f'{k} {short(v)}' for k, v in best.params.items())}"


def print_sweep(result: SweepResult, console: Console) -> None:
    """The table of trials, the best, what failed, and where everything is."""
    title = f"{len(result.trials)} trials; chosen by {result.metric}, held-out pairs only told"
    table = Table(title=title, title_justify="left", box=None)
    for name in ["trial", *(_last(k) for k in result.keys), _label(result.metric), "95 %", "held out", "s"]:
        table.add_column(name, justify="right")
    for trial in result.ranked[:MOST_SHOWN]:
        cells = _cells(result, trial)
        table.add_row(*(f"[bold]{c}[/bold]" if trial is result.best else c for c in cells))
    console.print(table)
    console.print(best_line(result), style="bold", markup=False, soft_wrap=True)
    _print_budgets(result, console)
    stopped = [str(t.number) for t in result.trials if t.state == STOPPED]
    if stopped:
        console.print(f"stopped early: trial{'s' if len(stopped) > 1 else ''} {', '.join(stopped)}", markup=False)
    for trial in failed(result.trials):
        told = f"trial {trial.number} failed: {trial.error} ({', '.join(f'{k} {v}' for k, v in trial.params.items())})"
        console.print(told, style="red", markup=False, soft_wrap=True)
    console.print(f"sweep:   {result.home.results(result.recipe.name) / 'sweep' / PAGE}", soft_wrap=True, markup=False)


def _print_budgets(result: SweepResult, console: Console) -> None:
    """More pairs are always better: who has only so many wants the best of that budget."""
    budgets = sorted({t.params[BUDGET] for t in result.ranked if isinstance(t.params.get(BUDGET), int)})
    for budget in budgets if len(budgets) > 1 else []:
        best = best_of([t for t in result.ranked if t.params.get(BUDGET) == budget], result.metric, result.search.mode)
        rest = ", ".join(f"{_last(k)} {short(v)}" for k, v in best.params.items() if k != BUDGET)
        console.print(f"  {budget} pairs: {_value(best, 'known', result.metric)} ({rest})", markup=False)


def _last(key: str) -> str:
    return key.rpartition(".")[2]
