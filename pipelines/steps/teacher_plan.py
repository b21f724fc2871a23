"""Step ``fit-teacher-plan``: as ``fit``, but its heads can be trained by Ray Train, the blocks of a step shared.

Every worker holds all rows; the result does not depend on the number of workers. Each finished trial is a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cluster.training import train
from cluster.workflow.step import Facts, StepContext
from components.alignment.protocol import Alignment, Pairs
from components.alignment.registry import make_aligner
from components.alignment.teacher_plan import TeacherPlan
from components.corpora.splits import Splits
from components.evaluation.controls import RANDOM, SHUFFLED, random_features
from components.evaluation.trials import Trial, World, plan_trials, sample_unpaired, score_trial
from components.files import Folder
from components.training import Checkpoint, Session
from components.transforms import Chain, load_transform, save_transform
from pipelines.steps.bank import write_bank
from pipelines.steps.fit import SIDES, make_world, standardized_side, write_fits

ROWS, RESULT = "rows.safetensors", "result"


def run(ctx: StepContext) -> Facts:
    """Write what the step ``fit`` writes."""
    splits, seed = Splits.read(ctx.inputs["splits"]), int(ctx.config["seed"])
    unpaired = sample_unpaired(splits, seed, int(ctx.config["rows"]))
    sides = {side: standardized_side(ctx, side, splits, unpaired) for side in SIDES}
    world = make_world(splits, unpaired, {side: s.features for side, s in sides.items()})
    trials = [(trial, world) for trial in plan_trials(splits)]
    if ctx.config.get("controls"):
        noise = {s: random_features(f.features.ids, f.features.dim, seed=seed, side=s) for s, f in sides.items()}
        strange = make_world(splits, unpaired, noise)
        trials += [(trial, world) for trial in plan_trials(splits, SHUFFLED)]
        trials += [(trial, strange) for trial in plan_trials(splits, RANDOM)]
    alignments = _train(ctx, trials)
    results = [score_trial(trial, fitted, seen) for (trial, seen), fitted in zip(trials, alignments, strict=True)]
    write_bank(ctx.out, ctx.config, results, world, lambda side, aligned: Chain([sides[side].standardizer, aligned]))
    return write_fits(ctx, results, sides)


def _train(ctx: StepContext, trials: list[tuple[Trial, World]]) -> list[Alignment]:
    """The fits of all trials: in this process, or on the workers that ``by_train`` asks for."""
    _write_work(ctx.work.make(), trials)
    settings = {**ctx.config["settings"], "seed": int(ctx.config["seed"])}
    where = ctx if ctx.options.get("by_train") else replace(ctx, options={**ctx.options, "engine": "local"})
    train("pipelines.steps.teacher_plan:train_loop", where, {"settings": settings, "trials": len(trials)})
    return [_read_fit(ctx.work.sub(f"{RESULT}/{n:04d}")) for n in range(len(trials))]


def train_loop(session: Session, work: Folder, config: Mapping[str, Any]) -> None:
    """One worker's part; rank 0 leaves the fitted maps in ``work``."""
    aligner = make_aligner("teacher-plan", config["settings"])
    assert isinstance(aligner, TeacherPlan)
    found, arrays = session.resume(), work.read_tensors(ROWS)
    for n in range(found.epoch if found else 0, config["trials"]):
        unpaired, pairs = (_rows(arrays, work, n, kind) for kind in ("unpaired", "pairs"))
        fitted = aligner.fit_in(session, *unpaired, Pairs(*pairs))
        if session.rank == 0:
            _write_fit(work.sub(f"{RESULT}/{n:04d}").make(), fitted)
        session.save(
            Checkpoint(n + 1, {}), {"alpha": fitted.diagnostics["alpha"], "steps": fitted.diagnostics["steps"]}
        )


def _write_work(work: Folder, trials: list[tuple[Trial, World]]) -> None:
    """All rows once, and for every trial which of them it sees."""
    worlds = list({id(world): world for _, world in trials}.values())
    arrays = {f"{n}.{side}": getattr(world, side).vectors for n, world in enumerate(worlds) for side in SIDES}
    work.write_tensors(ROWS, arrays)
    for n, (trial, world) in enumerate(trials):
        index = next(k for k, known in enumerate(worlds) if known is world)
        work.write_json(f"trial-{n:04d}.json", {"world": index, **_row_numbers(trial, world)})


def _row_numbers(trial: Trial, world: World) -> dict[str, dict[str, list[int]]]:
    numbers: dict[str, dict[str, list[int]]] = {"unpaired": {}, "pairs": {}}
    for n, side in enumerate(SIDES):
        place = {i: row for row, i in enumerate(getattr(world, side).ids)}
        known = [pair[n] for pair in trial.pairs]
        numbers["pairs"][side] = [place[i] for i in known]
        hidden = set(known)
        numbers["unpaired"][side] = [place[i] for i in getattr(world, f"unpaired_{side}") if i not in hidden]
    return numbers


def _rows(arrays: Mapping[str, np.ndarray], work: Folder, trial: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    about = work.read_json(f"trial-{trial:04d}.json")
    left, right = (arrays[f"{about['world']}.{side}"][about[kind][side]] for side in SIDES)
    return left, right


def _write_fit(folder: Folder, fitted: Alignment) -> None:
    save_transform(folder, "left", fitted.left)
    save_transform(folder, "right", fitted.right)
    folder.write_json("diagnostics.json", dict(fitted.diagnostics))


def _read_fit(folder: Folder) -> Alignment:
    left, right = (load_transform(folder, side) for side in SIDES)
    return Alignment(left, right, folder.read_json("diagnostics.json"))
