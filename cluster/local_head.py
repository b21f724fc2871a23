"""A Ray head on this machine that outlives the command: dashboard and Jobs API on loopback, a token asked for.

It belongs to a home folder: ``cluster.json`` there says where it listens and which processes it is made of (ids with
the times they began, so that a number used again by somebody else is never taken for ours).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from cluster.rest import answers
from cluster.runtime import default_object_store_bytes, private_token, quiet_environment, temp_dir
from components.errors import UserError
from components.files import write_atomically

HOST = "127.0.0.1"
START_S, END_S = 120.0, 20.0
_PORTS = ("port", "dashboard_port", "ray_client_server_port")


@dataclass(frozen=True, kw_only=True)
class LocalHead:
    """A head that was started.

    Attributes:
        address: of its Jobs API and dashboard, ``http://127.0.0.1:PORT``.
        gcs: what drivers attach to, ``127.0.0.1:PORT``.
        token: file that holds the token.
        temp: Ray's folder of sockets and logs.
        pid, began: of its first process.
        members: id -> begin of all its processes when it was ready.
    """

    address: str
    gcs: str
    token: str
    temp: str
    pid: int
    began: float
    members: dict[int, float]

    @property
    def runs(self) -> bool:
        return _process(self.pid, self.began) is not None

    @property
    def memory_bytes(self) -> int:
        """Resident memory of all its processes."""
        total = 0
        for member in self.family():
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
        return total

    def family(self) -> list[psutil.Process]:
        """Those of its processes that are alive, children first."""
        top = _process(self.pid, self.began)
        family: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.Error):
            family = {p.pid: p for p in (top.children(recursive=True) if top else [])}
        for pid, began in self.members.items():
            if (found := _process(pid, began)) is not None:
                family.setdefault(pid, found)
        family.pop(self.pid, None)
        return [*family.values(), *([top] if top else [])]


def find(home: Path) -> LocalHead | None:
    """The head of this home, if it runs."""
    head = _recorded(home)
    return head if head and head.runs else None


def _recorded(home: Path) -> LocalHead | None:
    try:
        said = json.loads((home / "cluster.json").read_text())
        return LocalHead(**{**said, "members": {int(pid): began for pid, began in said["members"].items()}})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def up(home: Path, *, num_cpus: int | None = None, num_gpus: int | None = None) -> LocalHead:
    """Start a head and wait until its Jobs API answers.

    Raises:
        UserError: one of this home runs already, or it does not start within two minutes.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home):
        if (running := find(home)) is not None:
            told = f"a cluster of this home runs already, at {running.address}"
            raise UserError(told, where=str(home), do="use it, or end it with `isthmus cluster down`")
        if (dead := _recorded(home)) is not None:  # its first process was killed; what is left of it goes, too
            _end(dead)
        return _start(home.resolve(), num_cpus, num_gpus)


def down(home: Path) -> LocalHead:
    """End the head of this home: its own processes, no others, and its temporary folder. Raises UserError if none."""
    with _alone(home):
        head = find(home)
        if head is None:
            raise UserError("no cluster of this home runs", where=str(home))
        _end(head)
        (home / "cluster.json").unlink(missing_ok=True)
        return head


def _start(home: Path, num_cpus: int | None, num_gpus: int | None) -> LocalHead:
    quiet_environment()
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or private_token(home)).resolve()
    temp = temp_dir() / f"head-{os.getpid()}"
    ports = _free_ports()
    log = home / "logs" / "cluster.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out:
        process = subprocess.Popen(  # noqa: S603  # our own command
            _command(temp, ports, num_cpus, num_gpus),
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, env=_environment(token),
        )  # fmt: skip
    first = psutil.Process(process.pid)
    head = LocalHead(
        address=f"http://{HOST}:{ports['dashboard_port']}", gcs=f"{HOST}:{ports['port']}", token=str(token),
        temp=str(temp), pid=process.pid, began=first.create_time(), members={},
    )  # fmt: skip
    try:
        _wait(head, process, token.read_text().strip(), log)
        known = {p.pid: p.create_time() for p in first.children(recursive=True)}
        head = LocalHead(**{**asdict(head), "members": known})
        write_atomically(home / "cluster.json", json.dumps(asdict(head), indent=1).encode())
    except BaseException:
        _end(head)
        raise
    return head


def _command(temp: Path, ports: dict[str, int], num_cpus: int | None, num_gpus: int | None) -> list[str]:
    sizes = {"num-cpus": num_cpus, "num-gpus": num_gpus, "object-store-memory": default_object_store_bytes()}
    return [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--node-ip-address={HOST}", f"--dashboard-host={HOST}", "--include-dashboard=true", f"--temp-dir={temp}"),
        "--dashboard-agent-listen-port=0",  # its default is one fixed port: a second Ray here would take no jobs
        *(f"--{name.replace('_', '-')}={port}" for name, port in ports.items()),
        *(f"--{name}={value}" for name, value in sizes.items() if value is not None),
    ]


def _environment(token: Path) -> dict[str, str]:
    """The token's file, never the token: an environment can be read in /proc. Jobs begin with ``python``: ours."""
    kept = {k: v for k, v in os.environ.items() if k not in {"RAY_ADDRESS", "RAY_AUTH_TOKEN"}}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}


def _wait(head: LocalHead, process: subprocess.Popen[bytes], token: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while not answers(head.address, token):
        if process.poll() is not None or time.monotonic() > until:
            lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
            told = lines[-1] if lines else "it said nothing"
            raise UserError(f"the cluster did not start: {told}", do=f"its log is {log}; two CPUs and 2 GB are needed")
        time.sleep(0.2)


def _end(head: LocalHead) -> None:
    family = head.family()
    if family and family[-1].pid == head.pid:
        with contextlib.suppress(psutil.Error):
            family[-1].terminate()  # Ray's own way down; it ends its children
            family[-1].wait(END_S)
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    psutil.wait_procs(family, timeout=END_S)
    shutil.rmtree(head.temp, ignore_errors=True)


def _process(pid: int, began: float) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid)
        if abs(found.create_time() - began) < 1.0 and found.status() != psutil.STATUS_ZOMBIE:
            return found
    return None


def _free_ports() -> dict[str, int]:
    """All taken at the same time, so that they differ."""
    with contextlib.ExitStack() as stack:
        return {name: stack.enter_context(socket.create_server((HOST, 0))).getsockname()[1] for name in _PORTS}


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two commands at the same time: the second one is told so."""
    home.mkdir(parents=True, exist_ok=True)
    with open(home / ".cluster.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("another command starts or ends the cluster right now", where=str(home)) from None
        yield
