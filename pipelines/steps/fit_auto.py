"""Step ``fit-auto``: chooses among the candidates that the branches ``auto-<candidate>`` fitted, draw by draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from cluster.workflow.step import Facts, StepContext
from components.alignment.auto import Auto, AutoResult, choose
from components.alignment.candidates import FEWEST_PAIRS, LINEAR, CandidateFit
from components.alignment.options import Option, make_row
from components.alignment.protocol import Alignment
from components.alignment.views import Views
from components.evaluation.controls import NONE
from components.evaluation.out_of_fold import save_blocks
from components.evaluation.trials import Trial, score_trial
from components.transforms import Chain, load_transform, save_transform
from pipelines.steps.auto_candidate import Branch
from pipelines.steps.auto_trials import AutoTrials, Grounds, TrialRows
from pipelines.steps.auto_views import RECORD as VIEWS_RECORD
from pipelines.steps.fit import SIDES
from pipelines.steps.scores import headline

PREFIX = "candidate:"
TABLE = "auto.json"


def run(ctx: StepContext) -> Facts:
    """Write ``ranks.parquet``, ``diagnostics.json``, ``auto.json`` (what was chosen and why), the primary draw's maps
    ``left`` and ``right``, which take the encoder's own rows, and the chosen row's ``out-of-fold.safetensors``."""
    trials = AutoTrials.read(ctx)
    branches, grounds = read_fits(ctx, ctx.config["candidates"])
    told: dict[str, Any] = {}
    ranks, diagnostics = [], []
    for trial in trials.trials:
        choice = Choice(trials, trial, branches, grounds)
        scored = score_trial(trial, choice.result.alignment, trials.worlds[trial.control])
        ranks.append(scored.ranks)
        diagnostics.append(scored.facts())
        if trial is trials.primary:
            told = choice.describe()
            if choice.result.blocks:
                save_blocks(ctx.out, choice.result.blocks)
            _write_maps(ctx, choice.result.alignment)
        ctx.progress(len(ranks), len(trials.trials), "choices")
    told["choices"] = _count(diagnostics)
    table = pa.concat_tables(ranks)
    ctx.out.write_table("ranks.parquet", table)
    ctx.out.write_json("diagnostics.json", diagnostics)
    ctx.out.write_json(TABLE, told)
    ctx.note(told["reason"])
    controls = sum(d["control"] != NONE for d in diagnostics)
    return {"fits": len(diagnostics), "controls": controls, **_facts(told), **headline(table)}


def read_fits(ctx: StepContext, candidates: Sequence[str]) -> tuple[list[Branch], Grounds | None]:
    """What the branches fitted, and their graphs if there are any."""
    views = ctx.inputs.get("views")
    grounds = Grounds(views) if views and not views.read_json(VIEWS_RECORD)["skipped"] else None
    return [Branch.read(ctx.inputs[f"{PREFIX}{name}"]) for name in candidates], grounds


def _write_maps(ctx: StepContext, primary: Alignment) -> None:
    for side, aligned in zip(SIDES, (primary.left, primary.right), strict=True):
        standardizer = load_transform(ctx.inputs["rows"], f"standardizer-{side}")
        parts = aligned.parts if isinstance(aligned, Chain) else [aligned]
        save_transform(ctx.out, side, Chain([standardizer, *parts]))


class Choice:
    """What ``auto`` makes of one trial."""

    def __init__(self, trials: AutoTrials, trial: Trial, branches: list[Branch], grounds: Grounds | None) -> None:
        self.trials, self.trial, self.branches = trials, trial, branches
        self.rows: TrialRows = trials.rows(trial)
        self.views: Views | None = None
        if grounds:
            self.views = grounds.load(trials.ground_name(trial), trials.ground(self.rows)).full.views
        self.result = self._choose()

    def fits(self, *, skipped: bool) -> list[CandidateFit]:
        """Fits of the candidates that take part, or of those that were given up after this trial."""
        return [b.fit(self.trial, self.views) for b in self.branches if b.judged and bool(b.skipped) == skipped]

    def describe(self) -> dict[str, Any]:
        """JSON: the choice, its reason, and every row with its cross-validated figures or why it has none."""
        rows = [{**row.to_json(), "skipped": ""} for row in self.result.table]
        rows += [{**row, "skipped": why} for row, why in self._given_up()]
        return {
            "chosen": self.result.chosen,
            "reason": self.result.reason,
            "weights": self.result.weights,
            "pairs": len(self.rows.pairs),
            "rows": sorted(rows, key=lambda r: -r["score"]),
            "left_out": {b.name: b.skipped for b in self.branches if b.skipped and not b.judged},
            "cpu_seconds": {b.name: b.seconds for b in self.branches},
        }

    def _choose(self) -> AutoResult:
        rows, seed = self.rows, self.trials.seed
        if len(rows.pairs) < FEWEST_PAIRS:
            return Auto(seed=seed).run(rows.left, rows.right, rows.pairs)
        return choose(self.fits(skipped=False), rows.left, rows.right, seed=seed)

    def _given_up(self) -> list[tuple[dict[str, Any], str]]:
        why = {b.name: b.skipped for b in self.branches}
        given_up = self.fits(skipped=True)
        if not given_up:
            return []
        fits = {f.name: f for f in (*self.fits(skipped=False), *given_up)}
        options = {name: Option(name, {name: 1.0}, f.cv) for name, f in fits.items()}
        linear = max((options[n] for n in LINEAR if n in options), key=lambda o: o.cv.score.mean())
        return [(make_row(options[f.name], linear, fits).to_json(), why[f.name]) for f in given_up]


def _count(diagnostics: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """How often each row was chosen, by split; controls left out."""
    real = [d for d in diagnostics if d["control"] == NONE]
    return {s: dict(Counter(d["chosen"] for d in real if d["split"] == s)) for s in {d["split"]: 0 for d in real}}


def _facts(told: dict[str, Any]) -> Facts:
    """Numbers by row for MLflow: cross-validated score and R@10, and how far ahead of the best linear map."""
    rows = {r["name"]: r for r in told["rows"]}
    names = ("score", "R@10", "ahead_of_linear")
    numbers = {f"cv_{n}": {name: r[n] for name, r in rows.items()} for n in names} if rows else {}
    skipped = told["left_out"] | {n: r["skipped"] for n, r in rows.items() if r["skipped"]}
    return {
        "chosen": told["chosen"],
        "reason": told["reason"],
        "weights": told["weights"],
        "candidate_cpu_seconds": told["cpu_seconds"],
        "skipped": skipped,
        **numbers,
    }
