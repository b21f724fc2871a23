"""Trials: one method fitted on many pair draws and scored on the same held-out pairs, controls included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from components.alignment.hubness import HubnessConfig, correct
from components.alignment.protocol import Aligner, Alignment, Pairs
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.evaluation.controls import NONE, SHUFFLED
from components.evaluation.retrieval import RANKS_SCHEMA, ranks_of

Pair = tuple[str, str]
MAX_UNPAIRED = 4000
PRIMARY = "random"  # the split, draw 0 of which is exported and gives the headline numbers


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One fit: the split and draw its ``pairs`` come from, and the control it is (``none`` for the real thing)."""

    split: str
    draw: int
    control: str
    pairs: list[Pair]


@dataclass(frozen=True, kw_only=True)
class World:
    """Features of both sides, which of their rows may be seen unpaired, and the pairs that are only scored."""

    left: Embeddings
    right: Embeddings
    unpaired_left: list[str]
    unpaired_right: list[str]
    heldout: list[Pair]

    def pairs(self, pairs: Sequence[Pair]) -> Pairs:
        """Rows of both sides in the order of ``pairs``. Raises UserError for an unknown id."""
        return Pairs(self.left.rows([i for i, _ in pairs]), self.right.rows([j for _, j in pairs]))

    def unpaired(self, pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
        """Unpaired rows of both sides without the items of ``pairs``: they would stand in for their own partners."""
        known_left, known_right = {i for i, _ in pairs}, {j for _, j in pairs}
        return (
            self.left.rows([i for i in self.unpaired_left if i not in known_left]),
            self.right.rows([j for j in self.unpaired_right if j not in known_right]),
        )


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """A trial's alignment and its rows of ``ranks.parquet``."""

    trial: Trial
    alignment: Alignment
    ranks: pa.Table

    def facts(self) -> dict[str, Any]:
        """JSON for ``diagnostics.json``."""
        trial = self.trial
        return {
            "split": trial.split,
            "draw": trial.draw,
            "control": trial.control,
            "pairs": len(trial.pairs),
            **self.alignment.diagnostics,
        }


def plan_trials(splits: Splits, control: str = NONE) -> list[Trial]:
    """Every draw of every split, the primary one first, or the primary split's draws under a control."""
    if control == NONE:
        return [
            Trial(split=s, draw=d, control=NONE, pairs=splits.pairs(s, d))
            for s in sorted(splits.names, key=lambda name: (name != PRIMARY, name))
            for d in range(len(splits.draws[s]))
        ]
    choose = splits.shuffled if control == SHUFFLED else splits.pairs
    return [
        Trial(split=PRIMARY, draw=d, control=control, pairs=choose(PRIMARY, d))
        for d in range(len(splits.draws[PRIMARY]))
    ]


def sample_unpaired(splits: Splits, seed: int, limit: int = MAX_UNPAIRED) -> tuple[list[str], list[str]]:
    """At most ``limit`` unpaired ids of each side, seeded."""
    rng = np.random.default_rng(seed)
    left, right = (_sample(ids, limit, rng) for ids in (splits.unpaired_left, splits.unpaired_right))
    return left, right


def needed_ids(splits: Splits, unpaired: tuple[list[str], list[str]]) -> tuple[list[str], list[str]]:
    """All ids of each side that any trial reads, sorted."""
    pairs = splits.heldout + [p for draws in splits.draws.values() for draw in draws for p in draw]
    return tuple(sorted({p[n] for p in pairs} | set(unpaired[n])) for n in (0, 1))  # type: ignore[return-value]


def run_trials(aligner: Aligner, trials: Sequence[Trial], world: World) -> list[TrialResult]:
    """Fit and score every trial; methods that can, fit them as one batch.

    Raises:
        UserError: what the method refuses, or an id without a row.
    """
    alignments = _fit_all(aligner, trials, world)
    return [score_trial(trial, fitted, world) for trial, fitted in zip(trials, alignments, strict=True)]


def score_trial(trial: Trial, alignment: Alignment, world: World) -> TrialResult:
    """Ranks of the held-out pairs under a trial's fitted ``alignment``."""
    heldout = world.pairs(world.heldout)
    left, right = alignment.transform_left(heldout.left), alignment.transform_right(heldout.right)
    ranks = ranks_of(left, right, world.heldout, trial.split, trial.draw, control=trial.control)
    return TrialResult(trial=trial, alignment=alignment, ranks=ranks)


def correct_trials(results: Sequence[TrialResult], world: World, config: HubnessConfig) -> list[TrialResult]:
    """The results of all trials but controls, corrected for hubness by a bank of each trial's unpaired rows."""
    return [
        score_trial(r.trial, correct(r.alignment, *world.unpaired(r.trial.pairs), config), world)
        for r in results
        if r.trial.control == NONE
    ]


def ranks_table(results: Sequence[TrialResult]) -> pa.Table:
    """All results' ranks as one table of ``RANKS_SCHEMA``."""
    return pa.concat_tables([r.ranks for r in results]) if results else RANKS_SCHEMA.empty_table()


def _fit_all(aligner: Aligner, trials: Sequence[Trial], world: World) -> list[Alignment]:
    fit_many = getattr(aligner, "fit_many", None)
    if fit_many is not None:
        batch: list[Alignment] = fit_many([world.pairs(t.pairs) for t in trials], [t.draw for t in trials])
        return batch
    return [aligner.fit(*world.unpaired(t.pairs), world.pairs(t.pairs)) for t in trials]


def _sample(ids: list[str], limit: int, rng: np.random.Generator) -> list[str]:
    if len(ids) <= limit:
        return ids
    return [ids[n] for n in np.sort(rng.choice(len(ids), limit, replace=False))]
