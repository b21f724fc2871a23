"""The peak is that of what ran since, also if more was in use before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.workflow import peak_memory
from cluster.workflow.peak_memory import PeakMemory

BIG = 256 << 20


def fill() -> int:
    return int(np.ones(BIG, dtype=np.uint8)[::4096].sum())


def test_what_was_used_is_counted_and_what_was_used_before_is_not() -> None:
    before = PeakMemory()
    fill()
    most = before.bytes()
    assert most is not None and most > BIG
    after = PeakMemory().bytes()
    assert after is None or after < most - BIG // 2


def test_a_system_that_cannot_forget_tells_only_a_new_peak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peak_memory, "_FORGET", tmp_path / "absent" / "clear_refs")
    fill()
    memory = PeakMemory()
    assert memory.bytes() is None
    held = [np.ones(BIG, dtype=np.uint8), np.ones(BIG, dtype=np.uint8)]
    found = memory.bytes()
    assert found is not None and found > sum(map(len, held))
