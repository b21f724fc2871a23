"""Servers that are down, hang, answer 500, or come back: a run never waits for them, and no record is lost."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tracking_helpers import (
    HERE,
    ended,
    exported_model,
    finished,
    runs,
    script,
    small_run,
    snapshot,
    started,
    step_events,
    step_output,
)

from cluster.tracking.database import default_uri
from cluster.tracking.outbox import leftovers
from cluster.tracking.tracker import Tracker, sync
from cluster.tracking.ui import ui_command
from pipelines.bench.scale.servers import HOST, Process, free_port, is_healthy


@pytest.fixture
def short_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def mute_server() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class _Error(http.server.BaseHTTPRequestHandler):
    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(500)
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = _answer

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def failing_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Error)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def all_records_wait(home: Path, uri: str) -> None:
    tracker = Tracker(home, uri=uri)
    for event in small_run("r"):
        tracker.listen(event)
    result = tracker.close(timeout_s=5)
    assert result.parent_run_id is None
    assert result.rejected == 0
    assert result.problem
    (journal,) = leftovers(home)
    assert result.pending == sum(1 for _ in journal.read(0)) > 10
    assert result.seconds < 10


def test_a_server_that_never_answers(tmp_path: Path, mute_server: str, short_requests: None) -> None:
    all_records_wait(tmp_path, mute_server)


def test_a_server_that_answers_500(tmp_path: Path, failing_server: str, short_requests: None) -> None:
    all_records_wait(tmp_path, failing_server)


def test_a_server_that_is_not_there(tmp_path: Path, short_requests: None) -> None:
    all_records_wait(tmp_path, "http://127.0.0.1:9")


STUCK = """
import sys
from pathlib import Path
from typing import Any
sys.path.append(sys.argv[3])
from tracking_helpers import small_run
from cluster.tracking.tracker import Tracker
tracker = Tracker(Path(sys.argv[1]), uri=sys.argv[2])
for event in small_run("r"):
    tracker.listen(event)
if sys.argv[4] == "close":
    print(tracker.close(timeout_s=3).pending > 0)
"""


@pytest.mark.parametrize("how", ["close", "forget"])
def test_a_stuck_request_does_not_hold_the_interpreter(
    tmp_path: Path, mute_server: str, how: str, patient_requests: None
) -> None:
    driver = script(STUCK, str(tmp_path), mute_server, HERE, how)
    out, err = driver.communicate(timeout=60)  # one request alone would take ten minutes
    assert (driver.returncode, err) == (0, "")
    assert out == ("True\n" if how == "close" else "")


@pytest.fixture
def patient_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "600")


class Server:
    """A real ``mlflow server`` on loopback that can be killed and started again on the same port."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.uri = f"http://{HOST}:{self.port}"
        self._process = Process(home / "server.log")

    def start(self) -> None:
        command = ui_command(self.home, port=self.port, uri=default_uri(self.home))
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._process.start(command, environment, lambda: is_healthy(self.uri))

    def kill(self) -> None:
        self._process.end(signal.SIGKILL)


@pytest.fixture
def server(tmp_path: Path, template_database: Path) -> Iterator[Server]:
    home = tmp_path / "server"
    home.mkdir()
    shutil.copyfile(template_database, home / "mlflow.db")
    started_server = Server(home)
    started_server.start()
    yield started_server
    started_server.kill()


def wait_for(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_a_run_gets_everything_later(tmp_path: Path, server: Server) -> None:
    home, twin = tmp_path / "home", tmp_path / "twin"
    output = step_output(tmp_path / "out", plot_png="picture", table_csv="a,b")
    events = [
        started("r"),
        *step_events("r", "one", points=30, output=str(output), facts={"rows": 3}),
        *step_events("r", "two", points=30, output=str(output), inputs={"x": {"step": "one", "digest": "d" * 64}}),
        finished("r", "three", cached=True, origin_run="q", output=str(output)),
        finished("r", "export", output=str(exported_model(tmp_path / "export"))),
        ended("r"),
    ]
    twin.mkdir()
    shutil.copyfile(server.home / "mlflow.db", twin / "mlflow.db")
    tracker = Tracker(home, uri=server.uri)
    for event in events[:40]:
        tracker.listen(event)
    wait_for(lambda: any(r.data.tags.get("step.name") == "one" for r in runs(server.home)))
    server.kill()
    for event in events[40:]:
        tracker.listen(event)
    assert tracker.close(timeout_s=15).pending > 0

    server.start()
    result = sync(home, uri=server.uri)
    assert (result.pending, result.rejected, result.problem) == (0, 0, "")
    assert leftovers(home) == []

    never_interrupted = Tracker(twin)
    for event in events:
        never_interrupted.listen(event)
    assert never_interrupted.close(60).pending == 0
    from mlflow.tracking import MlflowClient

    served = MlflowClient(server.uri)
    assert _without_model_ids(snapshot(server.home, artifacts_from=served)) == _without_model_ids(snapshot(twin))
    assert [r.info.status for r in runs(server.home)] == ["FINISHED"] * 5
    assert served.get_model_version_by_alias("align", "candidate").version == "1"


def _without_model_ids(rows: list[Any]) -> list[Any]:
    for row in rows:
        assert "model.not_logged" not in row[4]
        row[4].pop("model.id", None)
    return rows
