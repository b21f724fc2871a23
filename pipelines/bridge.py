"""The DAG of ``bridge``: shard, encode, pairs, critics A–B and B–C, scores of A–C through B, evaluate, report, export.

With ``spaces`` two models of ``align`` take the place of corpora and critics. Like :mod:`pipelines.align` it only
describes the steps.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from cluster.workflow.graph import Graph
from cluster.workflow.step import DRIVER, Resources, Step
from components.corpora.triples import EDGES, SIDES
from components.errors import UserError
from components.files import Folder
from pipelines.align import CorpusSteps, Engine
from pipelines.bridge_recipe import BridgeRecipe, Way
from pipelines.home import Home
from pipelines.registry import BuildGraph
from pipelines.trained import locate_trained


class BridgeGraph(CorpusSteps):
    """All steps of one recipe."""

    def __init__(self, recipe: BridgeRecipe, *, cache_dir: Path, engine: Engine = "ray") -> None:
        super().__init__(recipe, () if recipe.spaces else SIDES, cache_dir=cache_dir, engine=engine)
        self.recipe = recipe
        self.spaces = {edge: self._space(edge) for edge in EDGES} if recipe.spaces else {}
        self.rows = self._named("encode", self.encode) | self._named("space", self.spaces)
        self.pairs = self._pairs()
        self.critics = {way: self._critics(way) for way in recipe.ways}
        self.oracle = self._fit("oracle", "bridge_oracle", aligners=list(recipe.critics.aligners or ("kernel-ridge",)))

    def build(self) -> Graph:
        """The whole graph; its last steps are the report and the exported model."""
        scores = {f"score-{way}": self._score(way) for way in self.recipe.ways}
        critics = self._named("critics", self.critics)
        recipe = self.recipe
        evaluate = self._step(
            "evaluate",
            run="bridge_evaluate",
            config={
                "export": recipe.critics.export,
                "estimator": recipe.estimator,
                "names": recipe.names.model_dump(mode="json"),
                "seed": recipe.seed,
            },
            inputs={"pairs": self.pairs, "oracle": self.oracle, **scores, **critics},
            **self._files("truth"),
        )
        described = self._named("shard", self.shard) | self.rows
        report = self._step(
            "report",
            run="bridge_report",
            config={"name": recipe.name},
            inputs={"evaluate": evaluate, "pairs": self.pairs, **scores, **described},
            options={"recipe": recipe.model_dump(mode="json")},
        )
        export = self._step(
            "export",
            run="bridge_export",
            version="2",
            config={
                "name": recipe.name,
                "names": recipe.names.model_dump(mode="json"),
                "estimator": recipe.estimator,
                "bridge": self._bridge(),
                "seed": recipe.seed,
            },
            inputs={"evaluate": evaluate, "pairs": self.pairs, **critics, **described},
        )
        return Graph.of(report, export)

    def _named(self, prefix: str, steps: Any) -> dict[str, Step]:
        return {f"{prefix}-{name}": step for name, step in steps.items()}

    def _files(self, *names: str) -> dict[str, Any]:
        """``externals`` and ``locations`` of those files that the recipe names."""
        recipe = self.recipe
        every = {"heldout": recipe.heldout, "oracle": recipe.oracle, "truth": recipe.truth}
        every |= recipe.pairs.model_dump() if recipe.pairs else {}
        files = {name: path for name in names if (path := every.get(name))}
        return {"externals": self._digests(files), "locations": files}

    def _space(self, edge: str) -> Step:
        """A copy of a model of ``align``: what is chained must stay when the model is made again."""
        place = getattr(self.recipe.spaces, edge)
        return self._step(
            f"space-{edge}",
            run="bridge_space",
            externals={"model": model_digest(Folder.at(place))},
            locations={"model": place},
        )

    def _pairs(self) -> Step:
        recipe = self.recipe
        config = {**recipe.budgets.model_dump(), **recipe.splits.model_dump(mode="json"), "seed": recipe.seed}
        return self._step(
            "pairs",
            run="bridge_pairs",
            config=config,
            inputs=self._named("shard", self.shard) | self._named("space", self.spaces),
            **self._files("ab", "bc", "heldout", "oracle"),
        )

    def _fit(self, name: str, run: str, **config: Any) -> Step:
        config |= {"preprocess": self.recipe.preprocess.model_dump(mode="json"), "seed": self.recipe.seed}
        return self._step(name, run=run, config=config, inputs={"pairs": self.pairs, **self.rows})

    def _critics(self, way: Way) -> Step:
        critics = self.recipe.critics
        if way == "spaces":
            assert self.recipe.spaces is not None
            scales = self.recipe.spaces.model_dump(include={"ab_scale", "bc_scale"})
            return self._step("critics-spaces", run="bridge_spaces", config=scales, inputs=self.rows)
        if way == "aligned":
            return self._fit("critics-aligned", "bridge_aligned", aligners=list(critics.aligners))
        training = critics.model_dump(mode="json", exclude={"aligners", "train", "export"})
        return self._fit(f"critics-{way}", "bridge_trained", way=way, training=training)

    def _bridge(self) -> dict[str, Any]:
        return self.recipe.bridge.model_dump(mode="json")

    def _score(self, way: Way) -> Step:
        shards = self.recipe.scaling.bridge_shards
        return self._step(
            f"score-{way}",
            run="bridge_score",
            version="2",
            config={"bridge": self._bridge(), "estimators": list(self.recipe.methods), "seed": self.recipe.seed},
            inputs={"pairs": self.pairs, "critics": self.critics[way], **self.rows},
            options={"engine": self.engine, "shards": shards},
            resources=DRIVER if self.engine == "ray" and (shards or 2) > 1 else Resources(cpus=1),
        )


def model_digest(model: Folder) -> str:
    """Of all files of a model folder. Raises UserError if there is no model of ``align``."""
    if not model.exists("model.json"):
        do = "name a run of an align recipe in this home, or a model folder"
        raise UserError("there is no aligned model", where=model.path, do=do)
    digest = hashlib.sha256()
    for file in model.files():
        digest.update(f"{file.name}\x1f{hashlib.sha256(model.read_bytes(file.name)).hexdigest()}\n".encode())
    return digest.hexdigest()


def bridge_graph(recipe: BridgeRecipe, home: Home) -> BuildGraph:
    """What builds the graph. Raises UserError for a trained encoder or a space that is not there."""
    located = locate_trained(recipe, home, SIDES)
    if located.spaces:
        found = {e: _model_folder(getattr(located.spaces, e), home) for e in EDGES}
        located = located.model_copy(update={"spaces": located.spaces.model_copy(update=found)})
    return partial(build, located)


def _model_folder(name: str, home: Home) -> str:
    return name if "/" in name else str(home.results(name) / "model")


def build(recipe: BridgeRecipe, *, cache_dir: Path, engine: Engine = "ray") -> Graph:
    """The DAG of a ``bridge`` recipe. Raises UserError if an input file is missing."""
    return BridgeGraph(recipe, cache_dir=cache_dir, engine=engine).build()
