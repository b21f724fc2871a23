"""The registered models: which version is the champion, and a version's folder on this disk."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from cluster.tracking import database, environment
from cluster.tracking.model import ALIAS, MODEL_TAG
from cluster.tracking.redact import redact_text
from components.errors import UserError

CHAMPION = "champion"
URI = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))")
_MODEL = "artifacts/model"  # of a pyfunc, as cluster.tracking.model writes it


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """``before``: the version that was the champion until now, if any."""

    name: str
    version: str
    before: str | None


class Registry:
    """The models registered in the tracking store of a home.

    Args:
        home: of the embedded database.
        uri: tracking URI; None takes ``MLFLOW_TRACKING_URI``, else the home's own.

    Raises:
        UserError: the store cannot hold models.
    """

    def __init__(self, home: Path, uri: str | None = None) -> None:
        self._home, self._uri = home.expanduser().resolve(), database.resolve_uri(home, uri)
        environment.prepare(self._home)

    def promote(self, name: str | None = None, version: int | None = None) -> Promoted:
        """Make a version (by default the candidate) the champion.

        Raises:
            UserError: nothing registered under this name, an unknown version, or several models and no name.
        """
        with self._client() as client:
            name = name or self._only(client)
            versions = self._versions(client, name)
            aliases = _aliases(client, name)
            chosen = str(version) if version is not None else aliases.get(ALIAS)
            if chosen is None:
                raise UserError(
                    f"no version of {name} is the {ALIAS}", do=f"name one with --version: {_listed(versions)}"
                )
            if chosen not in versions:
                raise UserError(f"{name} has no version {chosen}", do=f"there are {_listed(versions)}")
            client.set_registered_model_alias(name, CHAMPION, chosen)
            return Promoted(name=name, version=chosen, before=aliases.get(CHAMPION))

    def fetch(self, uri: str, cache: Path) -> Path:
        """The model folder of ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``, kept below ``cache``.

        Raises:
            UserError: another form, nothing registered under this name, an unknown alias or version.
        """
        parts = URI.fullmatch(uri)
        if parts is None:
            raise UserError("this is no registered model", where=uri, do="write models:/NAME@ALIAS or models:/NAME/3")
        with self._client() as client:
            name = parts["name"]
            versions = self._versions(client, name)
            aliases = _aliases(client, name)
            version = parts["version"] or aliases.get(parts["alias"])
            if version is None:
                known = ", ".join(sorted(aliases)) or "none"
                raise UserError(f"{name} has no {parts['alias']!r} (there is: {known})", do="`isthmus promote` sets it")
            if version not in versions:
                raise UserError(f"{name} has no version {version}", do=f"there are {_listed(versions)}")
            return self._download(client, name, versions[version], cache)

    def _download(self, client: Any, name: str, version: Any, cache: Path) -> Path:
        """Every version once: its content never changes."""
        from mlflow.artifacts import download_artifacts

        if MODEL_TAG not in version.tags:
            raise UserError("this version is no model of ours", where=f"models:/{name}/{version.version}")
        model_id = version.tags[MODEL_TAG]
        target = cache / f"{name}-{version.version}-{model_id}"
        if not target.exists():
            fresh = target.with_name(f".{target.name}.{uuid4().hex}")
            fresh.mkdir(parents=True)
            try:
                place = client.get_logged_model(model_id).artifact_location
                got = download_artifacts(artifact_uri=place, dst_path=str(fresh), tracking_uri=self._uri)
                Path(got).replace(target)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        return target / _MODEL

    def _only(self, client: Any) -> str:
        names = [model.name for model in client.search_registered_models()]
        if not names:
            raise UserError("no model is registered", where=redact_text(self._uri), do="run `isthmus run` first")
        if len(names) > 1:
            raise UserError(f"{len(names)} models are registered", do=f"name one of {', '.join(sorted(names))}")
        return str(names[0])

    def _versions(self, client: Any, name: str) -> dict[str, Any]:
        found = client.search_model_versions(f"name = '{_quoted(name)}'")
        if not found:
            told = f"no model {name!r} is registered"
            names = sorted(model.name for model in client.search_registered_models())
            raise UserError(told, do=f"there is {', '.join(names)}" if names else "run `isthmus run` first")
        return {str(v.version): v for v in found}

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """Whatever MLflow raises becomes one sentence."""
        database.initialise(self._uri)
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            yield MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        except MlflowException as error:
            told = redact_text(str(error)).splitlines()[0][:300]
            raise UserError(f"the registry does not answer ({told})", where=redact_text(self._uri)) from None


def _aliases(client: Any, name: str) -> dict[str, str]:
    """Stores give versions as texts or numbers."""
    return {alias: str(version) for alias, version in client.get_registered_model(name).aliases.items()}


def _listed(versions: dict[str, Any]) -> str:
    return ", ".join(sorted(versions, key=int))


def _quoted(name: str) -> str:
    if "'" in name:
        raise UserError(f"no model {name!r} is registered", do="names have letters, digits, - and _")
    return name
