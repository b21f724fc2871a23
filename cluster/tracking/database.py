"""Where the runs are kept: MLflow on SQLite in the home directory, or the server of ``MLFLOW_TRACKING_URI``.

Two processes that open a fresh SQLite database at once collide in MLflow's migrations, so the database is made under a
file lock, under a temporary name, and renamed when it is complete. No Ray worker ever sees a ``sqlite:`` URI.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from cluster.tracking.outbox import FileLock
from components.errors import UserError

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
_ALLOWED = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")


def default_uri(home: Path) -> str:
    """The SQLite database of a home directory."""
    return f"sqlite:///{home.expanduser().resolve() / DATABASE}"


def resolve_uri(home: Path, uri: str | None = None) -> str:
    """The tracking URI in force: ``uri``, else ``MLFLOW_TRACKING_URI``, else the home's own database.

    Raises:
        UserError: a scheme that cannot hold the runs, such as MLflow's retired file store.
    """
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI", "").strip() or default_uri(home)
    scheme = urlparse(chosen).scheme.split("+")[0]
    if scheme not in _ALLOWED:
        raise UserError(
            f"runs cannot be tracked with the scheme {scheme or 'of a plain path'!r}",
            where="MLFLOW_TRACKING_URI" if not uri else "tracking uri",
            do=f"use one of {', '.join(_ALLOWED)}, or leave it unset for {DATABASE} in the home directory",
        )
    return chosen


def sqlite_path(uri: str) -> Path | None:
    """The file behind a SQLite URI; None for any other one."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def artifact_folder(home: Path, uri: str) -> Path | None:
    """Where artifacts of an embedded database lie; None if a server decides."""
    path = sqlite_path(uri)
    if path is None:
        return None
    home = home.expanduser().resolve()
    return home / ARTIFACTS if path.parent == home else path.parent / ARTIFACTS


def initialise(uri: str) -> bool:
    """Make a SQLite database with MLflow's tables if there is none. True if this call made it.

    Any number of processes may call it at once: one makes the database, the others wait for it.
    """
    path = sqlite_path(uri)
    if path is None or path.exists():
        return False
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    while not lock.acquire(wait=True):
        continue
    try:
        if path.exists():
            return False
        fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        _create_tables(fresh)
        os.replace(fresh, path)
        return True
    finally:
        lock.release()


def _create_tables(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore(  # type: ignore[no-untyped-call]
        f"sqlite:///{path}", (path.parent / ARTIFACTS).as_uri()
    )
    store.engine.dispose()
