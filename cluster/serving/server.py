"""The front door's socket: HTTP on loopback until the process is told to end."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from components.errors import UserError

HOST = "127.0.0.1"
BACKLOG = 4096
KEEP_ALIVE_S = 5
LOG_NAME = "serve.log"


def bind(port: int) -> socket.socket:
    """A socket on loopback; port 0 is any free one. Raises UserError if the port is taken."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        told = f"port {port} on {HOST} cannot be used ({error.strerror})"
        raise UserError(told, do="choose another one, e.g. --port 8001") from None
    return found


def make_server(app: FastAPI, listening: socket.socket, ready: Callable[[str], None]) -> Any:
    """A uvicorn server; ``ready`` is called with the address once it answers. ``should_exit = True`` ends it."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready(f"http://{HOST}:{listening.getsockname()[1]}")

    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
            server_header=False,
            lifespan="off",
        )
    )


def serve_until_stopped(app: FastAPI, listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer until SIGINT or SIGTERM; requests that are being worked on get their answers."""
    with _signals_that_end_nothing_else():
        make_server(app, listening, ready).run(sockets=[listening])


@contextmanager
def _signals_that_end_nothing_else() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more; what was started here has to be stopped first."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def log_to(folder: Path) -> Path:
    """Problems with their tracebacks go to this file, never to a client."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOG_NAME
    handler = RotatingFileHandler(path, maxBytes=2**21, backupCount=1, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("isthmus.serving", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING)
    return path
