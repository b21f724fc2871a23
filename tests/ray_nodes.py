"""A Ray cluster of several machines on one: every node is a ``ray start`` of its own, with its own loopback address,
temporary folder and resources, and can be killed like a machine that loses its power."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipelines.bench.scale.servers import HOST, free_port

RAY = str(Path(sys.executable).with_name("ray"))


@dataclass
class Node:
    """A running ``ray start --block`` and all that it started."""

    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """SIGKILL to every process of this node at once."""
        top = psutil.Process(self.process.pid)
        family = [*top.children(recursive=True), top]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self.process.wait()
        psutil.wait_procs(family, timeout=10)


class RayNodes:
    """The first node is the head; the others are on 127.0.0.2, .3 …; tokens are on. A killed node can be started again,
    and is a new one to Ray."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        # Ray's sockets live below it: unix socket paths are limited to 107 bytes
        self._temp = Path(tempfile.mkdtemp(prefix="isthmus-nodes-", dir="/tmp"))
        self._logs = folder
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        # Ray starts workers at nice 15: while nodes start beside them, they would hardly run
        ours = {"RAY_AUTH_TOKEN_PATH": str(token), "RAY_AUTH_MODE": "token", "RAY_worker_niceness": "0"}
        self.environment = {**os.environ, **ours, **environment}
        self.address = f"{HOST}:{free_port()}"
        self.nodes: dict[str, Node] = {}
        self._ips: dict[str, str] = {}

    def start(self, name: str, **sizes: int) -> Node:
        """Start a node with a resource of its name; ``sizes``: ``num_cpus``, ``num_gpus``. Comes back when it is up."""
        assert name not in self.nodes or self.nodes[name].process.poll() is not None, f"{name} runs already"
        self._ips.setdefault(name, f"127.0.0.{len(self._ips) + 1}")
        joins = [f"--address={self.address}"]
        if not self.nodes:
            port = self.address.rpartition(":")[2]
            joins = ["--head", f"--port={port}", "--include-dashboard=false", f"--ray-client-server-port={free_port()}"]
        command = [
            *(RAY, "start", "--block", "--disable-usage-stats", f"--node-ip-address={self._ips[name]}"),
            *joins,
            f"--temp-dir={self._temp / name}",
            f"--object-store-memory={100 << 20}",
            f"--resources={json.dumps({name: 1})}",
            *(f"--{key.replace('_', '-')}={value}" for key, value in sizes.items()),
        ]
        with open(self._logs / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment, start_new_session=True
            )
        self.nodes[name] = Node(process)
        self._wait_for(name)
        return self.nodes[name]

    def kill(self, name: str) -> str:
        """As if its power were cut. Returns the name."""
        self.nodes[name].kill()
        return name

    def announce(self, node_id: str, *, seconds: int) -> None:
        """Give notice that a node will be taken away, as a cloud does with pre-emptible machines."""
        reason = ("--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=test")
        told = (f"--address={self.address}", f"--node-id={node_id}", f"--deadline-remaining-seconds={seconds}")
        subprocess.run([RAY, "drain-node", *told, *reason], env=self.environment, check=True, capture_output=True)

    def ensure(self, name: str, **sizes: int) -> None:
        """Start a node that is not up."""
        if self.nodes[name].process.poll() is not None:
            self.start(name, **sizes)

    def name_of(self, node_id: str) -> str:
        """The node that Ray knows by this id; its raylet has it among its arguments."""
        for name, node in self.nodes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(node.process.pid).children(recursive=True):
                    if node_id in " ".join(child.cmdline()):
                        return name
        raise KeyError(node_id)

    def stop(self) -> None:
        """End all of it, the head last."""
        for node in reversed(list(self.nodes.values())):
            with contextlib.suppress(psutil.NoSuchProcess):
                node.kill()
        shutil.rmtree(self._temp, ignore_errors=True)

    def _wait_for(self, name: str, seconds: float = 90) -> None:
        log, until = self._logs / f"{name}.log", time.monotonic() + seconds
        while "Ray runtime started" not in log.read_text():
            if self.nodes[name].process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text()[-3000:])
            time.sleep(0.1)
