"""plan says hit, miss or stale, and why; fast, and without Ray."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from workflow_bodies import make
from workflow_driver import diamond

from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.plan import Plan, plan
from cluster.workflow.source import source_digest
from cluster.workflow.step import Step
from cluster.workflow.store import Store
from components.errors import UserError


def pipeline(dim: int = 8, pairs: str = "aa", version: str = "1") -> Graph:
    encode = Step(name="encode", version=version, run="workflow_bodies:write", config={"model": "hog"})
    spectral = replace(make("spectral", encode), config={"spectral": {"dim": dim, "k": 20}})
    cca = replace(make("cca", spectral), externals={"pairs": pairs}, locations={"pairs": "data/pairs.csv"})
    return Graph.of(cca)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.at(tmp_path / "store")
    assert execute(pipeline(), store, InProcess).ok
    return store


def told(found: Plan) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: (step.status, step.reasons) for name, step in found.steps.items()}


def test_an_empty_store_misses_everything(tmp_path: Path) -> None:
    found = plan(pipeline(), Store.at(tmp_path / "new"))
    assert told(found) == dict.fromkeys(("encode", "spectral", "cca"), ("miss", ("never made",)))
    assert found.to_run == ["encode", "spectral", "cca"]
    assert not (tmp_path / "new").exists(), "planning writes nothing"


def test_nothing_changed_means_hits(store: Store) -> None:
    assert told(plan(pipeline(), store)) == dict.fromkeys(("encode", "spectral", "cca"), ("hit", ()))


def test_a_changed_config_is_named_with_both_values(store: Store) -> None:
    assert told(plan(pipeline(dim=16), store)) == {
        "encode": ("hit", ()),
        "spectral": ("stale", ("spectral.dim 8 -> 16",)),
        "cca": ("stale", ("input spectral changed",)),
    }


def test_a_changed_file_is_named(store: Store) -> None:
    assert told(plan(pipeline(pairs="bb"), store))["cca"] == ("stale", ("file data/pairs.csv changed",))


def test_a_raised_version_is_named(store: Store) -> None:
    found = told(plan(pipeline(version="2"), store))
    assert found["encode"] == ("stale", ("version 1 -> 2",))
    assert found["cca"] == ("stale", ("input spectral changed",))


def test_an_input_that_is_new_or_gone_is_named(store: Store) -> None:
    graph = Graph.of(make("spectral", make("other")))
    reasons = plan(graph, store).steps["spectral"].reasons
    assert "input encode is gone" in reasons
    assert "input other is new" in reasons


def test_going_back_hits_again(store: Store) -> None:
    assert execute(pipeline(dim=16), store, InProcess).ok
    assert plan(pipeline(), store).to_run == []


def test_damage_is_a_miss_with_its_reason(store: Store) -> None:
    graph = pipeline()
    output = store.find("spectral", graph.keys["spectral"]).output
    assert output is not None
    (output.folder.local / "data.parquet").write_bytes(b"")
    status, (reason,) = told(plan(graph, store))["spectral"]
    assert status == "miss"
    assert reason.startswith("damaged: data.parquet is truncated (0 of ")


def test_forced_steps_and_what_follows(store: Store) -> None:
    found = plan(pipeline(), store, force={"spectral"})
    assert told(found) == {
        "encode": ("hit", ()),
        "spectral": ("stale", ("forced",)),
        "cca": ("stale", ("a step before it is forced",)),
    }
    with pytest.raises(UserError, match="there is no step nope"):
        plan(pipeline(), store, force={"nope"})


def test_a_hit_by_other_source_is_a_hit_with_a_warning(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(pipeline(), store).steps["encode"].warnings == ()
    monkeypatch.setattr("cluster.workflow.plan.source_digest", lambda run: "another")
    step = plan(pipeline(), store).steps["encode"]
    assert step.status == "hit"
    assert step.warnings == ("made by other source under the same version 1: bump it, or use --force encode",)


def test_the_source_digest_follows_imports_within_our_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "bodies_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "body.py").write_text("def run(ctx):\n    from . import maths\n    import json\n    return {}\n")
    (package / "maths.py").write_text("from bodies_pkg.deep import x\n")
    (package / "deep.py").write_text("x = 1\n")
    (package / "unrelated.py").write_text("y = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = source_digest("bodies_pkg.body:run")
    assert before is not None
    (package / "unrelated.py").write_text("y = 22\n")
    assert source_digest("bodies_pkg.body:run") == before
    (package / "deep.py").write_text("x = 222\n")
    assert source_digest("bodies_pkg.body:run") != before
    assert "bodies_pkg" not in sys.modules, "nothing is imported"
    assert source_digest("no_such_package.body:run") is None


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom workflow_driver import diamond\nfrom cluster.workflow.plan import plan\n"
        "from cluster.workflow import history, gc, executor, inprocess, ray_dispatch\nimport cluster.runtime\n"
        "from cluster.workflow.store import Store\nplan(diamond(), Store.at('nowhere'))\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'ray', 'torch', 'mlflow', 'sklearn', 'scipy', 'pandas', 'typer', 'rich', 'faiss', 'matplotlib'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_unneeded_steps_are_marked(store: Store) -> None:
    graph = pipeline()
    store.discard("encode", graph.keys["encode"])
    found = plan(graph, store)
    assert (found.steps["encode"].status, found.steps["encode"].needed) == ("miss", False)
    assert found.to_run == []


def test_plans_are_the_same_every_time(store: Store) -> None:
    assert list(plan(diamond(), store).steps) == list(plan(diamond(), store).steps)
    assert plan(diamond(), store) == plan(diamond(), store)
