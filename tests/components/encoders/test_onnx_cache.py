from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from components.encoders.onnx_cache import cached_onnx, default_cache_dir, export, open_session
from components.encoders.protocol import LoadOptions


def test_built_once_per_content(tmp_path: Path) -> None:
    built: list[str] = []

    def build(text: str) -> Path:
        return cached_onnx("net", text, lambda path: built.append(text) or (path.write_text(text) and None), tmp_path)

    first, again, other = build("a"), build("a"), build("b")
    assert first == again != other
    assert (first.read_text(), other.read_text()) == ("a", "b")
    assert built == ["a", "b"]


def test_several_builders_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    everyone = Barrier(6)

    def build(path: Path) -> None:
        with path.open("w") as stream:
            stream.write("half ")
            stream.flush()
            everyone.wait(10)  # all six are in the middle of writing at this moment
            assert not list(tmp_path.glob("net-*.onnx")), "a half-written file is visible"
            everyone.wait(10)
            stream.write("and half")

    with ThreadPoolExecutor(6) as pool:
        paths = list(pool.map(lambda _: cached_onnx("net", "same", build, tmp_path), range(6)))
    assert len(set(paths)) == 1
    assert paths[0].read_text() == "half and half"
    assert [p.name for p in tmp_path.iterdir()] == [paths[0].name]


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cached_onnx("net", "x", build, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_default_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "isthmus"


@pytest.mark.parametrize("has_first_exporter", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_exported_network_computes_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_first_exporter: bool
) -> None:
    import torch

    original = torch.onnx.export

    def only_dynamo(*args: Any, **kwargs: Any) -> Any:
        if not kwargs["dynamo"]:
            raise TypeError("export() got an unexpected keyword argument 'dynamic_axes'")
        return original(*args, **kwargs)

    if not has_first_exporter:
        monkeypatch.setattr(torch.onnx, "export", only_dynamo)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.GELU())
    export(net, (torch.zeros(2, 5),), tmp_path / "net.onnx", ["x"], [{0: "batch"}])
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]  # weights inside
    x = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    found = open_session(tmp_path / "net.onnx", LoadOptions(threads=1)).run(None, {"x": x})[0]
    with torch.no_grad():
        np.testing.assert_allclose(found, net(torch.from_numpy(x)).numpy(), atol=1e-6)
