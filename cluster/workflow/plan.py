"""What a run would do, and why: for each step hit, miss or stale, with the reasons in words. Needs no Ray."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from cluster.workflow.graph import Graph
from cluster.workflow.keys import changes
from cluster.workflow.manifest import InputRef, Manifest
from cluster.workflow.provenance import without_secrets
from cluster.workflow.source import source_digest
from cluster.workflow.step import Step
from cluster.workflow.store import Found, Output, Store

Status = Literal["hit", "miss", "stale"]


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """The plan for one step.

    Attributes:
        status: ``hit``: its output is there and sound. ``stale``: one was made before, from something else.
            ``miss``: never made, or damaged.
        broken: there is something under this very key, but damaged, or made from contents that the inputs no longer
            have. Always made again, whether needed or not: nobody may read it.
        needed: whether it is a target, broken or forced, or a step that will run reads it.
        reasons: why it is no hit, e.g. ``"spectral.dim 8 -> 16"``, ``"input encode-left changed"``, ``"never made"``.
        warnings: e.g. that a hit was made by other source under the same version.
        output: the sound output, if there is one.
    """

    name: str
    key: str
    status: Status
    broken: bool = False
    needed: bool = True
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    output: Output | None = None

    @property
    def runs(self) -> bool:
        return self.needed and self.status != "hit"


@dataclass(frozen=True)
class Plan:
    """name -> :class:`StepPlan`, in topological order."""

    steps: Mapping[str, StepPlan] = field(default_factory=dict)

    @property
    def to_run(self) -> list[str]:
        """Names of the steps that have to run, in topological order."""
        return [name for name, step in self.steps.items() if step.runs]


def plan(
    graph: Graph,
    store: Store,
    *,
    force: Collection[str] = (),
    verify: bool = False,
    trusted: Collection[str] = (),
) -> Plan:
    """Compare a graph with a store.

    A hit is an output that is complete, undamaged, and made from the very contents that its inputs have now: if an
    input was made again (forced, damaged) and came out different, what was made from it is stale, key or no key.

    Args:
        force: names of steps to make again; what is downstream of them is made again, too.
        verify: compare digests of all outputs, also of large ones.
        trusted: steps whose outputs this process has just made or checked.

    Raises:
        UserError: a forced step is not in the graph.
    """
    forced = graph.downstream(force)
    plans: dict[str, StepPlan] = {}
    published = cache(store.outputs)  # one listing, and none at all if everything hits
    for name in graph.steps:
        found = store.find(name, graph.keys[name], verify=verify, trust=name in trusted)
        if found.output is None and found.damage is None:
            before = store.newest(name, published())
            plans[name] = _never_made(graph, name, before)
        else:
            plans[name] = _made(graph, name, found, plans)
        if name in forced:
            word = "forced" if name in force else "a step before it is forced"
            plans[name] = replace(plans[name], status="stale", reasons=(word,), output=None)
    return Plan(_only_needed(graph, plans, forced))


def _never_made(graph: Graph, name: str, before: Manifest | None) -> StepPlan:
    key = graph.keys[name]
    if before is None:
        return StepPlan(name=name, key=key, status="miss", reasons=("never made",))
    return StepPlan(name=name, key=key, status="stale", reasons=explain(graph.steps[name], before, graph.keys))


def _made(graph: Graph, name: str, found: Found, plans: Mapping[str, StepPlan]) -> StepPlan:
    step, key, output = graph.steps[name], graph.keys[name], found.sound
    if output is None:
        return StepPlan(name=name, key=key, status="miss", broken=True, reasons=(f"damaged: {found.damage}",))
    present = {n: p.output for n, p in plans.items() if p.output is not None}
    if other := made_from_other_contents(step, output.manifest, present):
        return StepPlan(name=name, key=key, status="stale", broken=True, reasons=other)
    return StepPlan(name=name, key=key, status="hit", warnings=_warnings(step, output.manifest), output=output)


def explain(step: Step, before: Manifest, keys: Mapping[str, str]) -> tuple[str, ...]:
    """Why a step is not the one that made an earlier output: everything that enters the key and differs."""
    reasons = [] if before.version == step.version else [f"version {before.version} -> {step.version}"]
    reasons += changes(before.config, step.config)
    inputs = {name: keys[s.name] for name, s in step.inputs.items()}
    reasons += _input_changes(before.inputs, inputs, {n: s.name for n, s in step.inputs.items()})
    reasons += [
        f"file {without_secrets(step.locations.get(n, n))} changed" for n in _changed(before.externals, step.externals)
    ]
    return tuple(reasons) or ("made from the same by another name",)


def _input_changes(before: Mapping[str, InputRef], now: Mapping[str, str], made_by: Mapping[str, str]) -> list[str]:
    changed = _changed({n: ref.key for n, ref in before.items()}, now)
    return [f"input {made_by.get(n) or before[n].step} {_how(n, before, now)}" for n in changed]


def _how(name: str, before: Mapping[str, object], now: Mapping[str, object]) -> str:
    if name not in before:
        return "is new"
    return "changed" if name in now else "is gone"


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [n for n in sorted({*before, *now}) if before.get(n) != now.get(n)]


def made_from_other_contents(step: Step, manifest: Manifest, outputs: Mapping[str, Output]) -> tuple[str, ...]:
    """Inputs whose contents are not those that an output with the right key was made from, in words.

    Args:
        outputs: step name -> its present output; inputs that have none are not compared.
    """
    reasons = []
    for name, ref in manifest.inputs.items():
        now = outputs.get(step.inputs[name].name) if name in step.inputs else None
        if now is not None and now.manifest.digest != ref.digest:
            reasons.append(f"input {ref.step} was made again and came out different")
    return tuple(reasons)


def _warnings(step: Step, manifest: Manifest) -> tuple[str, ...]:
    recorded = manifest.made.get("source")
    if recorded is None or recorded == source_digest(step.run):
        return ()
    return (f"made by other source under the same version {step.version}: bump it, or use --force {step.name}",)


def _only_needed(graph: Graph, plans: Mapping[str, StepPlan], forced: Collection[str]) -> dict[str, StepPlan]:
    """Walk back from the targets: what nobody reads need not be made, unless it is broken or forced."""
    wanted: set[str] = set(graph.targets)
    done: dict[str, StepPlan] = {}
    for name in reversed(list(plans)):
        step = plans[name]
        done[name] = replace(step, needed=name in wanted or name in forced or step.broken)
        if done[name].runs:
            wanted |= graph.inputs_of(name)
    return {name: done[name] for name in plans}
