"""A stand-in for the HTTP side of a Ray cluster: takes packages and jobs, asks for a token, remembers what came."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any

TOKEN = "f" * 64


@dataclass
class JobsServer:
    """What it says, and what it was sent."""

    address: str = ""
    ray: str = field(default_factory=lambda: version("ray"))
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    packages: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    without_agent: int = 0  # so many submissions come before the head has one

    def files(self) -> dict[str, str]:
        """The text files of the last package."""
        with zipfile.ZipFile(io.BytesIO(self.packages[-1])) as package:
            return {n: package.read(n).decode() for n in package.namelist() if not n.endswith("/")}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        self.paths.append(f"{method} {path}")
        if path == "/api/version":
            return 200, {"version": "4", "ray_version": self.ray, "ray_commit": ""}
        if path.startswith("/api/packages"):
            if method == "PUT":
                self.packages.append(body)
            return 200 if method == "PUT" else 404, {}
        _, _, job_id = path.rstrip("/").partition("/api/jobs/")
        job_id, _, what = job_id.partition("/")
        if not job_id and method == "POST" and self.without_agent:
            self.without_agent -= 1
            return 500, "No available agent to submit job, please try again later."
        if not job_id and method == "POST":
            job = json.loads(body)
            self.jobs[job["submission_id"]] = {**job, "type": "SUBMISSION", "status": "PENDING"}
            return 200, {"job_id": job["submission_id"], "submission_id": job["submission_id"]}
        if not job_id:
            return 200, list(self.jobs.values())
        if job_id not in self.jobs:
            return 404, f"Job {job_id} does not exist"
        if what == "logs":
            return 200, {"logs": "one\ntwo\n"}
        if what == "stop":
            return 200, {"stopped": True}
        return 200, self.jobs[job_id]


@contextmanager
def jobs_server() -> Iterator[JobsServer]:
    state = JobsServer()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            public = self.path == "/api/version"
            sent = self.headers.get("Authorization")
            if not public and sent != f"Bearer {TOKEN}":
                code, said = (403 if sent else 401), "no"
            else:
                code, said = state.answer(self.command, self.path, body)
            data = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
