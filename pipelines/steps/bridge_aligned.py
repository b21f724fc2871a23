"""Step ``critics-aligned``: critics of both edges by aligners of this project, with calibrated scales."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.preprocess import StandardizedSide, standardize
from components.bridging.critic import CriticPair
from components.bridging.edges import Edge, critic_of, fit_edge
from components.bridging.fitted import FittedCritics
from components.corpora.triples import EDGES, SIDES, Triples
from components.evaluation.controls import NONE
from components.evaluation.trials import MAX_UNPAIRED, World
from components.transforms import Chain
from pipelines.steps.bridge_rows import each_fit, read_rows, wanted, write_critics

SEEN = 200  # rows that tell how long mapped rows are


def run(ctx: StepContext) -> Facts:
    """Write ``critics.safetensors``: of every draw, and of every draw with shuffled A–B pairs (the control).

    config: ``aligners``, ``preprocess``, ``seed``. inputs: ``pairs`` and the rows.
    """
    triples, seed = Triples.read(ctx.inputs["pairs"]), int(ctx.config["seed"])
    sides, sample = standardized_sides(ctx, triples)
    fits: dict[tuple[str, int], FittedCritics] = {}
    for key, pairs in each_fit(triples, controls=len(triples.draws)):
        control, draw = key
        # a control is fitted as the draw it belongs to was: choosing among aligners says nothing there
        names = list(ctx.config["aligners"]) if control == NONE else None
        edges = {}
        for edge, (first, second) in EDGES.items():
            chosen = names or [fits[NONE, draw].edges[edge]["aligner"]]
            world = edge_world(sides, sample, first, second)
            edges[edge] = fit_edge(chosen, world, pairs[edge], seed=seed)
        fits[key] = _fitted(edges, sides)
        ctx.progress(len(fits), 2 * len(triples.draws), "fits")
    write_critics(ctx.out, fits)
    return facts(fits[NONE, 0])


def standardized_sides(ctx: StepContext, triples: Triples) -> tuple[dict[str, StandardizedSide], dict[str, list[str]]]:
    """Features of every side that fits read, and the sample of unpaired ids among them."""
    rows, seed = read_rows(ctx.inputs), int(ctx.config["seed"])
    rng = np.random.default_rng(seed)
    sides, sample = {}, {}
    for side in SIDES:
        ids = triples.unpaired[side]
        if len(ids) > MAX_UNPAIRED:
            ids = [ids[n] for n in np.sort(rng.choice(len(ids), MAX_UNPAIRED, replace=False))]
        raw = rows["b_first" if side == "b" else side]
        dim = ctx.config["preprocess"]["pca_dim"]
        sides[side] = standardize(raw, triples.unpaired[side], wanted(triples, side, ids), pca_dim=dim, seed=seed)
        sample[side] = ids
    return sides, sample


def edge_world(
    sides: Mapping[str, StandardizedSide], sample: Mapping[str, list[str]], first: str, second: str
) -> World:
    """Two sides as the left and the right of a fit."""
    return World(
        left=sides[first].features,
        right=sides[second].features,
        unpaired_left=sample[first],
        unpaired_right=sample[second],
        heldout=[],
    )


def _fitted(edges: Mapping[str, Edge], sides: Mapping[str, StandardizedSide]) -> FittedCritics:
    ab, bc = edges["ab"].alignment, edges["bc"].alignment
    parts = {"a": ("a", ab.left), "b_first": ("b", ab.right), "b_second": ("b", bc.left), "c": ("c", bc.right)}
    seen = {name: part(sides[side].features.vectors[:SEEN]) for name, (side, part) in parts.items()}
    critics = CriticPair(
        critic_of(edges["ab"].judged.scale, seen["a"], seen["b_first"]),
        critic_of(edges["bc"].judged.scale, seen["b_second"], seen["c"]),
    )
    return FittedCritics(
        critics=critics,
        maps={name: Chain([sides[side].standardizer, part]) for name, (side, part) in parts.items()},
        edges={
            name: edge.judged.to_json() | {"tried": [t.to_json() for t in edge.tried]} for name, edge in edges.items()
        },
    )


def facts(fitted: FittedCritics) -> Facts:
    """What the known pairs of the primary draw say."""
    found = {f"{name}.{edge}": e[name] for edge, e in fitted.edges.items() for name in ("loss", "chance", "recall")}
    scales = {"scale.ab": fitted.critics.ab.scale, "scale.bc": fitted.critics.bc.scale}
    return {**found, **scales, "kind": fitted.critics.ab.kind}
