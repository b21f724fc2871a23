"""The steps of ``auto``: rows, graphs, one branch per candidate, and the choice. Branches know nothing of each other.

A branch's key holds its own candidate's version and no other's (of the references too where it may be given up for
being behind them), so that a change of one method makes only its own fits again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from cluster.workflow.step import Step
from components.alignment.candidates import CANDIDATES, LINEAR
from components.alignment.early_stop import ALWAYS, REFERENCES
from components.errors import UserError
from pipelines.recipe import Auto

MakeStep = Callable[..., Step]
FIT_VERSION = "5"  # of fit-auto, which made all fits itself once


def candidate_names(settings: Auto) -> tuple[str, ...]:
    """The candidates to try, in the order of ``CANDIDATES``.

    Raises:
        UserError: an unknown name, or no simple linear map for the guard to compare with.
    """
    wanted = tuple(CANDIDATES) if settings.candidates is None else settings.candidates
    for name in wanted:
        if name not in CANDIDATES:
            told = f"choose from {', '.join(CANDIDATES)}"
            raise UserError(f"{name!r} is not known", where="auto.candidates", do=told)
    if not set(wanted) & set(LINEAR):
        told = f"add one of {', '.join(LINEAR)}: auto is never to be worse than the best of them"
        raise UserError("no simple linear map among the candidates", where="auto.candidates", do=told)
    return tuple(name for name in CANDIDATES if name in wanted)


def auto_step(
    make: MakeStep,
    settings: Auto,
    *,
    encode: Mapping[Literal["left", "right"], Step],
    splits: Step,
    fit_config: Mapping[str, Any],
    controls: bool,
) -> Step:
    """The step ``fit-auto`` with all that it needs.

    Args:
        make: makes a step from its name, ``run`` and fields.
        fit_config: preprocessing and seed.
        controls: also fit shuffled pairs and random features.
    """
    names = candidate_names(settings)
    seeded = {"seed": fit_config["seed"], "controls": controls}
    rows = make(
        "auto-rows", run="auto_rows", version="2", config=dict(fit_config), inputs={**dict(encode), "splits": splits}
    )
    inputs = {"rows": rows, "splits": splits}
    views: dict[str, Step] = {}
    if any(CANDIDATES[name].spectral for name in names):
        views = {"views": make("auto-views", run="auto_views", config=seeded, inputs=inputs)}
    branches = {
        f"candidate:{name}": make(
            f"auto-{name}",
            run="auto_candidate",
            version=f"1.{CANDIDATES[name].version}",
            config={**seeded, "candidate": name, **_limits(name, settings, len(names))},
            inputs={**inputs, **(views if CANDIDATES[name].spectral else {})},
        )
        for name in names
    }
    return make(
        "fit-auto",
        run="fit_auto",
        version=FIT_VERSION,
        config={**seeded, "candidates": list(names)},
        inputs={**inputs, **views, **branches},
    )


def _limits(name: str, settings: Auto, num: int) -> dict[str, Any]:
    """What may end a branch early; nothing for simple maps and kernel ridge."""
    if name in ALWAYS:
        return {}
    limits: dict[str, Any] = {}
    if settings.budget_s is not None:
        limits["share_s"] = settings.budget_s / num
    if settings.stop_early and CANDIDATES[name].costly:
        limits |= {"stop_early": True, "references": {r: CANDIDATES[r].version for r in REFERENCES}}
    return limits
