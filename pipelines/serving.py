"""``isthmus serve``: which model, and the service from start to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from components.errors import UserError
from pipelines.home import Home
from pipelines.search import latest_model

FOLDERS = ("model", "bridge")
CARDS = ("model.json", "bridge.json")


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """As in ``isthmus serve --help``."""

    port: int = 8000
    replicas: int = 2
    use_ray: bool = True


def serve_and_print(model: str | None, home: Home, options: ServeOptions, console: Console) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        UserError: no such model, a damaged one, one of another encoder version, or a port that is taken.
    """
    from cluster.serving.app import Backend, make_app
    from cluster.serving.limits import Limits
    from cluster.serving.local import LocalBackend
    from cluster.serving.replicas import Replicas
    from cluster.serving.served import load_served
    from cluster.serving.server import bind, log_to, serve_until_stopped

    folder, limits = model_folder(model, home), Limits()
    served = load_served(folder, home.cache)
    served.check_encoders()
    about = served.describe()
    listening, log = bind(options.port), log_to(home.logs)
    replicas: Replicas | None = None
    try:
        backend: Backend
        if options.use_ray:
            del served  # the replicas have their own copies
            replicas = Replicas(folder, home=home.path, cache_dir=home.cache, num=options.replicas, limits=limits)
            backend = replicas.start()
        else:
            served.prepare()
            backend = LocalBackend(served)

        def ready(address: str) -> None:
            console.print(f"{about['name'] or folder}: {_rows(about['sides'])}", markup=False)
            console.print(f"answers at {address}   (page, /search, /encode, /healthz, /openapi.json)", soft_wrap=True)
            console.print(f"problems go to {log}; Ctrl-C ends it", style="dim", soft_wrap=True, markup=False)

        serve_until_stopped(make_app(backend, about, limits), listening, ready)
    finally:
        listening.close()
        if replicas is not None:
            replicas.stop()


def _rows(sides: Mapping[str, Any]) -> str:
    """``8 images and 8 texts``; sides of one kind by their names."""
    kinds = [side["modality"] for side in sides.values()]
    called = [f" ({name})" if kinds.count(kind) > 1 else "" for name, kind in zip(sides, kinds, strict=True)]
    *most, last = [
        f"{side['rows']:,} {side['modality']}s{more}" for side, more in zip(sides.values(), called, strict=True)
    ]
    return f"{', '.join(most)} and {last}"


def model_folder(model: str | None, home: Home) -> Path:
    """The folder of a model or a bridge that is named by itself, by a recipe's run, or as ``models:/NAME@ALIAS``.

    None: that of the newest run. Raises UserError if there is none.
    """
    if model is None:
        return latest_model(home, FOLDERS)
    if model.startswith("models:"):
        from cluster.tracking.registry import Registry

        return Registry(home.path).fetch(model, home.cache / "models")
    for place in (Path(model), home.results(model)):
        for folder in (place, *(place / name for name in FOLDERS)):
            if any((folder / card).is_file() for card in CARDS):
                return folder
    raise UserError(f"no model {model!r}", do="name a model folder, a recipe that was run, or models:/NAME@champion")
