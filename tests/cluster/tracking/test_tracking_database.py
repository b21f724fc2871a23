from __future__ import annotations

from pathlib import Path

import pytest
from tracking_helpers import HERE, script

from cluster.tracking.database import artifact_folder, default_uri, initialise, resolve_uri
from components.errors import UserError

FIRST_USER = """
import sys
from pathlib import Path
sys.path.append(sys.argv[3])
from tracking_helpers import small_run
from cluster.tracking.tracker import Tracker
tracker = Tracker(Path(sys.argv[1]))
for event in small_run(sys.argv[2], steps=1):
    tracker.listen(event)
result = tracker.close(120)
print(result.pending, result.rejected, result.problem)
"""


@pytest.mark.slow
def test_five_drivers_open_a_fresh_home_at_once(tmp_path: Path) -> None:
    here = HERE
    drivers = [script(FIRST_USER, str(tmp_path / "home"), f"run-{n}", here) for n in range(5)]
    said = [d.communicate(timeout=300) for d in drivers]
    assert [out for out, _ in said] == ["0 0 \n"] * 5, said
    assert [err for _, err in said] == [""] * 5, "MLflow's and Alembic's lines belong into the log file"
    from tracking_helpers import runs

    uids = sorted(r.data.tags["isthmus.uid"] for r in runs(tmp_path / "home"))
    assert uids == sorted(uid for n in range(5) for uid in (f"run-{n}", f"run-{n}/step-0"))
    names = {p.name for p in (tmp_path / "home").iterdir()}
    assert not [n for n in names if n.startswith(".mlflow.db.")], "no half-made database stays behind"


def test_a_database_is_made_once(home: Path) -> None:
    before = (home / "mlflow.db").stat().st_mtime_ns
    assert not initialise(default_uri(home))
    assert (home / "mlflow.db").stat().st_mtime_ns == before


def test_the_uri_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_uri(tmp_path) == default_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert resolve_uri(tmp_path) == "http://127.0.0.1:5000"
    assert resolve_uri(tmp_path, "postgresql+psycopg://host/db") == "postgresql+psycopg://host/db"


@pytest.mark.parametrize("uri", ["/tmp/mlruns", "file:///tmp/mlruns", "ftp://host/x"])
def test_stores_that_mlflow_has_retired_are_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(UserError, match="sqlite"):
        resolve_uri(tmp_path, uri)


def test_artifacts_lie_beside_the_embedded_database(tmp_path: Path) -> None:
    assert artifact_folder(tmp_path, default_uri(tmp_path)) == tmp_path / "mlartifacts"
    assert artifact_folder(tmp_path, "http://127.0.0.1:5000") is None
