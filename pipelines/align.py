"""The main DAG: shard, encode, pairs, gauge, spectral, CCA, MMD net, baselines, evaluate, report, export.

``build`` only describes the steps; nothing heavy is imported here, so that ``isthmus plan`` answers at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from cluster.workflow.graph import Graph
from cluster.workflow.step import DRIVER, Resources, Step
from components.alignment.registry import METHODS
from components.corpora.sources import source_digest
from components.encoders.registry import DEFAULTS, TRAINED, fingerprint
from components.errors import UserError
from pipelines.recipe import AlignerName, AlignRecipe, Cca, Source
from pipelines.views import View, views_of

Engine = Literal["ray", "local"]
Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
FIT_VERSIONS: dict[str, str] = dict.fromkeys(
    ("self-training", "functional-map", "fused-kernel-ridge", "fused-csa"), "2"
)  # of what has other results than it had
ON_RANDOM_PAIRS = "kernel-ridge (random pairs)"
CONTROLLED: tuple[AlignerName, ...] = ("ridge-cca", "kernel-ridge")


class CorpusSteps:
    """The steps of the corpora ``sides``, which are keys of the recipe: before any pair is needed.

    ``cache_dir`` keeps digests of input files and converted encoders.
    """

    def __init__(self, recipe: Any, sides: Iterable[str], *, cache_dir: Path, engine: Engine = "ray") -> None:
        self._corpora, self.cache_dir, self.engine = recipe, cache_dir, engine
        self.shard = {side: self._shard(side) for side in sides}
        self.encode = {side: self._encode(side) for side in self.shard}

    def _step(self, name: str, *, run: str | None = None, **fields: Any) -> Step:
        module = run or name
        return Step(name=name, version=fields.pop("version", "1"), run=f"pipelines.steps.{module}:run", **fields)

    def _source(self, side: str) -> Source:
        source: Source = getattr(self._corpora, side)
        return source

    def _shard(self, side: str) -> Step:
        source = self._source(side)
        columns = source.columns()
        return self._step(
            f"shard-{side}",
            run="shard",
            config={"side": side, "max_bad_fraction": source.max_bad_fraction, **columns},
            externals={"source": source_digest(source.source, cache_dir=self.cache_dir, columns=columns)},
            locations={"source": source.source},
            options={"engine": self.engine, "shards": self._corpora.scaling.shards},
            resources=DRIVER,
        )

    def _encode(self, side: str) -> Step:
        """The step with all rows of a side: that of its only view, or the join of several."""
        views = views_of(self._source(side), side)
        steps = [self._encode_view(side, view) for view in views]
        if len(steps) == 1:
            return steps[0]
        return self._step(
            f"join-{side}",
            run="join",
            config={"columns": [view.label for view in views]},
            inputs={f"view-{n}": step for n, step in enumerate(steps, start=1)},
        )

    def _encode_view(self, side: str, view: View) -> Step:
        scaling = self._corpora.scaling
        return self._step(
            f"encode-{side}{view.suffix}",
            run="encode",
            config={"encoder": encoder_setting(view.encoder), **({"column": view.column} if view.column else {})},
            externals={"encoder": encoder_fingerprint(view.encoder)},
            locations=encoder_location(view.encoder),
            inputs={"shards": self.shard[side]},
            options={
                "engine": self.engine,
                "actors": scaling.encode_actors,
                "gpus_per_actor": scaling.encoder_gpus,
                "batch_size": scaling.encode_batch,
                "cache_dir": str(self.cache_dir),
            },
            resources=DRIVER,
        )

    def _digests(self, files: Mapping[str, str]) -> dict[str, str]:
        return {name: source_digest(path, cache_dir=self.cache_dir) for name, path in files.items()}


class CorpusGraph(CorpusSteps):
    """The steps of a left and a right corpus."""

    def __init__(self, recipe: AlignRecipe, *, cache_dir: Path, engine: Engine = "ray") -> None:
        super().__init__(recipe, SIDES, cache_dir=cache_dir, engine=engine)
        self.recipe = recipe


class AlignGraph(CorpusGraph):
    """All steps of one recipe. Raises UserError for a recipe without pairs."""

    def __init__(self, recipe: AlignRecipe, *, cache_dir: Path, engine: Engine = "ray") -> None:
        super().__init__(recipe, cache_dir=cache_dir, engine=engine)
        check_pairs(recipe)
        self.drawn = self._pairs()
        self.splits = self._select() if recipe.chooses_pairs else self.drawn
        self.gauge = self._step("gauge", config=self._fit_config(), inputs={**self.encode, "splits": self.splits})
        self._spectral: dict[str, dict[Side, Step]] = {}
        self.methods: dict[str, Step] = {name: self._method(name) for name in recipe.methods}
        if recipe.chooses_pairs:
            self.methods[ON_RANDOM_PAIRS] = self._on_random_pairs()

    def build(self) -> Graph:
        """The whole graph; its last steps are the report and the exported model."""
        confidence = self._confidence()
        evaluate = self._step(
            "evaluate",
            version="2",
            inputs={"gauge": self.gauge, "splits": self.splits, "confidence": confidence}
            | {f"method:{name}": step for name, step in self.methods.items()},
            config={"primary": self.recipe.exported, "seed": self.recipe.seed},
        )
        export = self._export(evaluate, confidence)
        return Graph.of(self._report(evaluate, export), export)

    def _pairs(self) -> Step:
        recipe = self.recipe
        budget = 0 if recipe.without_pairs else recipe.pairs_budget
        settings = recipe.splits.model_dump(mode="json")
        return self._pairs_step("pairs", {"pairs_budget": budget, "seed": recipe.seed, **settings})

    def _unpaired(self) -> Step:
        """Rows without partners, whatever the budget: what is made of them serves every budget of a sweep."""
        settings = self.recipe.splits.model_dump(mode="json", exclude={"draws"})
        return self._pairs_step("unpaired", {"pairs_budget": 0, "seed": self.recipe.seed, "quiet": True, **settings})

    def _pairs_step(self, name: str, config: dict[str, Any]) -> Step:
        files = pair_files(self.recipe)
        return self._step(
            name,
            run="pairs",
            config=config,
            inputs={f"shard-{side}": self.shard[side] for side in SIDES},
            externals=self._digests(files),
            locations=files,
        )

    def _select(self) -> Step:
        """Pairs chosen in place of those drawn; needs embeddings."""
        inputs: dict[str, Step] = {"splits": self.drawn, "left": self.encode["left"], "right": self.encode["right"]}
        return self._step(
            "select",
            config={"pairs_selection": self.recipe.pairs_selection, "seed": self.recipe.seed},
            inputs=inputs | self._sides(self.shard, "shard"),
        )

    def _on_random_pairs(self) -> Step:
        """What the choice of pairs is worth: kernel ridge on as many pairs drawn at random."""
        config = self._fit_config(
            method="kernel-ridge", settings=self.recipe.settings.get("kernel-ridge", {}), controls=False
        )
        inputs: dict[str, Step] = {"splits": self.drawn, "left": self.encode["left"], "right": self.encode["right"]}
        return self._step("fit-kernel-ridge-random-pairs", run="fit", config=config, inputs=inputs)

    def _fit_config(self, **more: Any) -> dict[str, Any]:
        return {"preprocess": self.recipe.preprocess.model_dump(mode="json"), "seed": self.recipe.seed, **more}

    def _spectral_pair(self, solver: str) -> dict[Side, Step]:
        """The two spectral steps of a solver; made once however many methods use them."""
        if solver not in self._spectral:
            suffix = "" if solver == self.recipe.spectral.solver else f"-{solver}"
            self._spectral[solver] = {side: self._spectral_step(side, solver, suffix) for side in SIDES}
        return self._spectral[solver]

    def _spectral_step(self, side: Side, solver: str, suffix: str) -> Step:
        spectral = self.recipe.spectral
        trained = solver == "spectralnet"
        config = self._fit_config(
            side=side, solver=solver, dim=spectral.dim, graph=spectral.graph.model_dump(mode="json")
        )
        if trained:
            config["spectralnet"] = spectral.spectralnet.model_dump(mode="json")
        return self._step(
            f"spectral-{side}{suffix}",
            run="spectral",
            config=config,
            inputs={"embeddings": self.encode[side], "splits": self._unpaired()},
            options=self._train_options() if trained else {},
            resources=DRIVER if trained else Resources(cpus=1),
        )

    def _train_options(self) -> dict[str, Any]:
        return {"engine": self.engine, **self.recipe.scaling.model_dump(mode="json")}

    def _method(self, name: AlignerName) -> Step:
        if name == "eigen-cca":
            return self._cca("cca-eigen", self._spectral_pair("eigen"), self.recipe.eigen_cca, **self._hubness(name))
        if name == "sue":
            return self._sue()
        controls = name in {*CONTROLLED, self.recipe.aligner}
        if name == "auto":
            return self._auto(controls)
        if name == "teacher-plan":
            return self._teacher_plan(controls)
        return self._step(
            f"fit-{name}",
            run="fit",
            version=FIT_VERSIONS.get(name, "1"),
            config=self._fit_config(
                method=name,
                settings=self.recipe.settings.get(name, {}),
                controls=controls,
                **self._hubness(name),
            ),
            inputs={**self.encode, "splits": self.splits},
        )

    def _auto(self, controls: bool) -> Step:
        from pipelines.auto_graph import auto_step

        return auto_step(
            self._step,
            self.recipe.auto,
            encode={side: self.encode[side] for side in SIDES},
            splits=self.splits,
            fit_config=self._fit_config(),
            controls=controls,
        )

    def _hubness(self, name: AlignerName) -> dict[str, Any]:
        return {"hubness": self.recipe.hubness} if self.recipe.corrects(name) else {}

    def _cca(self, name: str, spectral: Mapping[Side, Step], settings: Cca, **more: Any) -> Step:
        config = {"seed": self.recipe.seed, **settings.model_dump(mode="json"), **more}
        return self._step(name, run="cca", config=config, inputs={**spectral, "splits": self.splits})

    def _sue(self) -> Step:
        spectral = self._spectral_pair(self.recipe.spectral.solver)
        return self._step(
            "mmd-net",
            run="mmd",
            config={"seed": self.recipe.seed, **self.recipe.mmd.model_dump(mode="json"), **self._hubness("sue")},
            inputs={"shared": self._cca("cca", spectral, self.recipe.cca)},
            options=self._train_options(),
            resources=DRIVER,
        )

    def _teacher_plan(self, controls: bool) -> Step:
        settings = self.recipe.teacher_plan.model_dump(mode="json")
        by_train = self.recipe.scaling.workers > 1 or self.recipe.teacher_plan.many
        return self._step(
            "fit-teacher-plan",
            run="teacher_plan",
            config=self._fit_config(
                rows=settings.pop("rows"),
                settings=settings,
                controls=controls,
                **self._hubness("teacher-plan"),
            ),
            inputs={**self.encode, "splits": self.splits},
            options={**self._train_options(), "by_train": by_train},
            resources=DRIVER if by_train else Resources(cpus=1),
        )

    def _confidence(self) -> Step:
        """What the exported method's matches are worth; spectral methods are fitted again on their coordinates."""
        recipe, name = self.recipe, self.recipe.aligner
        settings = recipe.settings.get(name, {})
        if name == "teacher-plan":
            settings = recipe.teacher_plan.model_dump(mode="json")
        more: dict[str, Any] = {"settings": {k: v for k, v in settings.items() if k != "rows"}}
        inputs: dict[str, Step] = {**self._sides(self.encode, "encode")}
        inputs |= {"splits": self.splits, f"method:{name}": self.methods[name]}
        if METHODS[name].spectral:
            solver = recipe.spectral.solver if name == "sue" else "eigen"
            inputs |= self._sides(self._spectral_pair(solver), "spectral")
            more = {"cca": (recipe.cca if name == "sue" else recipe.eigen_cca).model_dump(mode="json")}
            if name == "sue":
                more["mmd"] = recipe.mmd.model_dump(mode="json")
        config = self._fit_config(method=name, exported=recipe.exported, **more, **self._hubness(name))
        return self._step("confidence", config=config, inputs=inputs)

    def _sides(self, steps: Mapping[Any, Step], name: str) -> dict[str, Step]:
        return {f"{name}-{side}": step for side, step in steps.items()}

    def _report(self, evaluate: Step, export: Step) -> Step:
        inputs = {"evaluate": evaluate, "export": export, "gauge": self.gauge, "splits": self.splits}
        inputs |= self._sides(self.shard, "shard") | self._sides(self.encode, "encode")
        inputs |= {f"method:{name}": step for name, step in self.methods.items()}
        for solver, steps in self._spectral.items():
            inputs |= self._sides(steps, f"spectral:{solver}")
        if "auto" in self.methods:  # for their timings
            inputs |= {f"auto:{s.name}": s for s in self.methods["auto"].inputs.values() if s is not self.splits}
        if "sue" in self.methods:
            inputs["cca:sue"] = self.methods["sue"].inputs["shared"]
        # The recipe is only shown by the report: what in it decides numbers is in the keys of the inputs already.
        options = {"recipe": self.recipe.model_dump(mode="json")}
        config = {"aligner": self.recipe.exported}
        return self._step("report", version="3", config=config, inputs=inputs, options=options)

    def _export(self, evaluate: Step, confidence: Step) -> Step:
        return self._step(
            "export",
            version="2",
            config={"name": self.recipe.name, "aligner": self.recipe.exported},
            inputs={
                f"method:{self.recipe.aligner}": self.methods[self.recipe.aligner],
                "evaluate": evaluate,
                "confidence": confidence,
            }
            | self._sides(self.shard, "shard")
            | self._sides(self.encode, "encode"),
        )


def check_pairs(recipe: AlignRecipe) -> None:
    """Refuse a recipe without pairs to judge by, and one without pairs to fit on for aligners that need some.

    Raises UserError.
    """
    free = [name for name, method in METHODS.items() if not method.needs_pairs]
    needy = [name for name in recipe.methods if name not in free] if recipe.without_pairs else []
    if not pair_files(recipe) or (needy and recipe.pairs is None):
        told = "name a file with left_id,right_id; `isthmus suggest` says which items to find partners for"
        raise UserError("the recipe has no pairs", where="pairs", do=told)
    if needy:
        do = f"raise pairs_budget, or choose {', '.join(free)}"
        raise UserError(f"{needy[0]} needs known pairs to fit on", where="pairs_budget", do=do)


def pair_files(recipe: AlignRecipe) -> dict[str, str]:
    """``pairs`` and ``heldout``, as far as the recipe has them."""
    return {name: path for name, path in (("pairs", recipe.pairs), ("heldout", recipe.heldout)) if path}


def encoder_setting(name: str) -> str:
    """What a step's config says of an encoder: of a trained one not where it lies, its fingerprint counts."""
    return "trained" if name.startswith(TRAINED) else name


def encoder_location(name: str) -> dict[str, str]:
    """The folder of a trained encoder."""
    return {"encoder": name.removeprefix(TRAINED)} if name.startswith(TRAINED) else {}


def encoder_fingerprint(name: str) -> str:
    """Versions that decide an encoder's vectors; ``auto`` may become any default, so it depends on all of them."""
    return fingerprint(name) if name != "auto" else "; ".join(map(fingerprint, DEFAULTS.values()))


def build(recipe: AlignRecipe, *, cache_dir: Path, engine: Engine = "ray") -> Graph:
    """The DAG of an ``align`` recipe. Raises UserError if an input file is missing."""
    return AlignGraph(recipe, cache_dir=cache_dir, engine=engine).build()
