"""The DAG of ``encode-images`` and ``encode-texts``: shard, prepare, train, probe, report, export.

With ``labels: kmeans`` a weightless encoder and k-means go before ``prepare``. Like :mod:`pipelines.align` it only
describes the steps.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from cluster.workflow.graph import Graph
from cluster.workflow.step import DRIVER, Resources, Step
from components.corpora.sources import source_digest
from components.encoders.registry import TRAINED, fingerprint
from components.errors import UserError
from pipelines.align import Engine, encoder_location, encoder_setting
from pipelines.encoder_recipe import EncodeImagesRecipe, EncodeRecipe

PSEUDO_ENCODERS = {"image": "hog-color", "text": "hashed-tfidf"}


class EncoderGraph:
    """Builds the steps of one recipe. ``cache_dir`` keeps digests of input files and converted encoders."""

    def __init__(self, recipe: EncodeRecipe, *, cache_dir: Path, engine: Engine = "ray") -> None:
        self.recipe, self.cache_dir, self.engine = recipe, cache_dir, engine
        self.modality = "image" if isinstance(recipe, EncodeImagesRecipe) else "text"

    def build(self) -> Graph:
        """The whole graph; its last steps are the report and the exported encoder.

        Raises:
            UserError: a missing file, or a setting that the objective does not have.
        """
        self._refuse_settings()
        shard = self._shard()
        prepare = self._prepare(shard)
        train = self._train(prepare)
        probe = self._probe(shard, prepare, train)
        inputs = {"shards": shard, "rows": prepare, "train": train, "probe": probe}
        options = {"recipe": self.recipe.model_dump(mode="json")}
        report = self._step(
            "report", run="report_encoder", config={"name": self.recipe.name}, inputs=inputs, options=options
        )
        export = self._step("export", run="export_encoder", inputs={"train": train, "probe": probe})
        return Graph.of(report, export)

    def _step(self, name: str, *, run: str | None = None, **fields: Any) -> Step:
        module = run or name
        return Step(name=name, version=fields.pop("version", "1"), run=f"pipelines.steps.{module}:run", **fields)

    def _refuse_settings(self) -> None:
        from components.objectives.registry import make_objective

        if self.recipe.objective.settings:  # it imports torch
            make_objective(self.recipe.objective.name, self.recipe.objective.settings)

    def _shard(self) -> Step:
        corpus = self.recipe.corpus
        columns = corpus.columns()
        return self._step(
            "shard",
            config={"side": "corpus", "max_bad_fraction": corpus.max_bad_fraction, **columns},
            externals={"source": source_digest(corpus.source, cache_dir=self.cache_dir, columns=columns)},
            locations={"source": corpus.source},
            options={"engine": self.engine, "shards": self.recipe.scaling.shards},
            resources=DRIVER,
        )

    def _prepare(self, shard: Step) -> Step:
        recipe = self.recipe
        config = {
            "modality": self.modality,
            "labels": recipe.labels,
            "kept": recipe.kept.model_dump(mode="json"),
            "seed": recipe.seed,
        }
        inputs = {"shards": shard}
        start: dict[str, Any] = {}
        if isinstance(recipe, EncodeImagesRecipe):
            config["stored_side"] = recipe.model.stored_side or round(1.5 * recipe.model.side)
        else:
            config |= {"vocabulary": recipe.model.vocabulary, "max_tokens": recipe.model.max_tokens}
            start = self._start()
        if recipe.labels == "kmeans":
            inputs["labels"] = self._pseudo_labels(shard)
        options = {"engine": self.engine}
        return self._step("prepare", config=config, inputs=inputs, options=options, resources=DRIVER, **start)

    def _pseudo_labels(self, shard: Step) -> Step:
        pseudo, scaling = self.recipe.pseudo, self.recipe.scaling
        name = pseudo.encoder or PSEUDO_ENCODERS[self.modality]
        encode = self._step(
            "encode-first",
            run="encode",
            config={"encoder": encoder_setting(name)},
            externals={"encoder": fingerprint(name)},
            locations=encoder_location(name),
            inputs={"shards": shard},
            options={
                "engine": self.engine,
                "actors": scaling.encode_actors,
                "gpus_per_actor": scaling.encoder_gpus,
                "cache_dir": str(self.cache_dir),
            },
            resources=DRIVER,
        )
        config = {"clusters": pseudo.clusters, "seed": self.recipe.seed}
        return self._step("pseudo-labels", run="pseudo_labels", config=config, inputs={"embeddings": encode})

    def _start(self) -> dict[str, Any]:
        """Where the weights to start from are, and what they are."""
        weights = self.recipe.model.weights
        if weights is None:
            return {}
        if weights.startswith(TRAINED):
            return {"externals": {"start": fingerprint(weights)}, "locations": {"start": weights.removeprefix(TRAINED)}}
        if self.modality == "text" or not Path(weights).is_file():
            raise UserError(
                "there are no such weights",
                where=f"model.weights: {weights}",
                do="name a .safetensors file of a picture model, or trained:NAME",
            )
        with open(weights, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"externals": {"start": digest}, "locations": {"start": weights}}

    def _learning(self) -> dict[str, Any]:
        recipe = self.recipe
        parts = ("model", "views", "objective", "head", "training")
        found = {part: getattr(recipe, part).model_dump(mode="json") for part in parts}
        found["model"].pop("weights")
        licence = recipe.corpus.licence or ""
        return {"name": recipe.name, "modality": self.modality, "seed": recipe.seed, "licence": licence, **found}

    def _train(self, prepare: Step) -> Step:
        scaling = self.recipe.scaling.model_dump(mode="json")
        return self._step(
            "train",
            run="train_encoder",
            config=self._learning(),
            inputs={"rows": prepare},
            options={"engine": self.engine, **scaling},
            resources=DRIVER,
            **self._start(),
        )

    def _probe(self, shard: Step, prepare: Step, train: Step) -> Step:
        return self._step(
            "probe",
            run="probe_encoder",
            config={"seed": self.recipe.seed, "views": self.recipe.views.model_dump(mode="json")},
            inputs={"shards": shard, "rows": prepare, "train": train},
            resources=Resources(cpus=1),
        )


def build(recipe: EncodeRecipe, *, cache_dir: Path, engine: Engine = "ray") -> Graph:
    """The DAG of a recipe that trains an encoder. Raises UserError if an input file is missing."""
    return EncoderGraph(recipe, cache_dir=cache_dir, engine=engine).build()
