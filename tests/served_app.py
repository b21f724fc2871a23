"""An application on a real socket of this process, for clients that need one."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator

from fastapi import FastAPI

from cluster.serving.server import bind, make_server


@contextlib.contextmanager
def on_loopback(app: FastAPI) -> Iterator[str]:
    """The address of the application, which is served by a thread."""
    ready: queue.Queue[str] = queue.Queue()
    listening = bind(0)
    server = make_server(app, listening, ready.put)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield ready.get(timeout=20)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
