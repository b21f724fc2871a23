"""Early stopping on Ray Tune: who is worse than the others by its epochs ends early, everybody else runs once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster.tuning import DONE, STOPPED, Task, TuneConfig, run_on_ray
from cluster.workflow.events import Event
from components.files import Folder

EPOCHS = 8


class Source:
    """A trial for every level of loss; ``None``: nothing of it was left to train."""

    def __init__(self, *levels: float | None) -> None:
        self.tasks = [Task(number=n, config={"level": level}) for n, level in enumerate(levels)]
        self.epochs: dict[int, list[int]] = {n: [] for n in range(len(levels))}
        self.ends: dict[int, Mapping[str, Any]] = {}

    def next(self) -> Task | None:
        return self.tasks.pop(0) if self.tasks else None

    def event(self, number: int, event: Event) -> None:
        self.epochs[number].append(event["epoch"])

    def done(self, number: int, outcome: Mapping[str, Any]) -> None:
        assert number not in self.ends
        self.ends[number] = outcome


def evaluate(task: Mapping[str, Any], emit: Any, report: Callable[[float], None]) -> dict[str, Any]:
    """Losses that fall from the trial's level."""
    for epoch in range(1, EPOCHS + 1) if task["level"] else ():
        emit({"epoch": epoch})
        report(task["level"] / epoch)
    return {"state": DONE}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(("scheduler", "concurrent"), [("median", 2), ("asha", 1)])
def test_a_hopeless_trial_is_stopped_after_its_grace(tmp_path: Path, scheduler: str, concurrent: int) -> None:
    """The last is the hopeless one: when it reports, others are there to compare, however many run at a time."""
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not see the tests
    source = Source(None, 1.0, 1.0, 1.0, 50.0)
    config = TuneConfig(evaluate=evaluate, concurrent=concurrent, most=len(source.tasks), scheduler=scheduler, grace=3)
    run_on_ray(source, config, Folder.at(tmp_path / "tune"))
    *others, last = [source.ends[n] for n in sorted(source.ends)]
    assert [end["state"] for end in others] == [DONE] * len(others)
    assert last == {"state": STOPPED, "epochs": 3}
    *others, last_epochs = source.epochs.values()
    assert last_epochs == [1, 2, 3], "it did not go on where nobody looked"
    assert others == [[], *[list(range(1, EPOCHS + 1))] * (len(others) - 1)], "none was paused and began again"
    assert not (tmp_path / "tune").exists()
