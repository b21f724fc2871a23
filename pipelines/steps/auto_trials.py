"""What the branches of ``auto`` share: the fits to make, the rows that each learns from, and the graphs of those rows.

A row that is known as a pair must not be in the graph: cross-validation would find it sharper than a new row. So each
draw needs graphs without its own pairs. Where the pairs of all draws together are few among the unpaired rows, or many
rows stay without them, they are all left out, and one graph serves every draw; else (small corpora, where graphs cost
little) each draw gets its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cluster.workflow.step import StepContext
from components.alignment.auto import Auto
from components.alignment.candidate_files import load_views, save_views
from components.alignment.protocol import Pairs
from components.alignment.selection import at_most
from components.alignment.tuned import FEW, Ground, make_ground
from components.alignment.views import ViewConfig, Views
from components.bundle import Bundle
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.evaluation.controls import NONE, RANDOM, SHUFFLED, random_features
from components.evaluation.trials import Trial, World, plan_trials, sample_unpaired
from components.files import Folder
from pipelines.steps.fit import SIDES, make_world

ALL_DRAWS = "all-draws"
MAX_ROWS = ViewConfig.max_rows  # more would not enter a graph
MANY_ROWS = 4000  # with this many, a graph gains little from more


@dataclass(frozen=True)
class TrialRows:
    """What one fit is given: unpaired rows [N1, D1], [N2, D2] and pairs."""

    left: np.ndarray
    right: np.ndarray
    pairs: Pairs


@dataclass(frozen=True, kw_only=True)
class AutoTrials:
    """All fits of ``auto``.

    Attributes:
        trials: the primary one first.
        worlds: control -> features.
        seed: of folds, distractors and graphs.
        shared: the draws share their unpaired rows.
    """

    trials: list[Trial]
    worlds: Mapping[str, World]
    seed: int
    shared: bool

    @classmethod
    def read(cls, ctx: StepContext) -> AutoTrials:
        """From inputs ``rows`` and ``splits`` and config ``seed`` and ``controls``."""
        splits, seed = Splits.read(ctx.inputs["splits"]), int(ctx.config["seed"])
        features = {side: Embeddings.read(ctx.inputs["rows"].sub(side)) for side in SIDES}
        sampled = sample_unpaired(splits, seed, MAX_ROWS)
        fewer = spared(splits, sampled)
        unpaired = fewer or sampled
        worlds = {NONE: make_world(splits, unpaired, features)}
        trials = plan_trials(splits)
        if ctx.config["controls"]:
            noise = {s: random_features(f.ids, f.dim, seed=seed, side=s) for s, f in features.items()}
            worlds |= {SHUFFLED: worlds[NONE], RANDOM: make_world(splits, unpaired, noise)}
            trials += plan_trials(splits, SHUFFLED) + plan_trials(splits, RANDOM)
        return cls(trials=trials, worlds=worlds, seed=seed, shared=fewer is not None)

    @property
    def primary(self) -> Trial:
        return self.trials[0]

    def rows(self, trial: Trial) -> TrialRows:
        world = self.worlds[trial.control]
        pairs = at_most(world.pairs(trial.pairs), Auto.max_pairs, self.seed)
        return TrialRows(*world.unpaired(trial.pairs), pairs)

    def ground(self, rows: TrialRows) -> Ground:
        """Without views."""
        return make_ground(rows.left, rows.right, seed=self.seed)

    def grounds(self) -> dict[str, Trial]:
        """Name of every set of unpaired rows -> a trial that has it."""
        found: dict[str, Trial] = {}
        for trial in self.trials:
            found.setdefault(self.ground_name(trial), trial)
        return found

    def ground_name(self, trial: Trial) -> str:
        """Wrong partners of the same items leave the same rows unpaired; random vectors are another world."""
        of = RANDOM if trial.control == RANDOM else NONE
        return f"{of}-{ALL_DRAWS}" if self.shared else f"{of}-{trial.split}-{trial.draw}"


def trial_name(trial: Trial) -> str:
    """Unique among the trials of a step; good as a file name."""
    return f"{trial.control}-{trial.split}-{trial.draw}"


def spared(splits: Splits, unpaired: tuple[list[str], list[str]]) -> tuple[list[str], list[str]] | None:
    """The unpaired ids without the pairs of any draw; None if that would cost a small corpus more than a tenth."""
    drawn = [pair for draws in splits.draws.values() for draw in draws for pair in draw]
    known = [{pair[n] for pair in drawn} for n in (0, 1)]
    left, right = ([i for i in ids if i not in known[n]] for n, ids in enumerate(unpaired))
    enough = [min(MANY_ROWS, len(ids) * (FEW - 1) / FEW) for ids in unpaired]
    return (left, right) if len(left) >= enough[0] and len(right) >= enough[1] else None


def save_ground(folder: Folder, name: str, ground: Ground) -> None:
    """Write the views of both row sets; those of a big corpus are the same."""
    bundle, full, inner = Bundle(), ground.full.spectral(), ground.inner.spectral()
    save_views(bundle.sub("inner"), inner)
    if full is not inner:
        save_views(bundle.sub("full"), full)
    bundle.save(folder, f"{name}.safetensors")


class Grounds:
    """Reads what :func:`save_ground` wrote. The last one is kept, as many trials in a row may share it."""

    def __init__(self, folder: Folder) -> None:
        self._folder, self._name = folder, ""
        self._views: tuple[Views | None, Views | None] = (None, None)

    def load(self, name: str, plain: Ground) -> Ground:
        """``plain`` with the views of its rows."""
        if name != self._name:
            self._name, self._views = name, self._read(Bundle.load(self._folder, f"{name}.safetensors"))
        full, inner = self._views
        return replace(plain, full=replace(plain.full, views=full), inner=replace(plain.inner, views=inner))

    def _read(self, bundle: Bundle) -> tuple[Views, Views]:
        inner = load_views(bundle.sub("inner"))
        return load_views(bundle.sub("full")) if "views.json" in bundle.sub("full") else inner, inner
