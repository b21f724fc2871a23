from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cluster.tracking.database import default_uri, initialise


@pytest.fixture(autouse=True)
def _no_server_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database: making one costs seconds, copying it does not."""
    home = tmp_path_factory.mktemp("template")
    initialise(default_uri(home))
    return home / "mlflow.db"


@pytest.fixture
def home(tmp_path: Path, template_database: Path) -> Path:
    """A home directory whose database exists."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copyfile(template_database, folder / "mlflow.db")
    return folder
