"""Servers of one's own for a measurement or a test: PostgreSQL and MLflow, on loopback, ended by their process ids."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
USER = "isthmus"
PROGRAMS = ("initdb", "postgres", "createdb", "pg_isready")
START_S = 300.0
# The cache spares a slow hash of the password with every request.
LOGINS = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {database}
auth_cache_ttl_seconds = 60
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def postgres_programs() -> Path | None:
    """The folder of ``initdb``, ``postgres`` and its clients, or None: on the path, or Debian's newest version."""
    on_path = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    packaged = Path("/usr/lib/postgresql").glob("*/bin")
    folders = [*on_path, *sorted(packaged, key=lambda p: int(p.parent.name), reverse=True)]
    return next((f for f in folders if all((f / name).is_file() for name in PROGRAMS)), None)


class Process:
    """A server process of its own group; ``start`` waits until ``is_up``."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.running: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str], environment: Mapping[str, str], is_up: Callable[[], bool]) -> None:
        """Raises RuntimeError with the end of the log if it ends, or is not up after five minutes."""
        with open(self.log, "ab") as log:
            self.running = subprocess.Popen(  # noqa: S603  # our own command
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        until = time.monotonic() + START_S
        while not is_up():
            if self.running.poll() is not None or time.monotonic() > until:
                self.end(signal.SIGKILL)
                raise RuntimeError(f"{command[0]} did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.running is None:
            return
        for sign in (how, signal.SIGKILL):
            try:
                os.killpg(self.running.pid, sign)
                self.running.wait(20)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.running = None


def is_healthy(uri: str) -> bool:
    """Whether an MLflow server answers."""
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:  # noqa: S310  # our own server
            return bool(answer.status == 200)
    except OSError:
        return False


class Postgres:
    """A database cluster in a temporary folder. As root it runs as the user ``postgres``: PostgreSQL refuses root.

    ``environment`` holds the password, and belongs to those that connect to :meth:`uri`; it is in no URI and on no
    command line.
    """

    def __init__(self) -> None:
        programs = postgres_programs()
        if programs is None:
            raise RuntimeError("PostgreSQL is not installed")
        self._programs, self.port = programs, free_port()
        self.environment = {"PGPASSWORD": secrets.token_hex(16)}
        self.folder = Path(tempfile.mkdtemp(prefix="isthmus-pg-"))
        self._process = Process(self.folder / "server.log")

    def __enter__(self) -> Self:
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self.environment["PGPASSWORD"])
        if os.getuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, "postgres", "postgres")
        data = str(self.folder / "data")
        made = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}", "--no-sync", "--encoding=UTF8")
        subprocess.run(self._command("initdb", "-D", data, *made), check=True, capture_output=True)  # noqa: S603
        password.unlink()
        listen = ("-c", f"listen_addresses={HOST}", "-c", f"port={self.port}", "-k", str(self.folder), "-F")
        self._process.start(self._command("postgres", "-D", data, *listen), os.environ, self._is_up)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._process.end(signal.SIGINT)  # a fast shutdown: it does not wait for clients
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, database: str) -> str:
        """A new database; returns its URI (SQLAlchemy 2.1 takes psycopg 3 if no driver is named)."""
        self._client("createdb", database)
        return f"postgresql+psycopg2://{USER}@{HOST}:{self.port}/{database}"

    def _is_up(self) -> bool:
        ready = self._command("pg_isready", "-h", HOST, "-p", str(self.port))
        return subprocess.run(ready, capture_output=True, check=False).returncode == 0  # noqa: S603

    def _client(self, program: str, *args: str) -> None:
        command = [str(self._programs / program), "-h", HOST, "-p", str(self.port), "-U", USER, *args]
        environment = {**os.environ, **self.environment}
        subprocess.run(command, check=True, capture_output=True, env=environment)  # noqa: S603

    def _command(self, program: str, *args: str) -> list[str]:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        return [*as_user, str(self._programs / program), *args]


class MlflowServer:
    """``mlflow server`` with an artifact proxy and a login.

    ``client`` is the environment of its clients: address, user and password.

    Args:
        folder: of artifacts, logs and, without ``database``, of SQLite.
        database, logins: URIs of the databases of runs and of users; None: SQLite in ``folder``.
        environment: more variables, such as the database's password.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str | None = None,
        logins: str | None = None,
        environment: Mapping[str, str] | None = None,
        workers: int = 2,
    ) -> None:
        self.folder, self.port, self._workers = folder, free_port(), workers
        self._database = database or f"sqlite:///{folder}/mlflow.db"
        self._logins, self._more = logins or f"sqlite:///{folder}/logins.db", dict(environment or {})
        self.uri = f"http://{HOST}:{self.port}"
        self.client = {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": "driver",
            "MLFLOW_TRACKING_PASSWORD": secrets.token_hex(16),
        }
        self._process = Process(folder / "mlflow-server.log")

    def __enter__(self) -> Self:
        config = self.folder / "login.ini"
        config.touch(mode=0o600)
        config.write_text(LOGINS.format(database=self._logins))
        environment = {
            **os.environ,
            **self._more,
            "MLFLOW_BACKEND_STORE_URI": self._database,
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_USERNAME": self.client["MLFLOW_TRACKING_USERNAME"],
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.client["MLFLOW_TRACKING_PASSWORD"],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", HOST]
        command += ["--port", str(self.port), "--workers", str(self._workers)]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        self._process.start(command, environment, lambda: is_healthy(self.uri))
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._process.end()

    @property
    def log(self) -> str:
        return self._process.log.read_text(errors="replace")
