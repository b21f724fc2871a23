"""Step ``spaces``: the exported method and its baseline fitted on every draw, and on shuffled pairs, as maps.

What the applications measure with: they map whatever they like and have an interval over draws and a control. Of
``auto`` nothing is fitted again, its choice is made from what its branches fitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cluster.workflow.step import Facts, StepContext
from components.alignment.protocol import Alignment
from components.alignment.registry import make_aligner
from components.corpora.splits import Splits
from components.evaluation.controls import NONE, SHUFFLED
from components.evaluation.trials import PRIMARY, Trial, needed_ids, plan_trials, sample_unpaired
from components.files import Folder
from components.transforms import Chain, Transform, load_transform, save_transform
from pipelines.steps.auto_trials import AutoTrials, trial_name
from pipelines.steps.fit import SIDES, make_world
from pipelines.steps.fit_auto import Choice, read_fits
from pipelines.steps.refit import exported_refit, side_features

FILE = "spaces.json"
BASELINE = "ridge-cca"
CONTROLS = (NONE, SHUFFLED)


@dataclass(frozen=True)
class Spaces:
    """The output. ``methods``: the exported one first; ``num_draws`` of each under each control."""

    folder: Folder
    methods: list[str]
    num_draws: int

    @classmethod
    def read(cls, folder: Folder) -> Spaces:
        about = folder.read_json(FILE)
        return cls(folder, about["methods"], about["num_draws"])

    @property
    def exported(self) -> str:
        return self.methods[0]

    def fits(self, method: str, control: str = NONE) -> list[Alignment]:
        """Maps of the encoders' rows, one for each draw."""
        names = [_name(method, Trial(split=PRIMARY, draw=d, control=control, pairs=[])) for d in range(self.num_draws)]
        sides = [[load_transform(self.folder, f"{n}-{side}") for side in SIDES] for n in names]
        return [Alignment(left, right) for left, right in sides]


def run(ctx: StepContext) -> Facts:
    """Write two maps for each method, control and draw of the random split, and ``spaces.json``.

    config: as of step ``confidence``, and ``candidates`` for ``auto``. inputs: ``splits``, ``encode-left`` and
    ``-right``, and what the method is fitted from: ``spectral-…``, or the inputs of ``fit-auto``.
    """
    splits, fits = Splits.read(ctx.inputs["splits"]), 0
    for method, trial, maps in _all_fits(ctx, splits):
        for side, mapping in zip(SIDES, maps, strict=True):
            save_transform(ctx.out, f"{_name(method, trial)}-{side}", mapping)
        fits += 1
        ctx.progress(fits, None, "fits")
    exported = ctx.config["exported"]
    methods = list(dict.fromkeys([exported, BASELINE]))
    ctx.out.write_json(FILE, {"methods": methods, "num_draws": len(splits.draws[PRIMARY])})
    return {"fits": fits, "methods": methods}


def _name(method: str, trial: Trial) -> str:
    return f"{method}/{trial_name(trial)}"


Fit = tuple[str, Trial, tuple[Transform, Transform]]


def _all_fits(ctx: StepContext, splits: Splits) -> Iterator[Fit]:
    exported = str(ctx.config["exported"])
    if ctx.config["method"] == "auto":
        yield from _of_auto(ctx)
    else:
        refit = exported_refit(ctx.config)
        yield from _of_aligner(ctx, splits, exported, refit.aligner, spectral=refit.spectral)
    if exported != BASELINE:
        aligner = make_aligner(BASELINE, seed=int(ctx.config["seed"]))
        yield from _of_aligner(ctx, splits, BASELINE, aligner, spectral=False)


def _trials(splits: Splits) -> list[Trial]:
    own = [t for t in plan_trials(splits) if t.split == PRIMARY]
    return own + (plan_trials(splits, SHUFFLED) if splits.pairs() else [])


def _of_auto(ctx: StepContext) -> Iterator[Fit]:
    trials = AutoTrials.read(ctx)
    branches, grounds = read_fits(ctx, ctx.config["candidates"])
    starts = [load_transform(ctx.inputs["rows"], f"standardizer-{side}") for side in SIDES]
    for trial in trials.trials:
        if trial.split == PRIMARY and trial.control in CONTROLS:
            yield "auto", trial, _whole(starts, Choice(trials, trial, branches, grounds).result.alignment)


def _of_aligner(ctx: StepContext, splits: Splits, name: str, aligner: Any, *, spectral: bool) -> Iterator[Fit]:
    unpaired = sample_unpaired(splits, int(ctx.config["seed"]))
    needed = zip(SIDES, needed_ids(splits, unpaired), strict=True)
    sides = {side: side_features(ctx, splits, side, ids, spectral=spectral) for side, ids in needed}
    starts = [start for start, _ in sides.values()]
    world = make_world(splits, unpaired, {side: rows for side, (_, rows) in sides.items()})
    for trial in _trials(splits):
        fitted = aligner.fit(*world.unpaired(trial.pairs), world.pairs(trial.pairs))
        yield name, trial, _whole(starts, fitted)


def _whole(starts: list[Transform], fitted: Alignment) -> tuple[Transform, Transform]:
    """From the encoders' rows."""
    return Chain([starts[0], fitted.left]), Chain([starts[1], fitted.right])
