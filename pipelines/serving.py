"""``isthmus serve``: which model, and the service from start to end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from components.errors import UserError
from components.files import Folder
from components.model import SharedSpace
from pipelines.home import Home
from pipelines.search import latest_model


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
    from cluster.serving.asking import describe, load_space
    from cluster.serving.limits import Limits
    from cluster.serving.local import LocalBackend
    from cluster.serving.replicas import Replicas
    from cluster.serving.server import bind, log_to, serve_until_stopped

    folder, limits = model_folder(model, home), Limits()
    space = SharedSpace.load(Folder.at(folder), home.cache)
    space.check_encoders()
    about = describe(space)
    listening, log = bind(options.port), log_to(home.logs)
    replicas: Replicas | None = None
    try:
        backend: Backend
        if options.use_ray:
            del space  # the replicas have their own copies
            replicas = Replicas(folder, home=home.path, cache_dir=home.cache, num=options.replicas, limits=limits)
            backend = replicas.start()
        else:
            backend = LocalBackend(load_space(folder, home.cache))

        def ready(address: str) -> None:
            rows = " and ".join(f"{side['rows']:,} {side['modality']}s" for side in about["sides"].values())
            console.print(f"{about['name'] or folder}: {rows}", markup=False)
            console.print(f"answers at {address}   (page, /search, /encode, /healthz, /openapi.json)", soft_wrap=True)
            console.print(f"problems go to {log}; Ctrl-C ends it", style="dim", soft_wrap=True, markup=False)

        serve_until_stopped(make_app(backend, about, limits), listening, ready)
    finally:
        listening.close()
        if replicas is not None:
            replicas.stop()


def model_folder(model: str | None, home: Home) -> Path:
    """The folder of a model that is named by a folder, by the recipe of a run, or as ``models:/NAME@ALIAS``.

    None: that of the newest run. Raises UserError if there is none.
    """
    if model is None:
        return latest_model(home)
    if model.startswith("models:"):
        from cluster.tracking.registry import Registry

        return Registry(home.path).fetch(model, home.cache / "models")
    for folder in (Path(model), Path(model) / "model", home.results(model) / "model"):
        if (folder / "model.json").is_file():
            return folder
    raise UserError(f"no model {model!r}", do="name a model folder, a recipe that was run, or models:/NAME@champion")
