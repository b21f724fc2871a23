"""Step ``budget-curves``: recall by known pairs and by unpaired rows, with methods that fit fast (SUE, Figure 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cluster.workflow.step import Facts, StepContext
from components.alignment.registry import make_aligner
from components.corpora.hashing import seeded_order
from components.errors import UserError
from components.evaluation.controls import NONE
from components.evaluation.summary import group_ranks, summarise, summarise_chance
from components.evaluation.trials import PRIMARY, Trial, World, ranks_table, run_trials, sample_unpaired
from components.reporting.section import Section
from pipelines.bench.alignment.figures import recall_by_pairs, recall_by_rows
from pipelines.bench.alignment.methods import CHANCE
from pipelines.steps.application import Corpora, Numbers, run_application
from pipelines.steps.fit import SIDES, make_world, standardized_side

TITLE = "Pairs and unpaired rows"
FIXED = 100  # pairs, where unpaired rows are counted
LEARNS_FROM_ROWS = ("fused-csa", "fused-kernel-ridge")


def run(ctx: StepContext) -> Facts:
    """See :func:`run_application`. config: ``methods``, ``budgets``, ``rows``, ``draws``, ``preprocess``, ``seed``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """Raises UserError: the pool of known pairs holds less than two of the budgets."""
    curves = _Curves(ctx)
    by_pairs = [r for budget in curves.budgets for r in curves.records(budget, None)]
    by_rows = [r for rows in curves.sizes for r in curves.records(curves.fixed, rows)]
    records = by_pairs + by_rows
    figures = [f for f in (recall_by_pairs(records), recall_by_rows(records)) if f is not None]
    numbers = {
        "pairs": {m: {str(r["budget"]): _recall(r) for r in by_pairs if r["method"] == m} for m in curves.methods},
        "rows": {m: {str(r["rows"]): _recall(r) for r in by_rows if r["method"] == m} for m in curves.methods},
        "fixed_pairs": curves.fixed,
    }
    return numbers, _section(numbers, figures, curves)


def _recall(record: dict[str, Any]) -> dict[str, float]:
    low, high = record["ci95"]["R@10"]
    return {"mean": record["mean"]["R@10"], "low": low, "high": high}


class _Curves:
    def __init__(self, ctx: StepContext) -> None:
        self.ctx, self.corpora, self.seed = ctx, Corpora(ctx), int(ctx.config["seed"])
        splits = self.corpora.splits
        self.methods: list[str] = list(ctx.config["methods"])
        self.budgets = [b for b in ctx.config["budgets"] if b <= len(splits.pool)]
        if len(self.budgets) < 2:
            what = f"{len(splits.pool)} known pairs beside the held-out ones are too few for a curve"
            raise UserError(what, where="pairs", do="give more pairs")
        self.fixed = min(FIXED, max(self.budgets))
        self.unpaired = sample_unpaired(splits, self.seed)
        keys = [f"{a}\x1f{b}" for a, b in splits.pool]
        orders = [seeded_order(keys, self.seed, "curve", d) for d in range(int(ctx.config["draws"]))]
        self.draws = [[splits.pool[n] for n in order[: max(self.budgets)]] for order in orders]
        wide = replace(splits, draws={PRIMARY: self.draws})
        sides = {s: standardized_side(self._renamed(), s, wide, self.unpaired).features for s in SIDES}
        self.world = make_world(wide, self.unpaired, sides)
        self.sizes = [n for n in ctx.config["rows"] if n <= min(map(len, self.unpaired))]

    def _renamed(self) -> StepContext:
        inputs = {side: self.ctx.inputs[f"encode-{side}"] for side in SIDES}
        return replace(self.ctx, inputs=inputs)

    def records(self, budget: int, rows: int | None) -> list[dict[str, Any]]:
        """One record for each method at a number of pairs and, if given, of unpaired rows a side; and chance."""
        world = self.world if rows is None else self._fewer(rows)
        trials = [
            Trial(split=PRIMARY, draw=d, control=NONE, pairs=pairs[:budget]) for d, pairs in enumerate(self.draws)
        ]
        methods = self.methods if rows is None else [m for m in self.methods if m in LEARNS_FROM_ROWS]
        found = []
        for method in methods:
            results = run_trials(make_aligner(method, seed=self.seed), trials, world)
            summary = summarise(group_ranks(ranks_table(results))[PRIMARY, NONE])["mean"]
            found.append(self._record(method, summary, budget, rows, world))
        gallery = summarise_chance(len(world.heldout))["mean"]
        return [*found, self._record(CHANCE, gallery, budget, rows, world)]

    def _fewer(self, rows: int) -> World:
        kept = [
            [ids[n] for n in sorted(seeded_order(ids, self.seed, "rows", side)[:rows])]
            for side, ids in zip(SIDES, self.unpaired, strict=True)
        ]
        return replace(self.world, unpaired_left=kept[0], unpaired_right=kept[1])

    def _record(
        self, method: str, summary: dict[str, Any], budget: int, rows: int | None, world: World
    ) -> dict[str, Any]:
        same = {"corpus": "held-out pairs", "protocol": "disjoint", "split": PRIMARY, "selection": "random"}
        counts = {"budget": budget, "rows": rows, "unpaired_rows": len(world.unpaired_left), "cpu_seconds": ""}
        return {**same, **counts, "method": method, "mean": summary, "ci95": summary["ci95"]}


def _section(numbers: Numbers, figures: Sequence[Any], curves: _Curves) -> Section:
    few, many = str(curves.budgets[0]), str(curves.budgets[-1])
    best = max(curves.methods, key=lambda m: numbers["pairs"][m][many]["mean"])
    own = numbers["pairs"][best]
    finding = (
        f"of {best}, {own[few]['mean']:.1f} % of held-out partners are among the first ten with {few} known pairs and"
        f" {own[many]['mean']:.1f} % with {many}."
    )
    rows = [[m, *(f"{numbers['pairs'][m][str(b)]['mean']:.1f}" for b in curves.budgets)] for m in curves.methods]
    return Section(
        title=TITLE,
        finding=finding,
        key=f"R@10 {own[few]['mean']:.1f} % with {few} pairs, {own[many]['mean']:.1f} % with {many}",
        about=f"R@10, mean of both directions over {len(curves.draws)} random draws of pairs. Unpaired rows are counted"
        f" at {curves.fixed} pairs.",
        figures=list(figures),
        columns=("R@10, %", *(f"{b} pairs" for b in curves.budgets)),
        rows=rows,
    )
