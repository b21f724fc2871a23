from __future__ import annotations

import threading
from collections.abc import Mapping

from cluster.tracking.system import Sampler, process_tree_reader


class Heard:
    def __init__(self, enough: int) -> None:
        self.rows: list[tuple[str, int, Mapping[str, float]]] = []
        self.done = threading.Event()
        self._enough = enough

    def __call__(self, step: str, time_ms: int, index: int, values: Mapping[str, float]) -> None:
        self.rows.append((step, index, values))
        if len(self.rows) >= self._enough:
            self.done.set()


def test_a_long_step_is_sampled_from_its_beginning() -> None:
    heard = Heard(enough=6)
    sampler = Sampler(heard, interval_s=0.02, long_step_s=0.1)
    sampler.begin("train")
    assert heard.done.wait(30)
    sampler.stop()
    assert [index for _, index, _ in heard.rows[:6]] == list(range(6))
    assert all(name.startswith("system/") for name in heard.rows[0][2])


def test_a_short_step_leaves_no_samples() -> None:
    heard = Heard(enough=3)
    sampler = Sampler(heard, interval_s=0.02, long_step_s=0.2)
    sampler.begin("long")
    sampler.begin("short")
    sampler.end("short")
    assert heard.done.wait(30)
    sampler.stop()
    assert {step for step, _, _ in heard.rows} == {"long"}


def test_the_process_tree_has_memory_that_grows_with_use() -> None:
    read = process_tree_reader()
    before = read()["system/process_tree_memory_mib"]
    ballast = bytearray(b"x" * (64 * 2**20))
    after = read()["system/process_tree_memory_mib"]
    assert after - before > 50
    assert ballast
