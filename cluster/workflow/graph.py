"""A graph of steps: names are unique, order is topological and the same every time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cluster.workflow.keys import check_json, step_key
from cluster.workflow.step import Step
from components.errors import UserError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Graph:
    """All steps that the targets need.

    Attributes:
        steps: name -> step, every step after its inputs.
        keys: name -> key of :func:`cluster.workflow.keys.step_key`.
        targets: names of the steps whose outputs are wanted.
    """

    steps: Mapping[str, Step]
    keys: Mapping[str, str]
    targets: tuple[str, ...]

    @classmethod
    def of(cls, *targets: Step) -> Graph:
        """The graph below ``targets``.

        Raises:
            UserError: two different steps share a name, a name is not lower case with dashes, a step needs itself,
                or a config is not JSON.
        """
        steps: dict[str, Step] = {}
        for target in targets:
            _visit(target, steps, ())
        keys: dict[str, str] = {}
        for name, step in steps.items():
            check_json(step.options, f"options of step {name}")
            keys[name] = step_key(step, {i: keys[s.name] for i, s in step.inputs.items()})
        return cls(steps, keys, tuple(dict.fromkeys(t.name for t in targets)))

    def __len__(self) -> int:
        return len(self.steps)

    def inputs_of(self, name: str) -> set[str]:
        """Names of the steps that ``name`` reads directly."""
        return {s.name for s in self.steps[name].inputs.values()}

    def downstream(self, names: Iterable[str]) -> set[str]:
        """``names`` and all steps that read them, directly or not. Raises UserError for a name that is not here."""
        found = set(names)
        if unknown := found - set(self.steps):
            have = ", ".join(self.steps)
            raise UserError(f"there is no step {', '.join(sorted(unknown))}", do=f"the steps are: {have}")
        for name in self.steps:  # topological: one pass reaches everything
            if self.inputs_of(name) & found:
                found.add(name)
        return found


def _visit(step: Step, steps: dict[str, Step], path: tuple[str, ...]) -> None:
    if step.name in path:
        raise UserError(f"step {step.name} needs itself: {' -> '.join([*path, step.name])}")
    known = steps.get(step.name)
    if known is not None:
        if known is not step and known != step:
            raise UserError(f"two different steps are called {step.name}", do="give each step its own name")
        return
    if not _NAME.fullmatch(step.name):
        raise UserError(f"{step.name!r} is no name for a step", do="use lower case, digits and single dashes")
    for needed in step.inputs.values():
        _visit(needed, steps, (*path, step.name))
    steps[step.name] = step
