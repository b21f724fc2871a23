"""What a cluster's nodes are asked before work starts, and what is said about a node that differs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from cluster import probe
from cluster.probe import NodeReport, check, probe_cluster
from cluster.runtime import _versions_differ
from components.errors import UserError

OURS = {"ray": "2.60.0", "torch": "2.15.0+cpu", "pyarrow": "25.0.1"}


def report(sees: str = "secret", **packages: str | None) -> NodeReport:
    return NodeReport(node="10.0.0.7 (ab12)", python="3.11.7", packages={**OURS, **packages}, sees=sees)


def refusal(*reports: NodeReport, ours: Mapping[str, str | None] = OURS) -> str:
    with pytest.raises(UserError) as refused:
        check(list(reports), ours=ours, secret="secret", store="/data/store")
    return str(refused.value)


def test_equal_nodes_pass_whatever_build_of_torch_they_have() -> None:
    check([report(), report(torch="2.15.0+cu130")], ours={**OURS, "pot": None}, secret="secret", store="/s")


def test_the_node_the_package_and_both_versions_are_named() -> None:
    assert refusal(report(), report(pyarrow=None)) == (
        "node 10.0.0.7 (ab12): pyarrow is not installed; install pyarrow==25.0.1 there, or use the project's image on "
        "all nodes"
    )
    assert "it has ray 2.59.0 instead of 2.60.0" in refusal(report(ray="2.59.0"))
    assert "(Python 3.11.7)" in refusal(report(ray="2.59.0"))


@pytest.mark.parametrize("sees", ["No such file or directory", "another file", ""])
def test_a_store_that_a_node_does_not_see(sees: str) -> None:
    assert "10.0.0.7 (ab12): it does not see the store /data/store" in refusal(report(sees=sees))


def test_what_runs_on_the_nodes_needs_no_package_of_ours(tmp_path: Path) -> None:
    """It is unpickled by a Python that cannot import isthmus, and reads the file there."""
    (tmp_path / "f").write_text("secret")
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)(sys.argv[1], ('pyarrow', 'no-such-package')))"
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['cluster'] = None; " + code, str(tmp_path / "f")],
        input=cloudpickle.dumps(probe._make_report()), capture_output=True, check=True, cwd="/", env={},
    )  # fmt: skip
    said = done.stdout.decode()
    assert "'sees': 'secret'" in said
    assert "'no-such-package': None" in said
    local = pickle.loads(cloudpickle.dumps(probe._make_report()))
    assert local(str(tmp_path / "gone"), ())["sees"] == "No such file or directory"
    assert local(f"file://{tmp_path}/f", ())["sees"] == "secret"


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_in_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    def ask(where: str) -> list[Any]:
        assert Path(where).read_text()
        return [report(sees="nothing")] if fails else []

    monkeypatch.setattr(probe, "_ask", ask)
    if fails:
        with pytest.raises(UserError):
            probe_cluster(str(tmp_path))
    else:
        probe_cluster(str(tmp_path))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_both_versions_of_ray_and_python_are_said() -> None:
    raised = RuntimeError(
        "Version mismatch: The cluster was started with:\n    Ray: 2.59.0\n    Python: 3.12.1\n"
        "This process on 10.0.0.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    told = str(_versions_differ(raised, "h:1"))
    assert "h:1: the cluster runs Ray 2.59.0 with Python 3.12.1, this is Ray 2.60.0 with Python 3.11.7" in told


@pytest.mark.ray
def test_a_real_node_passes(ray_cluster: None, tmp_path: Path) -> None:
    (asked,) = probe_cluster(str(tmp_path))
    assert asked.packages["ray"]
