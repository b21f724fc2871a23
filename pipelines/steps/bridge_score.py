"""Step ``score-<way>``: A–C scores of every estimator over the bridge, and what is known of them without A–C pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.workflow.step import Facts, StepContext
from components.bridging.auto import rank_agreement
from components.bridging.diagnostics import halves_kl, perplexity, quantiles, uncovered
from components.bridging.fitted import FittedCritics
from components.bridging.prepared import prepare, usable
from components.bridging.scores import BridgeOptions, BridgeScores, ess_of_best
from components.corpora.triples import Triples
from components.embeddings import Embeddings
from components.errors import UserError
from components.evaluation.controls import NONE
from components.evaluation.retrieval import RANKS_SCHEMA, both_ways, rank_scores, recall_at
from components.evaluation.trials import PRIMARY
from pipelines.steps.bridge_rows import read_critics, read_rows
from pipelines.steps.bridge_shards import SHARDED, estimate_sharded, num_shards

RANKS, QUERIES, SCORES, ABOUT = "ranks.parquet", "queries.parquet", "scores.safetensors", "about.json"
CURVE = ("monte-carlo", "smoothed")
CONTROLLED = ("monte-carlo", "direct")
COMPARED = ("direct", "sphere")
FOUND = 10
ASKED = 200  # unpaired rows that are asked if no A–C pair is known


def run(ctx: StepContext) -> Facts:
    """Write ``ranks.parquet`` (as elsewhere, with a column ``method``), ``queries.parquet`` (ambiguity),
    ``scores.safetensors`` (of the primary draw) and ``about.json``.

    config: ``bridge``, ``estimators``, ``seed``. inputs: ``pairs``, ``critics`` and the rows.
    options: ``engine`` (ray or local), ``shards`` of the bridge (null: by its size).
    """
    world = _World.read(ctx)
    fits = read_critics(ctx.inputs["critics"])
    methods = usable(ctx.config["estimators"], fits[NONE, 0].critics)
    ranks, queries, curve = [], [], []
    about: dict[str, Any] = {}
    for number, ((control, draw), fitted) in enumerate(fits.items()):
        job = _Job(ctx, world, fitted, control=control, draw=draw)
        # wrong pairs need not fail in every estimator: one that sums over the bridge, and what uses none
        found = {m: job.estimate(m) for m in methods if control == NONE or m in CONTROLLED}
        if world.judged:
            ranks += [_ranks(m, s.scores, world.heldout, draw, control) for m, s in found.items()]
        if control == NONE:
            queries += job.ambiguity()
            curve += job.curve(found) if world.judged else []
        if (control, draw) == (NONE, 0):
            about = job.about(found)
            ctx.out.write_tensors(SCORES, {m: s.scores for m, s in found.items()})
        ctx.progress(number + 1, len(fits), "fits")
    for line in about["warnings"]:
        ctx.note(line)
    ctx.out.write_table(RANKS, pa.concat_tables(ranks) if ranks else _named(RANKS_SCHEMA.empty_table(), ""))
    ctx.out.write_table(QUERIES, pa.Table.from_pylist(queries))
    ctx.out.write_json(
        ABOUT, {**about, "curve": curve, "skipped": sorted(set(ctx.config["estimators"]) - set(methods))}
    )
    return {k: about[k] for k in ("bridge", "halves_kl", "uncovered")} | {"methods": methods}


@dataclass(frozen=True, kw_only=True)
class _World:
    triples: Triples
    rows: dict[str, Embeddings]
    heldout: list[tuple[str, str]]
    judged: bool

    @classmethod
    def read(cls, ctx: StepContext) -> _World:
        triples = Triples.read(ctx.inputs["pairs"])
        pairs = triples.heldout
        if not pairs:
            pairs = list(zip(triples.unpaired["a"][:ASKED], triples.unpaired["c"][:ASKED], strict=False))
        return cls(triples=triples, rows=read_rows(ctx.inputs), heldout=pairs, judged=bool(triples.heldout))


class _Job:
    """One fit's critics over the bridge."""

    def __init__(self, ctx: StepContext, world: _World, fitted: FittedCritics, *, control: str, draw: int) -> None:
        bridge, self.seed = ctx.config["bridge"], int(ctx.config["seed"])
        self.ctx, self.world, self.fitted, self.control, self.draw = ctx, world, fitted, control, draw
        self.options = BridgeOptions(
            memory_budget=int(bridge["memory_mb"]) << 20,
            bandwidth=bridge["bandwidth"],
            top=bridge["top"],
            ess_floor=bridge["ess_floor"],
            seed=self.seed,
        )
        unpaired = world.triples.unpaired if bridge["balance"] else None
        ids = world.triples.bridge[: bridge["size"]]
        self.prepared = prepare(fitted, world.rows, ids, unpaired, seed=self.seed)
        self.a, self.c = (
            fitted.rows(side, world.rows[side].rows([p[n] for p in world.heldout])) for n, side in enumerate("ac")
        )

    def estimate(self, method: str) -> BridgeScores:
        bridge = self.prepared
        shards = num_shards(self.ctx.options.get("shards"), len(bridge.bridge))
        if shards > 1 and method == SHARDED and self.options.top is None:
            engine = self.ctx.options.get("engine", "ray")
            work = self.ctx.work.sub(f"sums-{self.control}-{self.draw}")
            return estimate_sharded(bridge, self.a, self.c, self.options, shards=shards, engine=engine, work=work)
        return bridge.estimate(method, self.a, self.c, self.options)

    def ambiguity(self) -> list[dict[str, Any]]:
        """How many bridge items every query may mean."""
        p, critics = self.prepared, self.prepared.critics
        sides = (
            ("left_to_right", 0, perplexity(critics.ab, self.a, p.bridge.first, p.weights_ab)),
            ("right_to_left", 1, perplexity(critics.bc, self.c, p.bridge.second, p.weights_bc)),
        )
        return [
            {"draw": self.draw, "direction": d, "query": pair[n], "ambiguity": float(v)}
            for d, n, values in sides
            for pair, v in zip(self.world.heldout, values, strict=True)
        ]

    def curve(self, whole_bridge: Mapping[str, BridgeScores]) -> list[dict[str, Any]]:
        """R@10 of smaller bridges: each the beginning of the next one, smoothed as the whole one is."""
        whole = len(self.prepared.bridge)
        sizes = [s for s in self.ctx.config["bridge"]["sizes"] if s < whole]
        methods = [m for m in CURVE if m in whole_bridge]
        found = []
        for size in [*sizes, whole]:
            part = self.prepared.take(np.arange(size))
            for method in methods:
                made = whole_bridge[method]
                if size < whole:
                    settings = replace(self.options, bandwidth=made.details.get("bandwidth"))
                    made = part.estimate(method, self.a, self.c, settings)
                scores = made.scores
                recall = np.mean([recall_at(rank_scores(s).rank, FOUND) for s in (scores, scores.T)])
                found.append({"method": method, "size": size, "draw": self.draw, "recall": float(recall)})
        return found

    def about(self, found: dict[str, BridgeScores]) -> dict[str, Any]:
        """Facts of the primary fit that need no A–C pair."""
        p, critics = self.prepared, self.prepared.critics
        best = {m: ess_of_best(s.scores, s.ess) for m, s in found.items()}
        unpaired = self.world.triples.unpaired["a"][: 4 * ASKED]
        usual = self.fitted.rows("a", self.world.rows["a"].rows(unpaired))
        facts: dict[str, Any] = {
            "bridge": len(p.bridge),
            "critics": {"ab": critics.ab.to_json(), "bc": critics.bc.to_json(), "same_space": critics.same_space},
            "ess": {m: quantiles(values) for m, values in best.items()},
            "details": {m: dict(s.details) for m, s in found.items()},
            "warnings": list(dict.fromkeys(self._warnings(found, best))),
            "halves_kl": halves_kl(p, self.a, self.c, self.options),
            "uncovered": uncovered(critics.ab, self.a, p.bridge.first, usual) if len(usual) else None,
            "direct_monte_carlo": None,
        }
        if {"direct", "monte-carlo"} <= found.keys():
            facts["direct_monte_carlo"] = rank_agreement(found["direct"].scores, found["monte-carlo"].scores)
        return facts

    def _warnings(self, found: dict[str, BridgeScores], best: dict[str, np.ndarray]) -> list[str]:
        """Those of the estimators; queries are named by id, not by their number."""
        floor, told = self.options.ess_floor, []
        for method, scores in found.items():
            if method in COMPARED and not self.prepared.critics.same_space:
                continue  # a control, whose assumptions are known to fail
            low = np.flatnonzero(best[method] < floor)
            told += [w for w in scores.warnings if not (len(low) and "bridge items (queries" in w)]
            if len(low):
                names = ", ".join(repr(self.world.heldout[n][0]) for n in low[np.argsort(best[method][low])][:5])
                more = f" and {len(low) - 5} more" if len(low) > 5 else ""
                told.append(
                    f"{method}: {len(low)} of {len(best[method])} queries rest on fewer than {floor:g} bridge items "
                    f"({names}{more}); a larger bridge or a smoothed one would carry more"
                )
        return told


def _ranks(method: str, scores: np.ndarray, pairs: Sequence[tuple[str, str]], draw: int, control: str) -> pa.Table:
    if not np.isfinite(scores).all():
        raise UserError(f"{method} gave scores that are NaN or infinite", do="check embeddings and scales")
    forth, back = rank_scores(scores), rank_scores(np.ascontiguousarray(scores.T))
    return _named(both_ways(forth, back, pairs, PRIMARY, draw, control=control), method)


def _named(ranks: pa.Table, method: str) -> pa.Table:
    return ranks.append_column("method", pa.array([method] * len(ranks), pa.string()))
