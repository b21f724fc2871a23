"""Logs an exported model folder as a models-from-code pyfunc and registers it, through the client API only."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

ALIAS = "candidate"
KEY_TAG, MODEL_TAG = "isthmus.key", "isthmus.model"  # of a version; MLflow itself leaves out the model it is of
MAX_DESCRIPTION = 5000
CARD = "README.md"
CODE = Path(__file__).with_name("pyfunc_model.py")


def log_model(
    client: Any, experiment_id: str, run_id: str, folder: Path, name: str, *, key: str = ""
) -> dict[str, str]:
    """Log ``folder`` (safetensors, JSON, Parquet) as an MLflow model of the run, and register it under ``name``.

    A second call for the same run finds the first one's model and repeats nothing. The version gets the alias
    ``candidate``; a person promotes it. Its description is the model's card, if there is one.

    Args:
        key: of the step that made the model, for :func:`find_registered`.

    Returns:
        Tags for the run: ``model.id``, ``model.version``, ``model.uri``.

    Raises:
        Exception: whatever MLflow raises; the caller decides whether it matters.
    """
    model_id = _existing(client, experiment_id, run_id) or _upload(client, experiment_id, run_id, folder, name)
    version = _register(client, run_id, model_id, name, tags={KEY_TAG: key, MODEL_TAG: model_id}, card=folder / CARD)
    return _tags(client, name, version)


def find_registered(client: Any, name: str, key: str) -> dict[str, str] | None:
    """Give the alias to the version that the step of this key made. None if there is none: it has to be logged."""
    made = [v for v in client.search_model_versions(f"name = '{name}'") if v.tags.get(KEY_TAG) == key]
    return _tags(client, name, made[0]) if made else None


def _tags(client: Any, name: str, version: Any) -> dict[str, str]:
    client.set_registered_model_alias(name, ALIAS, version.version)
    uri = f"models:/{name}@{ALIAS}"
    return {"model.id": version.tags[MODEL_TAG], "model.version": str(version.version), "model.uri": uri}


def save_model(folder: Path, target: Path) -> None:
    """Write an MLflow model (code file, copy of ``folder``, signature, input example) to ``target``. No pickles.

    ``folder`` must be called ``model``: the code file finds it by that name.
    """
    import mlflow.pyfunc

    mlflow.pyfunc.save_model(
        path=str(target),
        python_model=str(CODE),
        artifacts={"model": str(folder)},
        signature=_signature(),
        input_example=_input_example(),
        pip_requirements=_requirements(),
    )


def _existing(client: Any, experiment_id: str, run_id: str) -> str | None:
    found = client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    ready = [m.model_id for m in found if str(m.status) == "READY"]
    return ready[0] if ready else None


def _upload(client: Any, experiment_id: str, run_id: str, folder: Path, name: str) -> str:
    from mlflow.entities import LoggedModelOutput

    with tempfile.TemporaryDirectory(prefix="isthmus-model-") as scratch:
        target = Path(scratch) / "pyfunc"
        save_model(folder, target)
        model = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, model_type="isthmus")
        _name_id_in_mlmodel(target, model.model_id, run_id)
        client.log_model_artifacts(model.model_id, str(target))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return str(model.model_id)


def _name_id_in_mlmodel(target: Path, model_id: str, run_id: str) -> None:
    from mlflow.models import Model

    description = Model.load(str(target))
    description.model_id, description.run_id = model_id, run_id
    description.save(str(target / "MLmodel"))


def _register(client: Any, run_id: str, model_id: str, name: str, *, tags: dict[str, str], card: Path) -> Any:
    known = client.search_registered_models(filter_string=f"name = '{name}'")
    if not known:
        client.create_registered_model(name, description="A shared space of two corpora, made by Isthmus.")
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.run_id == run_id:
            return version
    told = card.read_text(encoding="utf-8")[:MAX_DESCRIPTION] if card.is_file() else None
    source = _source(client, model_id)
    return client.create_model_version(name, source, run_id=run_id, model_id=model_id, tags=tags, description=told)


def _source(client: Any, model_id: str) -> str:
    # An embedded registry resolves models:/ through MLflow's global tracking URI, which we never set; a server knows
    # its own store, and takes nothing but models:/ from us.
    if client.tracking_uri.startswith("http"):
        return f"models:/{model_id}"
    return str(client.get_logged_model(model_id).artifact_location)


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    params = [ParamSpec("op", "string", "search"), ParamSpec("side", "string", "auto"), ParamSpec("k", "long", 10)]
    return ModelSignature(inputs=Schema([ColSpec("string", "item")]), params=ParamSchema(params))


def _input_example() -> Any:
    import pandas as pd

    return pd.DataFrame({"item": ["a smiling cat"]}), {"op": "search", "side": "auto", "k": 10}


def _requirements() -> list[str]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return [f"isthmus=={version('isthmus')}"]
    except PackageNotFoundError:
        return ["isthmus"]
