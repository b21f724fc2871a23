"""gc removes what no recent run uses, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from workflow_bodies import make

from cluster.workflow.executor import execute
from cluster.workflow.gc import gc
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.lease import Lease
from cluster.workflow.results import State
from cluster.workflow.store import Store
from components.errors import UserError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path)


def run(store: Store, number: int) -> Graph:
    graph = Graph.of(make("b", make("a", value=1), value=number))
    assert execute(graph, store, InProcess, run_id=f"r{number:03d}").ok
    return graph


def objects(store: Store) -> set[str]:
    return set(store.outputs())


def age(root: Path, seconds: float = 7200) -> None:
    then = time.time() - seconds
    for path in [root, *root.rglob("*")]:
        os.utime(path, (then, then))


def test_outputs_of_old_runs_go_and_shared_ones_stay(store: Store) -> None:
    graphs = [run(store, n) for n in range(4)]
    age(store.root.local)
    would = gc(store, keep_runs=2, dry_run=True)
    assert len(objects(store)) == 5
    done = gc(store, keep_runs=2)
    assert done.outputs == would.outputs
    assert done.num_bytes == would.num_bytes > 0
    assert objects(store) == {
        f"a-{graphs[0].keys['a'][:16]}",
        *(f"b-{g.keys['b'][:16]}" for g in graphs[2:]),
    }
    assert execute(graphs[3], store, InProcess, run_id="r900").names(State.HIT) == ["a", "b"]
    assert gc(store, keep_runs=2).outputs == (f"b-{graphs[2].keys['b'][:16]}",), "that run counts, too"


def test_nothing_young_goes_unless_told_so(store: Store) -> None:
    run(store, 1)
    run(store, 2)
    assert gc(store, keep_runs=1).outputs == ()
    assert len(gc(store, keep_runs=1, min_age_s=0).outputs) == 1


def test_nothing_leased_goes(store: Store) -> None:
    graph = run(store, 1)
    run(store, 2)
    lease = store.leases().acquire(f"b-{graph.keys['b'][:16]}")
    assert isinstance(lease, Lease)
    draft = store.draft("b", graph.keys["b"], lease).sub("x")
    draft.write_bytes("half", b"1")
    done = gc(store, keep_runs=1, min_age_s=0)
    assert (done.outputs, done.drafts) == ((), 0)
    lease.release()
    done = gc(store, keep_runs=1, min_age_s=0)
    assert (len(done.outputs), done.drafts) == (1, 1)


def test_drafts_of_the_dead_go(store: Store) -> None:
    run(store, 1)
    dead = store.root.local / "tmp" / "b-0123456789abcdef.deadbeef"
    (dead / "x").mkdir(parents=True)
    (dead / "x" / "half.bin").write_bytes(b"12345")
    assert gc(store).drafts == 0
    age(dead)
    done = gc(store)
    assert (done.drafts, done.num_bytes) == (1, 5)
    assert not dead.exists()


def test_checkpoints_stay_while_a_kept_run_will_resume_them(store: Store) -> None:
    failing = Graph.of(make("f", body="reads_work", times=99))
    execute(failing, store, InProcess, run_id="r001")
    age(store.root.local)
    assert gc(store, keep_runs=1).works == 0
    run(store, 2)
    assert gc(store, keep_runs=1).works == 1
    assert not store.work("f", failing.keys["f"]).exists()


def test_two_hundred_runs_leave_little(store: Store) -> None:
    """Soak: files of a store stay bounded."""
    for number in range(205):
        store.write_run(f"r{number:03d}", {"steps": {}})
    for number in range(3):
        run(store, 900 + number)
    age(store.root.local)
    done = gc(store, keep_runs=1)
    assert done.records == 8
    assert len(store.run_ids()) == 200
    files = [p for p in store.root.local.rglob("*") if p.is_file() and p.parent.name != "runs"]
    assert {p.relative_to(store.root.local).parts[0] for p in files} == {"objects"}


def test_keeping_nothing_is_refused(store: Store) -> None:
    with pytest.raises(UserError, match="keep at least 1 run"):
        gc(store, keep_runs=0)
