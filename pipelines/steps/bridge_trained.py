"""Step ``critics-shared`` / ``critics-separate``: heads trained by InfoNCE on the pairs of both edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.nested import Block
from components.alignment.preprocess import StandardizedSide
from components.alignment.protocol import Pairs
from components.alignment.sampling import sample_rows
from components.alignment.selection import make_folds
from components.bridging.critic import Critic
from components.bridging.edges import DISTRACTORS, judge_scaled
from components.bridging.fitted import ROWS, FittedCritics
from components.bridging.training import CriticTraining, TrainedCritics, train_critics
from components.corpora.triples import EDGES, Triples
from components.evaluation.controls import NONE
from components.evaluation.trials import World
from components.training import LocalSession
from components.transforms import Chain
from pipelines.steps.bridge_aligned import edge_world, facts, standardized_sides
from pipelines.steps.bridge_rows import SIDE_OF, each_fit, write_critics

FOLDS = 3


def run(ctx: StepContext) -> Facts:
    """Write ``critics.safetensors``: of every draw, and of the first with shuffled A–B pairs (the control).

    config: ``way``, ``training``, ``preprocess``, ``seed``. inputs: ``pairs`` and the rows.
    """
    triples, seed = Triples.read(ctx.inputs["pairs"]), int(ctx.config["seed"])
    sides, sample = standardized_sides(ctx, triples)
    worlds = {edge: edge_world(sides, sample, *ends) for edge, ends in EDGES.items()}
    settings = {**ctx.config["training"], "hidden": tuple(ctx.config["training"]["hidden"])}
    config = CriticTraining(shared=ctx.config["way"] == "shared", seed=seed, **settings)
    fits: dict[tuple[str, int], FittedCritics] = {}
    for key, pairs in each_fit(triples, controls=1):
        known = {edge: worlds[edge].pairs(pairs[edge]) for edge in EDGES}
        first = key == (NONE, 0)
        session = LocalSession(report=lambda epoch, m: _report(ctx, epoch, m)) if first else None
        trained = train_critics(known["ab"], known["bc"], config, session)
        edges = _judge(known, worlds, pairs, config) if first else {}
        fits[key] = _fitted(trained, sides, edges)
        ctx.progress(len(fits), len(triples.draws) + 1, "fits")
    write_critics(ctx.out, fits)
    return facts(fits[NONE, 0])


def _report(ctx: StepContext, epoch: int, metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        ctx.metric(name, value, epoch)


def _judge(
    known: Mapping[str, Pairs], worlds: Mapping[str, World], pairs: Mapping[str, list[Any]], config: CriticTraining
) -> dict[str, dict[str, Any]]:
    """Train without a fold of both edges' pairs and score the fold among unpaired distractors, with trained scales."""
    rng = np.random.default_rng(config.seed)
    extra = {e: [sample_rows(x, DISTRACTORS, rng) for x in worlds[e].unpaired(pairs[e])] for e in EDGES}
    folds = {edge: make_folds(len(known[edge]), config.seed, FOLDS) for edge in EDGES}
    blocks: dict[str, list[Block]] = {edge: [] for edge in EDGES}
    for number in range(FOLDS):
        train = {edge: known[edge].take(folds[edge][number].train) for edge in EDGES}
        fitted = train_critics(train["ab"], train["bc"], config)
        ends = {"ab": (fitted.a, fitted.b_first), "bc": (fitted.b_second, fitted.c)}
        for edge in EDGES:
            test = known[edge].take(folds[edge][number].test)
            left, right = (
                end(np.concatenate([rows, more]))
                for end, rows, more in zip(ends[edge], (test.left, test.right), extra[edge], strict=True)
            )
            critic: Critic = getattr(fitted.critics, edge)
            blocks[edge].append(Block(critic.score(left, right), folds[edge][number].test))
    return {edge: judge_scaled("infonce", blocks[edge]).to_json() for edge in EDGES}


def _fitted(
    trained: TrainedCritics, sides: Mapping[str, StandardizedSide], edges: dict[str, dict[str, Any]]
) -> FittedCritics:
    maps = {name: Chain([sides[SIDE_OF[name]].standardizer, getattr(trained, name)]) for name in ROWS}
    for edge, critic in (("ab", trained.critics.ab), ("bc", trained.critics.bc)):
        if edges:
            edges[edge]["scale"] = critic.scale
    return FittedCritics(critics=trained.critics, maps=maps, edges=edges)
