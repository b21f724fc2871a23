"""Devices: pinned, unwaited transfer and bfloat16 on an accelerator, nothing of it on a CPU; no device by number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.devices import autocast, to_device
from components.encoders.device import torch_forward

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


class Accelerator:
    """What torch says on a machine whose accelerator is ``meta``: a device without data that every build has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pinned: list[torch.Tensor] = []
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *a, **k: torch.device("meta"))
        monkeypatch.setattr(torch.amp, "is_autocast_available", lambda kind: kind in ("meta", "cpu"))
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: self.pinned.append(tensor) or tensor)


def test_on_its_way_to_an_accelerator_a_tensor_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Accelerator(monkeypatch)
    moved = to_device(torch.ones(3), torch.device("meta"))
    assert (moved.device.type, len(there.pinned)) == ("meta", 1)
    stays = torch.ones(3)
    assert to_device(stays, CPU) is stays
    assert len(there.pinned) == 1


def test_bfloat16_is_for_accelerators_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Accelerator(monkeypatch)
    asked: list[tuple[str, bool]] = []

    def note(kind: str, dtype: Any, enabled: bool) -> None:
        asked.append((kind, enabled))

    monkeypatch.setattr(torch, "autocast", note)
    for device, precision in (("meta", "auto"), ("cpu", "auto"), ("cpu", "bfloat16"), ("meta", "float32")):
        autocast(torch.device(device), precision)
    assert asked == [("meta", True), ("cpu", False), ("cpu", True), ("meta", False)]


def test_a_module_as_a_function_of_arrays_is_exact_on_a_cpu() -> None:
    module = torch.nn.Linear(3, 2)
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(rows)).numpy()
    np.testing.assert_array_equal(torch_forward(module, "cpu")(rows), expected)
    doubled = torch_forward(module, "cpu", call=lambda m, x: 2 * m(x))(rows)
    np.testing.assert_allclose(doubled, 2 * expected, rtol=1e-6)
    assert doubled.dtype == np.float32


def test_no_code_names_a_device_by_its_number() -> None:
    """Ray decides which GPU a process sees; a number in the code would put all workers of a node on one of them."""
    files = [p for layer in ("components", "cluster", "pipelines") for p in (ROOT / layer).rglob("*.py")]
    named = [str(p) for p in files if re.search(r"cuda:\d|device\(\s*[\"']cuda[\"']\s*,\s*\d|\.cuda\(", p.read_text())]
    assert len(files) > 100
    assert named == []
