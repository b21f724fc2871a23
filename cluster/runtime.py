"""Ray for one run: attach to a cluster, or start a private quiet one that ends with this process."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import shutil
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from components.errors import UserError

_MOST_OBJECT_STORE = 1 << 30  # bytes
_LEAST_OBJECT_STORE = 128 << 20
_SHARE_OF_MEMORY = 0.3
_CONNECT_S = 5.0
_OLD_SESSION_S = 24 * 3600.0
_QUIET = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else workers look for uv and a package index
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_TQDM": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # what the raylet would print into our terminal; it stays in Ray's log files
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a future default that Ray otherwise warns about at every start
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": "2",  # the default retries for ever
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def quiet_environment() -> None:
    """Set what keeps Ray, tqdm and tokenizers silent, where the user has not set it. Before Ray starts; inherited."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


class RaySession:
    """A connection to Ray that cleans up after itself.

    Inside a process that is connected already it is a no-op: it neither starts nor stops anything.

    Args:
        address: of a running cluster (``auto``, ``host:port`` or ``ray://host:port``). None: what ``RAY_ADDRESS`` says
            (Ray sets it in submitted jobs), else a local Ray is started.
        home: folder for the token of the local Ray (mode 0600).
        num_cpus: of the local Ray; None: all of this machine.
        object_store_bytes: of the local Ray; default 1 GiB, or 30 % of the memory if that is less.

    A local Ray has no dashboard, asks for a token, and its processes end with this one, even if that is killed.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        home: Path,
        num_cpus: int | None = None,
        object_store_bytes: int | None = None,
    ) -> None:
        self.address, self._home = address or os.environ.get("RAY_ADDRESS"), home
        self._num_cpus, self._object_store_bytes = num_cpus, object_store_bytes
        self.started = False  # a local Ray, by us
        self.attached = False
        self._session_dir: Path | None = None
        self._environment: dict[str, str | None] = {}

    def start(self) -> RaySession:
        """Connect.

        Raises:
            UserError: nothing answers at the address, or a local Ray does not start in two attempts.
        """
        quiet_environment()
        self._use_token_of_cluster()
        import ray

        if ray.is_initialized():
            return self
        if self.address is None:
            self._start_local()
        else:
            self._attach(self.address)
        return self

    def stop(self) -> None:
        """Stop the local Ray that this session started, or leave the cluster. Anything else stays as it is."""
        if not (self.started or self.attached):
            return
        import ray

        ray.shutdown()
        if self._session_dir is not None:
            shutil.rmtree(self._session_dir, ignore_errors=True)
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        self.started = self.attached = False
        self._session_dir = None

    def keep_logs(self) -> Path | None:
        """Keep Ray's own logs on disk after :meth:`stop`, and say where they are (None if Ray is not ours)."""
        kept, self._session_dir = self._session_dir, None
        return kept / "logs" if kept else None

    def __enter__(self) -> RaySession:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if kind is not None:
            self.keep_logs()
        self.stop()

    def _use_token_of_cluster(self) -> None:
        """That of this home for the local head of this home, else the user's; before Ray is imported."""
        from cluster.local_head import find

        if self.address is None:
            return
        self._environment = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")}
        head = find(self._home)
        if head is not None and head.gcs == self.address and not os.environ.get("RAY_AUTH_TOKEN"):
            os.environ["RAY_AUTH_TOKEN_PATH"] = head.token
        if _has_token():  # a driver that attaches sends its token only in this mode
            os.environ.setdefault("RAY_AUTH_MODE", "token")

    def _attach(self, address: str) -> None:
        import ray

        _must_answer(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as exc:
            if "Version mismatch" in str(exc):
                raise _versions_differ(exc, address) from exc
            raise UserError(f"no Ray cluster answers: {_first_line(exc)}", where=address, do=_HOW_TO_ATTACH) from exc
        self.attached = True

    def _start_local(self) -> None:
        temp = temp_dir()
        _sweep_sessions(temp)
        self._private_token()
        try:
            self._init_local(temp)
        except Exception as first:
            logging.getLogger("isthmus.runtime").info("Ray did not start, trying once more: %s", first)
            _shutdown_quietly()
            time.sleep(1.0)
            try:
                self._init_local(temp)
            except Exception as exc:
                _shutdown_quietly()
                told = f"Ray did not start: {_first_line(exc)}"
                raise UserError(
                    told, do=f"its logs are in {temp}; two CPUs and 2 GB of free memory are needed"
                ) from exc
        self.started = True

    def _init_local(self, temp: Path) -> None:
        import ray

        context: Any = ray.init(
            address="local",
            num_cpus=self._num_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=self._object_store_bytes or default_object_store_bytes(),
            _temp_dir=str(temp),
        )
        session = context.address_info.get("session_dir")
        self._session_dir = Path(session) if session else None

    def _private_token(self) -> None:
        """Ray writes its token for everybody to read (mode 0644) unless the file is there already."""
        self._environment = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")}
        if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
            return
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(private_token(self._home))


_HOW_TO_ATTACH = "check the address and RAY_AUTH_TOKEN_PATH, or leave --address out for a local Ray"


def _versions_differ(exc: BaseException, address: str) -> UserError:
    """Ray tells its own and Python's version of both ends, over seven lines; the cluster's come first."""
    found = re.findall(r"(Ray|Python): (\S+)", str(exc))
    there, here = (" with ".join(f"{name} {version}" for name, version in end) for end in (found[:2], found[2:4]))
    return UserError(
        f"the cluster runs {there or 'another version of Ray'}, this is {here or 'ours'}",
        where=address,
        do="install the cluster's versions here, or submit the recipe as a job (isthmus submit)",
    )


def private_token(home: Path) -> Path:
    """The file with the token of the clusters of this home; made (mode 0600) if it is not there."""
    path = home.resolve() / "ray-token"
    home.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(handle, secrets.token_hex(32).encode())
        os.close(handle)
    path.chmod(0o600)
    return path


def _has_token() -> bool:
    """Whether this user has a token for Ray, wherever Ray looks for one."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    return path.is_file()


def default_object_store_bytes() -> int:
    """1 GiB or 30 % of the available memory, whichever is less (but at least 128 MiB)."""
    import psutil

    share = int(psutil.virtual_memory().available * _SHARE_OF_MEMORY)
    return max(_LEAST_OBJECT_STORE, min(_MOST_OBJECT_STORE, share))


def _must_answer(address: str) -> None:
    """Ray itself tries for minutes before it says that nobody is there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise UserError(f"{address!r} is no address of Ray", do="use auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as exc:
        raise UserError(f"no Ray cluster answers: {exc}", where=address, do=_HOW_TO_ATTACH) from exc


def temp_dir() -> Path:
    """A short path that is ours alone: Ray's unix sockets live below it, and their paths are limited to 107 bytes."""
    path = Path(os.environ.get("ISTHMUS_RAY_TMP") or f"/tmp/isthmus-ray-{os.getuid()}")  # noqa: S108
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise UserError("the folder belongs to somebody else", where=str(path), do="set ISTHMUS_RAY_TMP to another one")
    return path


def _sweep_sessions(temp: Path) -> None:
    """Remove what killed drivers left behind: sessions of dead processes, older than a day."""
    import psutil

    for session in temp.glob("session_*_*"):
        pid = session.name.rpartition("_")[2]
        with contextlib.suppress(OSError):
            old = time.time() - session.stat().st_mtime > _OLD_SESSION_S
            if pid.isdigit() and old and not psutil.pid_exists(int(pid)) and not session.is_symlink():
                shutil.rmtree(session, ignore_errors=True)


def _shutdown_quietly() -> None:
    import ray

    with contextlib.suppress(Exception):
        ray.shutdown()


def _first_line(exc: BaseException) -> str:
    return next((line.strip() for line in str(exc).splitlines() if line.strip()), type(exc).__name__)


def cluster_summary() -> dict[str, Any]:
    """CPUs, GPUs and nodes of the connected Ray."""
    import ray

    have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    nodes: list[Any] = ray.nodes()  # type: ignore[no-untyped-call]
    return {"cpus": have.get("CPU", 0.0), "gpus": have.get("GPU", 0.0), "nodes": len(nodes)}
