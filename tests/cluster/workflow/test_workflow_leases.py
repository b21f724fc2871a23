"""Leases: one holder, takeover of the dead and the silent, and nobody is fooled by a reused process id."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.workflow.lease import Lease, Leases, LeaseTiming
from cluster.workflow.owner import Owner
from components.errors import UserError
from components.files import Folder

FAST = LeaseTiming(heartbeat_s=0.05, expiry_s=0.3)


@pytest.fixture
def leases(tmp_path: Path) -> Leases:
    return Leases(Folder.at(tmp_path / "leases"), FAST)


def acquired(leases: Leases, name: str = "out") -> Lease:
    lease = leases.acquire(name)
    assert isinstance(lease, Lease)
    return lease


def again(leases: Leases) -> Leases:
    """The same leases, seen from another driver."""
    return Leases(leases.root, leases.timing)


def test_the_second_one_sees_who_holds_it(leases: Leases) -> None:
    lease = acquired(leases)
    holder = again(leases).acquire("out")
    assert isinstance(holder, Owner)
    assert (holder.pid, holder.token) == (os.getpid(), lease.token)


def test_different_outputs_do_not_exclude_each_other(leases: Leases) -> None:
    acquired(leases, "a")
    acquired(leases, "b")


def test_a_released_lease_is_free_at_once(leases: Leases) -> None:
    lease = acquired(leases)
    lease.release()
    assert not lease.held()
    heir = acquired(again(leases))
    assert heir.held()
    assert heir.heir_of is None


def test_of_many_at_once_exactly_one_gets_it(leases: Leases) -> None:
    for _ in range(10):
        barrier, got = threading.Barrier(8), []

        def race(barrier: threading.Barrier = barrier, got: list[object] = got) -> None:
            barrier.wait()
            got.append(again(leases).acquire("out"))

        threads = [threading.Thread(target=race) for _ in range(8)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        winners = [g for g in got if isinstance(g, Lease)]
        assert len(winners) == 1
        winners[0].release()


def test_heartbeats_keep_it(leases: Leases) -> None:
    lease = acquired(leases)
    other = again(leases)
    until = time.monotonic() + 3 * FAST.expiry_s
    while time.monotonic() < until:
        assert isinstance(other.acquire("out"), Owner)
        time.sleep(0.03)
    assert lease.held()


def test_a_silent_holder_is_replaced_after_the_expiry_and_knows_it(leases: Leases) -> None:
    lease = acquired(leases)
    lease.stop_heartbeat()
    other = again(leases)
    assert isinstance(other.acquire("out"), Owner), "one look cannot tell silence from a pause"
    time.sleep(1.2 * FAST.expiry_s)
    heir = acquired(other)
    assert heir.heir_of == lease.token
    assert not lease.held()
    lease.release()  # must not touch the heir's
    assert heir.held()


def test_the_heartbeat_tells_a_holder_that_it_lost(leases: Leases) -> None:
    lease = acquired(leases)
    folder = leases.root.sub("out").local
    (folder / "00000002.json").write_text("{}")
    time.sleep(6 * FAST.heartbeat_s)
    assert lease.lost


def test_a_dead_process_of_this_host_is_replaced_at_once(leases: Leases) -> None:
    holder = _holder_that_dies(leases)
    started = time.monotonic()
    heir = acquired(Leases(leases.root))  # the default expiry: 20 s
    assert time.monotonic() - started < 5
    assert heir.heir_of == holder


def _holder_that_dies(leases: Leases) -> str:
    code = (
        "import os, sys\nfrom cluster.workflow.lease import Leases\nfrom components.files import Folder\n"
        "print(Leases(Folder.at(sys.argv[1])).acquire('out').token, flush=True)\nos._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code, leases.root.path], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_an_unreadable_lease_is_waited_for_then_replaced(leases: Leases) -> None:
    """Its holder died between creating the file and writing into it."""
    folder = leases.root.sub("out").make().local
    (folder / "00000001.json").touch()
    other = again(leases)
    assert other.acquire("out") is None
    time.sleep(1.2 * FAST.expiry_s)
    acquired(other)


def test_only_the_certainly_dead_are_dead() -> None:
    me = Owner.new()
    assert not me.is_dead()
    assert replace(me, started=me.started - 3600).is_dead(), "a process id that was used again"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert replace(me, pid=gone.pid).is_dead()
    assert not replace(me, pid=gone.pid, host="elsewhere").is_dead()
    assert not replace(me, pid=gone.pid, boot="another boot").is_dead()
    assert not replace(me, pid=gone.pid, space="another container").is_dead()


def test_a_process_that_nobody_buried_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    import psutil

    owner = replace(Owner.new(), pid=child.pid, started=psutil.Process(child.pid).create_time())
    assert not owner.is_dead()
    child.kill()
    until = time.monotonic() + 5
    while not owner.is_dead() and time.monotonic() < until:
        time.sleep(0.01)
    assert owner.is_dead()
    child.wait()


def test_generations_leave_one_small_file(leases: Leases) -> None:
    for _ in range(5):
        acquired(leases).release()
    assert [f.name for f in leases.root.files()] == ["out/00000005.json"]
    assert not leases.is_live("out")
    assert leases.live_tokens() == set()


def test_impossible_timing_is_refused() -> None:
    with pytest.raises(UserError, match="three times heartbeat_s"):
        LeaseTiming(heartbeat_s=10, expiry_s=20)
