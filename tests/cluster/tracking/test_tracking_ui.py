from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cluster.tracking.ui import open_ui, ui_command
from components.errors import UserError


def test_the_ui_is_bound_to_loopback_and_reads_the_homes_database(tmp_path: Path) -> None:
    command = ui_command(tmp_path, port=5001)
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options["--host"] == "127.0.0.1"
    assert options["--port"] == "5001"
    assert options["--backend-store-uri"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert options["--artifacts-destination"] == f"{tmp_path}/mlartifacts"


def test_runs_on_a_server_have_that_servers_ui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pa55word@tracking.example")
    with pytest.raises(UserError, match=r"http://\*\*\*@tracking\.example; open that address"):
        ui_command(tmp_path)


def test_a_taken_port_is_said_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="is taken"):
            open_ui(tmp_path, taken.getsockname()[1])


@pytest.mark.parametrize("port", [0, -1, 70_000])
def test_impossible_ports_are_refused(tmp_path: Path, port: int) -> None:
    with pytest.raises(UserError, match="between 1 and 65535"):
        ui_command(tmp_path, port=port)
