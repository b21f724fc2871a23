"""``isthmus evaluate``: what a recipe's shared space is good for. The graph goes on from the one of ``run``.

Each application is a step that leaves numbers, figures and a section; ``applications`` puts them on one page. A further
application is an entry of ``APPLICATIONS`` and a body in ``steps/``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.workflow.graph import Graph
from cluster.workflow.results import RunResult, State
from cluster.workflow.step import DRIVER, Step
from components.encoders.registry import DEFAULTS, fingerprint
from components.errors import UserError
from components.files import write_atomically
from pipelines.align import AlignGraph, Engine
from pipelines.home import Home
from pipelines.recipe import AlignRecipe, GeneratorKind
from pipelines.runner import FAILED, RunOptions, output_of, run_graph
from pipelines.steps.application import RESULT
from pipelines.trained import locate_trained

PAGE, METRICS = "applications.html", "applications.json"


@dataclass(frozen=True, kw_only=True)
class Application:
    """One branch of the graph.

    Attributes:
        needs: ``spaces``, ``corpora`` (shards, embeddings, splits), ``spectral``, ``generators``; nothing if it brings
            its own data.
        key: of its numbers in ``applications.json``.
        config: beside the seed.
        version: raised whenever its results change.
    """

    needs: tuple[str, ...] = ("spaces", "corpora")
    key: str
    config: tuple[tuple[str, Any], ...] = ()
    version: str = "1"


_DIGITS = {"pairs": 50, "seeds": list(range(8))}
_CURVES = {
    "methods": ["ridge-cca", "kernel-ridge", "fused-csa"],
    "budgets": [10, 30, 100, 300],
    "rows": [100, 200, 400, 800, 1600],
    "draws": 3,
}
_CONTROL = {"layouts": ["fork", "island", "blank"], "seeds": [0, 1, 2], "sizes": [10, 100, 1000]}
APPLICATIONS: dict[str, Application] = {
    "zero-shot": Application(key="zero_shot", version="2"),
    "digits-zero-shot": Application(needs=(), key="zero_shot_digits", version="2", config=tuple(_DIGITS.items())),
    "arithmetic": Application(key="arithmetic", version="4"),
    "transfer": Application(key="transfer", version="2"),
    "digits-transfer": Application(
        needs=(),
        key="transfer_digits",
        version="2",
        config=(("kinds", ["rotated", "waves"]), ("pairs", 30), ("seeds", [0, 1, 2, 3, 4])),
    ),
    "generation": Application(needs=("spaces", "corpora", "generators"), key="generation"),
    "control": Application(needs=(), key="control", version="3", config=tuple(_CONTROL.items())),
    "universality": Application(needs=("spaces", "corpora", "spectral"), key="universality", version="2"),
    "budget-curves": Application(needs=("corpora",), key="curves", config=tuple(_CURVES.items())),
}


class EvaluateGraph(AlignGraph):
    """The steps of ``run`` that the exported method needs (the same keys, so hits in the store), then applications."""

    def __init__(
        self, recipe: AlignRecipe, only: Sequence[str] = (), *, cache_dir: Path, engine: Engine = "ray"
    ) -> None:
        super().__init__(recipe, cache_dir=cache_dir, engine=engine)
        self.names = chosen(only)
        self.corpora: dict[str, Step] = {"splits": self.splits}
        self.corpora |= self._sides(self.shard, "shard") | self._sides(self.encode, "encode")

    def build(self) -> Graph:
        """All applications, and their page."""
        made = {f"section:{name}": self._application(name) for name in self.names}
        options = {"recipe": self.recipe.model_dump(mode="json"), "keys": {n: APPLICATIONS[n].key for n in self.names}}
        config = {"order": list(self.names), "exported": self.recipe.exported}
        inputs = {**made, "splits": self.splits}
        return Graph.of(self._step("applications", version="2", config=config, inputs=inputs, options=options))

    def _application(self, name: str) -> Step:
        about = APPLICATIONS[name]
        config: dict[str, Any] = {"seed": self.recipe.seed, **dict(about.config)}
        inputs: dict[str, Step] = {}
        externals: dict[str, str] = {}
        if "spaces" in about.needs:
            inputs["spaces"] = self._spaces()
        if "corpora" in about.needs:
            inputs |= self.corpora
            config["preprocess"] = self.recipe.preprocess.model_dump(mode="json")
        if "spectral" in about.needs:
            inputs |= self._sides(self._spectral_pair("eigen"), "spectral")
        if "generators" in about.needs:
            inputs |= {f"generator-{kind}": self._generator(kind) for kind in self.recipe.generators}
        if name == "digits-zero-shot":
            config["encoder"] = DEFAULTS["text"]
            externals["encoder"] = fingerprint(config["encoder"])
        module = name.replace("-", "_")
        fields: dict[str, Any] = {"config": config, "inputs": inputs, "externals": externals}
        return self._step(name, run=module, version=about.version, options={"cache_dir": str(self.cache_dir)}, **fields)

    def _generator(self, kind: GeneratorKind) -> Step:
        return self._step(
            f"generator-{kind}",
            run="generator",
            version="2",
            config={"seed": self.recipe.seed, "generator": {**self.recipe.generators[kind], "kind": kind}},
            inputs={"spaces": self._spaces(), **self.corpora},
            options=self._train_options(),
            resources=DRIVER,
        )

    def _spaces(self) -> Step:
        """Fits of the exported method: of ``auto`` from its branches, of others as for ``confidence``."""
        confidence = self._confidence()
        config = {**confidence.config, "candidates": []}
        inputs: dict[str, Step] = {k: v for k, v in confidence.inputs.items() if not k.startswith("method:")}
        method = self.methods[self.recipe.aligner]
        if self.recipe.aligner == "auto":
            inputs |= method.inputs
            config |= {"candidates": method.config["candidates"], "controls": method.config["controls"]}
        return self._step("spaces", config=config, inputs=inputs)


def chosen(only: Sequence[str]) -> tuple[str, ...]:
    """Names of applications in their order; all of them if none is asked for. Raises UserError for an unknown one."""
    for name in only:
        if name not in APPLICATIONS:
            raise UserError(f"{name!r} is no application", where="--only", do=f"choose from {', '.join(APPLICATIONS)}")
    return tuple(name for name in APPLICATIONS if not only or name in only)


def build(recipe: AlignRecipe, only: Sequence[str] = (), *, cache_dir: Path, engine: Engine = "ray") -> Graph:
    """The DAG of ``evaluate``. Raises UserError for a recipe without pairs, or an unknown application."""
    if recipe.without_pairs:
        raise UserError("the recipe fits on no pair", where="pairs_budget", do="applications are measured with pairs")
    return EvaluateGraph(recipe, only, cache_dir=cache_dir, engine=engine).build()


def evaluate_and_print(
    recipe: AlignRecipe,
    only: Sequence[str],
    home: Home,
    options: RunOptions,
    console: Console,
) -> int:
    """Run, copy page and numbers below HOME/results/NAME, and print what was found. Returns the exit code.

    Raises:
        UserError: an input is missing, the cluster cannot be reached, or what was asked for with ``only`` cannot be
            measured with this recipe.
    """
    name = f"{recipe.name}-evaluate"
    result = run_graph(partial(build, locate_trained(recipe, home), only), recipe, home, options, console, name=name)
    if result is None:
        return FAILED
    page = _publish(recipe, result, home, options)
    console.print(_table(result, chosen(only)))
    ran, hit = result.names(State.RAN), result.names(State.HIT)
    console.print(f"{len(ran)} steps ran, {len(hit)} were cached, {result.seconds:.1f} s")
    console.print(f"report:  {page}", soft_wrap=True, markup=False)
    missing = {n: told for n in only if (told := output_of(result, n).read_json(RESULT).get("absent"))}
    if missing:
        raise UserError("; ".join(f"{n}: {told}" for n, told in missing.items()))
    return 0


def _publish(recipe: AlignRecipe, result: RunResult, home: Home, options: RunOptions) -> Path:
    target, made = home.results(recipe.name), output_of(result, "applications")
    target.mkdir(parents=True, exist_ok=True)
    for name in (PAGE, METRICS):
        write_atomically(target / name, made.read_bytes(name))
    if options.metrics_out:
        write_atomically(options.metrics_out, made.read_bytes(METRICS))
    return target / PAGE


def _table(result: RunResult, names: Sequence[str]) -> Table:
    table = Table("application", "what was found", box=None)
    for name in names:
        table.add_row(name, str(result.steps[name].facts["finding"]))
    return table
