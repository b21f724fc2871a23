"""The command that shows the runs: MLflow's own UI, bound to loopback, on the right database."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from cluster.tracking import database
from cluster.tracking.environment import DEFAULTS
from cluster.tracking.redact import redact_text
from components.errors import UserError

HOST = "127.0.0.1"
PORT = 5000


def ui_command(home: Path, *, port: int = PORT, uri: str | None = None) -> list[str]:
    """The command line that serves the runs of ``home`` on ``http://127.0.0.1:<port>``.

    Raises:
        UserError: the runs are on a tracking server, which has its own UI; or the port is not between 1 and 65535.
    """
    resolved = database.resolve_uri(home, uri)
    if resolved.startswith("http"):
        raise UserError(f"the runs are on the server {redact_text(resolved)}", do="open that address in a browser")
    if not 1 <= port <= 65535:
        raise UserError(f"port is {port}", do="choose one between 1 and 65535")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", resolved, "--host", HOST]
    command += ["--port", str(port), "--workers", "1"]
    artifacts = database.artifact_folder(home, resolved)
    return [*command, "--artifacts-destination", str(artifacts)] if artifacts else command


def open_ui(home: Path, port: int = PORT) -> NoReturn:
    """Replace this process by MLflow's UI. Makes the database first if there is none.

    Raises:
        UserError: the port is taken, or the runs are on a server.
    """
    command = ui_command(home, port=port)
    if not _is_free(port):
        raise UserError(f"port {port} on {HOST} is taken", do="choose another one, e.g. --port 5001")
    home.mkdir(parents=True, exist_ok=True)
    database.initialise(database.resolve_uri(home))
    os.execve(command[0], command, {**DEFAULTS, **os.environ})  # noqa: S606  # no shell, our own arguments


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
