"""Step ``auto-<candidate>``: one candidate of ``auto`` judged and fitted on every split, draw and control.

A candidate that cannot be fitted, or is given up, says why in its output; that is no failure of the run.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.workflow.step import Facts, StepContext
from components.alignment.candidate_files import load_candidate, save_candidate
from components.alignment.candidates import CANDIDATES, CandidateFit, fit_candidate
from components.alignment.early_stop import why_behind, why_too_dear
from components.alignment.views import Views
from components.bundle import Bundle
from components.errors import UserError
from components.evaluation.trials import Trial
from components.files import Folder
from pipelines.steps.auto_trials import AutoTrials, Grounds, TrialRows, trial_name
from pipelines.steps.auto_views import RECORD as VIEWS_RECORD

RECORD = "candidate.json"


@dataclass(frozen=True)
class Branch:
    """A candidate's output.

    Attributes:
        name: of the candidate.
        skipped: why it takes no part; empty if it does.
        judged: its first fit is there, even if it takes no part.
        seconds: CPU seconds of all its fits.
    """

    folder: Folder
    name: str
    skipped: str
    judged: bool
    seconds: float

    @classmethod
    def read(cls, folder: Folder) -> Branch:
        about = folder.read_json(RECORD)
        return cls(folder, about["candidate"], about["skipped"], about["fits"] > 0, about["seconds"])

    def fit(self, trial: Trial, views: Views | None) -> CandidateFit:
        """Its fit of one trial; ``views`` are those of all unpaired rows."""
        return load_candidate(Bundle.load(self.folder, _file(trial)), views)


def run(ctx: StepContext) -> Facts:
    """Write ``candidate.json`` and a file for every fit (the first one even of a candidate that is given up then)."""
    trials, name = AutoTrials.read(ctx), str(ctx.config["candidate"])
    cv: Facts = {}
    skipped, fits, seconds = "", 0, 0.0
    try:
        grounds = _grounds(ctx)
        for trial in trials.trials:
            fitted = _Fitted(ctx, trials, trial, grounds)
            bundle = Bundle()
            save_candidate(bundle, fitted.fit)
            bundle.save(ctx.out, _file(trial))
            fits, seconds = fits + 1, seconds + fitted.fit.seconds
            ctx.progress(fits, len(trials.trials), "fits")
            cv = cv or _cv(fitted.fit)
            if trial is trials.primary and (skipped := fitted.why_stop()):
                break
    except UserError as error:
        skipped = str(error)
    ctx.out.write_json(RECORD, {"candidate": name, "skipped": skipped, "fits": fits, "seconds": seconds})
    return {"fits": fits, "cpu_seconds": seconds, "skipped": skipped, **cv}


def _grounds(ctx: StepContext) -> Grounds | None:
    """Views, if the candidate wants any. Raises UserError: there are none."""
    if not CANDIDATES[ctx.config["candidate"]].spectral:
        return None
    if skipped := ctx.inputs["views"].read_json(VIEWS_RECORD)["skipped"]:
        raise UserError(skipped)
    return Grounds(ctx.inputs["views"])


class _Fitted:
    """One trial's fit and what it was made from. Raises UserError if it cannot be made."""

    def __init__(self, ctx: StepContext, trials: AutoTrials, trial: Trial, grounds: Grounds | None) -> None:
        self.ctx, self.trials, name = ctx, trials, str(ctx.config["candidate"])
        self.rows = trials.rows(trial)
        self.ground = trials.ground(self.rows)
        if grounds:
            self.ground = grounds.load(trials.ground_name(trial), self.ground)
        rows: TrialRows = self.rows
        self.fit = fit_candidate(name, rows.left, rows.right, rows.pairs, seed=trials.seed, ground=self.ground)

    def why_stop(self) -> str:
        """Why the other trials are not worth fitting; empty if they are."""
        share, num = self.ctx.config.get("share_s"), len(self.trials.trials)
        if share is not None and (why := why_too_dear(self.fit, num, share)):
            return why
        if self.ctx.config.get("stop_early") and num > 1:
            return why_behind(self.fit, self.ground, self.rows.pairs, seed=self.trials.seed)
        return ""


def _cv(fit: CandidateFit) -> Facts:
    """Cross-validated figures of the first fit."""
    cv = fit.cv
    return {"cv_score": float(cv.score.mean())} | {f"cv_R@{k}": 100 * float(cv.recall(k).mean()) for k in (1, 10)}


def _file(trial: Trial) -> str:
    return f"{trial_name(trial)}.safetensors"
