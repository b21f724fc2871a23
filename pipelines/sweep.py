"""``isthmus tune``: search over recipe keys. Trials share every step that their settings do not touch.

The choice is made by the known pairs alone; the best trial is then run in full, with report and exported model.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console

from cluster.tracking.sweep import SweepTracker
from cluster.tuning import TuneConfig, fitting, run_here, run_on_ray
from cluster.workflow.history import new_run_id
from cluster.workflow.keys import digest_of
from cluster.workflow.provenance import provenance
from cluster.workflow.store import Store
from components.errors import UserError
from components.tuning.samplers import make_sampler
from pipelines.align import Engine
from pipelines.home import Home
from pipelines.recipe import Recipe, to_yaml
from pipelines.runner import UNSENT_WAIT_S, RunOptions, run_recipe
from pipelines.search_space import Search, metric_of, recipe_at, space_of
from pipelines.sweep_progress import SweepProgress
from pipelines.sweep_results import SweepResult, best_line, print_sweep, publish_sweep
from pipelines.sweep_trials import Ledger, Trials, best_of, failed
from pipelines.trial import evaluate
from pipelines.trial_graphs import trained_steps, trial_graph

FAILED = 1


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """As in ``isthmus tune --help``."""

    address: str | None = None
    use_ray: bool = True
    full: bool = True  # run the best trial in full at the end


def sweep_and_print(recipe: Recipe, search: Search, home: Home, options: SweepOptions, console: Console) -> int:
    """Run a search and report. Returns the exit code: 0, or 1 if a trial failed or the best one's full run did.

    Raises:
        UserError: the space or the metric is refused, the cluster is too small, or no trial came to an end.
    """
    sweep = Sweep(recipe, search, home, options, console)
    result = sweep.run()
    print_sweep(result, console)
    code = FAILED if failed(result.trials) else 0
    if not options.full:
        return code
    console.print(f"\nthe best trial ({result.best.number}) in full:", markup=False)
    run = RunOptions(address=options.address, use_ray=options.use_ray, parent=sweep.recorded)
    return max(code, run_recipe(result.best.recipe, home, run, console))


class Sweep:
    """One search.

    Attributes:
        run_id: of the sweep in MLflow and in the store's records.
        recorded: the same once MLflow has it, else empty: what may be named as a parent.
    """

    def __init__(self, recipe: Recipe, search: Search, home: Home, options: SweepOptions, console: Console) -> None:
        self.recipe, self.search, self.home, self.options, self.console = recipe, search, home, options, console
        self.metric, self.space = metric_of(search, recipe), space_of(search, recipe)
        self.run_id, self.recorded = new_run_id(), ""
        self.engine: Engine = "ray" if options.use_ray else "local"
        self.build = partial(trial_graph, home=home, engine=self.engine, cache_dir=home.cache)
        self.store = Store(home.store)
        ledger = Ledger(home.path / "sweeps" / f"{self._id()}.jsonl")
        before = ledger.points[: search.trials] if search.sampler == "optuna" else []
        self.watch = self._watched()
        self.trials = Trials(
            base=recipe,
            sampler=make_sampler(
                search.sampler, self.space, trials=search.trials, mode=search.mode, seed=search.seed, before=len(before)
            ),
            metric=self.metric,
            store=self.store,
            ledger=ledger,
            build=self.build,
            settings=self._settings(),
            tell=self._tell,
            before=[dict(point) for point in before],
        )
        self._record: dict[str, Any] = {
            "run": self.run_id,
            "pipeline": f"{recipe.name}-sweep",
            "recipe": recipe.model_dump(mode="json"),
            "made": provenance(),
            "steps": {},
        }

    def run(self) -> SweepResult:
        """All trials, the choice, files and records. Raises UserError as :func:`sweep_and_print`."""
        self._started = time.time()
        self.tracker = SweepTracker(self.home.path, store_uri=self.home.store_uri)
        self.progress = SweepProgress(self.console, self.metric, self.search.mode, self.trials.sampler.most)
        try:
            self._begin()
            with self.progress:
                self._all_trials()
            result = self._conclude()
        except BaseException as error:
            self._end(str(error) or type(error).__name__)
            raise
        self._end(None)
        return result

    def _all_trials(self) -> None:
        self.concurrent, self.wall_s = 1, 0.0
        anything = self.trials.anything_to_run()
        if anything and not self.options.use_ray:
            if self.search.scheduler != "none":
                self._say(f"without Ray every trial runs to its end: {self.search.scheduler} is not asked")
            began = time.monotonic()
            run_here(self.trials, evaluate)
            self.wall_s = time.monotonic() - began
        elif anything:  # if all of it is in the store, Ray is not started
            self._on_ray()
        if self.trials.problem is not None:
            raise self.trials.problem

    def _on_ray(self) -> None:
        from cluster.runtime import RaySession, cluster_summary

        scaling: Any = getattr(self.recipe, "scaling")  # noqa: B009  every recipe that can be searched has it
        with RaySession(self.options.address, home=self.home.path):
            self.concurrent = fitting(
                asked=self.search.concurrent,
                workers=scaling.workers if self._trains() else 1,
                cpus_each=scaling.cpus_per_worker,
                cpus=cluster_summary()["cpus"],
            )
            config = TuneConfig(
                evaluate=evaluate,
                concurrent=self.concurrent,
                most=self.trials.sampler.most,
                scheduler=self.search.scheduler if self.watch else "none",
                mode=self.search.watch.mode,
                grace=self.search.watch.grace,
            )
            began = time.monotonic()  # Ray itself is there
            run_on_ray(self.trials, config, self.store.root.sub(f"work/tune-{self.run_id}"))
            self.wall_s = time.monotonic() - began

    def _conclude(self) -> SweepResult:
        best = best_of(self.trials.trials, self.metric, self.search.mode)
        result = SweepResult(
            recipe=self.recipe,
            search=self.search,
            metric=self.metric,
            trials=self.trials.trials,
            best=best,
            keys=self.space.keys,
            home=self.home,
            wall_s=self.wall_s,
            concurrent=self.concurrent,
        )
        files = publish_sweep(result)
        metrics = {"trials": len(result.trials), "trials.failed": len(failed(result.trials)), **best.metrics()}
        tags = {"mlflow.note.content": best_line(result), "best.trial": best.number}
        tags |= {f"best.{key}": value for key, value in best.params.items()}
        told = {"metrics": metrics, "tags": tags, "best": best.uid, "files": files}
        self._track({"kind": "sweep-finished", **told})
        return result

    def _id(self) -> str:
        """What makes it the same search: resumed by the same command, and extended by one with more trials."""
        search = self.search.model_dump(mode="json", exclude={"trials", "concurrent"})
        return digest_of({"recipe": self.recipe.model_dump(mode="json"), "search": search})[:16]

    def _settings(self) -> dict[str, Any]:
        home = self.home
        logs = home.logs / self.run_id
        settings = {"home": str(home.path), "store": home.store_uri, "engine": self.engine, "logs": str(logs)}
        return {**settings, "watch": self.watch}

    def _first_graph(self) -> Any:
        return self.build(recipe_at(self.recipe, {d.key: d.ends[0] for d in self.space.dimensions if not d.when}))

    def _trains(self) -> bool:
        return bool(trained_steps(self._first_graph()))

    def _watched(self) -> dict[str, str] | None:
        """The step and metric that a scheduler compares. Says so if there is none; raises UserError for no step."""
        if self.search.scheduler == "none":
            return None
        steps = trained_steps(self._first_graph())
        wanted = self.search.watch.step
        if wanted and wanted not in steps:
            raise UserError(f"{wanted!r} has no epochs", where="watch.step", do=f"choose from {', '.join(steps)}")
        if not steps:
            told = "no step of these trials is trained by epochs, so every trial runs to its end"
            self._say(f"{self.search.scheduler}: {told}")
            return None
        return {"step": wanted or steps[-1], "metric": self.search.watch.metric}

    def _begin(self) -> None:
        self._write_record("RUNNING", None)
        params = {**self.recipe.model_dump(mode="json"), "sweep": self.search.model_dump(mode="json")}
        self.tracker.recipe(params, to_yaml(self.recipe) + "---\n" + to_yaml(self.search), f"{self.recipe.name}-sweep")
        self._track({"kind": "run-started", "pipeline": f"{self.recipe.name}-sweep"})

    def _end(self, error: str | None) -> None:
        seconds = time.time() - self._started
        self._track(
            {"kind": "run-finished", "state": "FAILED" if error else "DONE", "seconds": seconds, "error": error}
        )
        drained = self.tracker.close(UNSENT_WAIT_S)
        if drained.parent_run_id and not drained.pending:
            self.recorded = self.run_id
        elif drained.problem:
            self._say(f"{drained.pending} records wait for {drained.uri}: {drained.problem}; `isthmus sync` sends them")
        self._write_record("FAILED" if error else "DONE", error, seconds=seconds)

    def _write_record(self, state: str, error: str | None, **more: Any) -> None:
        used = {"outputs": self.trials.outputs(), "started": self._started}
        self.store.write_run(self.run_id, {**self._record, **used, "state": state, "error": error, **more})

    def _tell(self, event: dict[str, Any]) -> None:
        self._track(event)
        self.progress.listen(event, self.trials.trials)
        if event["kind"] == "trial-finished":
            self._write_record("RUNNING", None)

    def _track(self, event: Mapping[str, Any]) -> None:
        self.tracker.listen({"run": self.run_id, **event})

    def _say(self, text: str) -> None:
        self.console.print(text, style="yellow", markup=False, soft_wrap=True)
