"""What one trial of a sweep computes: only what its metric needs, no baselines, controls, report or export.

A trial's graph has the steps of ``run`` before the fit, with the same keys: whichever trial or run comes first makes
them, and all others find them in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.workflow.graph import Graph
from cluster.workflow.step import Step
from components.errors import UserError
from pipelines.align import AlignGraph, Engine
from pipelines.encoder_recipe import EncodeRecipe
from pipelines.encoders import EncoderGraph
from pipelines.home import Home
from pipelines.recipe import AlignRecipe, Recipe
from pipelines.trained import locate_trained, start_located

SCORES = "trial-scores"
KNOWN, HELDOUT = "known", "heldout"


class AlignTrial(AlignGraph):
    """Shard, encode, pairs, spectral steps if the method wants them, and the scores of the exported method."""

    def build(self) -> Graph:
        """Raises UserError: there is no known pair to choose by."""
        recipe = self.recipe
        if recipe.without_pairs:
            raise UserError("nothing is fitted on a pair, so there is none to choose by", where="pairs_budget")
        like = self._confidence()
        inputs: dict[str, Step] = {n: s for n, s in like.inputs.items() if not n.startswith("method:")}
        if recipe.aligner == "auto":
            inputs["method:auto"] = self._auto(controls=False)
        return Graph.of(self._step(SCORES, run="trial_scores", config=like.config, inputs=inputs))


class EncoderTrial(EncoderGraph):
    """Everything up to the probe; chosen by what training itself saw of validation rows."""

    def build(self) -> Graph:
        """Raises UserError: as for ``run``."""
        self._refuse_settings()
        shard = self._shard()
        prepare = self._prepare(shard)
        return Graph.of(self._probe(shard, prepare, self._train(prepare)))


def trial_graph(recipe: Recipe, home: Home, *, engine: Engine, cache_dir: Path) -> Graph:
    """The graph of one trial. Raises UserError as the recipe's own graph does, and for another pipeline."""
    if isinstance(recipe, AlignRecipe):
        return AlignTrial(locate_trained(recipe, home), cache_dir=cache_dir, engine=engine).build()
    if isinstance(recipe, EncodeRecipe):
        return EncoderTrial(start_located(recipe, home), cache_dir=cache_dir, engine=engine).build()
    raise UserError(f"recipes of pipeline {recipe.pipeline} cannot be searched", where="pipeline")


def trial_scores(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """``{"known": {name: {mean, low, high}}, "heldout": …}`` from the facts of a trial's steps.

    Of an encoder, ``known`` are the numbers of its best epoch, of validation rows; ``heldout`` those of the probes.
    """
    if SCORES in facts:
        return {part: dict(facts[SCORES][part]) for part in (KNOWN, HELDOUT)}
    parts = {KNOWN: facts["train"], HELDOUT: facts["probe"]}
    return {
        part: {n: {"mean": float(v)} for n, v in numbers.items() if isinstance(v, int | float)}
        for part, numbers in parts.items()
    }


def trained_steps(graph: Graph) -> list[str]:
    """Steps that Ray Train runs epoch by epoch."""
    return [name for name, step in graph.steps.items() if "workers" in step.options]
