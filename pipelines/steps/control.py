"""Step ``control``: LUCL's mazes, told a row or a column: is summing over states worth it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.workflow.step import Facts, StepContext
from components.control.critics import ControlConfig
from components.control.navigation import EpisodeConfig
from components.control.study import run_seed, summarise
from components.reporting.figures_applications import bars
from components.reporting.figures_control import success_by_bridge
from components.reporting.section import Section, percent
from pipelines.steps.application import Numbers, run_application

TITLE = "Ambiguous commands in a maze"
POLICIES = {
    "lse": "sum over states",
    "direct": "direct",
    "averaged_states": "direct to averaged states",
    "random": "random",
}


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``layouts``, ``seeds``, ``sizes``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """Every layout, over seeds."""
    numbers: Numbers = {}
    for layout in ctx.config["layouts"]:
        numbers[layout] = measure_layout(layout, ctx.config)
        ctx.progress(len(numbers), len(ctx.config["layouts"]), "mazes")
    return numbers, _section(numbers, ctx.config)


def measure_layout(layout: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """One maze. Keys as of :func:`components.control.study.summarise`."""
    sizes = config["sizes"]
    runs = [run_seed(layout, seed, sizes, ControlConfig(), EpisodeConfig()) for seed in config["seeds"]]
    return summarise(runs, sizes)


def _section(numbers: Numbers, config: Mapping[str, Any]) -> Section:
    told = "; ".join(
        f"{layout}: {percent(v['lse']['success'], digits=0)} % arrive, by direct choice"
        f" {percent(v['direct']['success'], digits=0)} %, at random {percent(v['random']['success'], digits=0)} %"
        for layout, v in numbers.items()
    )
    success = {layout: {POLICIES[p]: v[p]["success"] for p in POLICIES} for layout, v in numbers.items()}
    return Section(
        title=TITLE,
        finding=f"told only a row or a column, an agent that sums over the states it could mean gets there: {told}.",
        key=", ".join(
            f"{layout} {100 * v['lse']['success']['mean']:.0f} % against {100 * v['direct']['success']['mean']:.0f} %"
            for layout, v in numbers.items()
        ),
        about=f"Built-in mazes; nothing of the recipe's corpora. {len(config['seeds'])} seeds of walks, critics and"
        f" {EpisodeConfig.episodes} episodes of at most {EpisodeConfig.steps} steps, angles off by 20°; 95 % intervals"
        " over seeds. Critics learn which states follow an action, and which row and column a state is in, never an"
        " action with a name. Averaged states: sees the same states as the sum, but only their mean. SPL: success times"
        " the shortest way over the way taken.",
        figures=[
            bars(
                success,
                ours=[POLICIES["lse"]],
                chance={},
                name="control",
                title="Who arrives",
                caption="Share of episodes that reach the named row or column; 95 % intervals over seeds.",
                axis="success",
            ),
            success_by_bridge(numbers),
        ],
        columns=("maze", "choice", "success, %", "SPL, %", "gain of the sum, points"),
        words=2,
        rows=[_row(layout, p, v) for layout, v in numbers.items() for p in POLICIES],
    )


def _row(layout: str, policy: str, v: Mapping[str, Any]) -> list[str]:
    gain = percent(v["gain"][policy]["success"]) if policy in v["gain"] else ""
    return [layout, POLICIES[policy], percent(v[policy]["success"]), percent(v[policy]["spl"]), gain]
