from __future__ import annotations

import os

import pytest

from components.encoders.device import num_threads, torch_device, usable_cores
from components.encoders.protocol import LoadOptions


@pytest.mark.parametrize("sees_gpu", [True, False])
def test_auto_is_the_gpu_exactly_when_torch_sees_one(monkeypatch: pytest.MonkeyPatch, sees_gpu: bool) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: sees_gpu)
    assert torch_device(LoadOptions(device="auto")) == ("cuda" if sees_gpu else "cpu")
    assert torch_device(LoadOptions()) == "cpu"


def test_threads_are_those_asked_for_or_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7})
    assert usable_cores() == 3
    assert num_threads(LoadOptions()) == 3
    assert num_threads(LoadOptions(threads=1)) == 1
