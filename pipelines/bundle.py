"""What `isthmus submit` sends to a cluster: the recipe with its overrides, and the files that it reads if asked to."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.encoders.registry import TRAINED
from components.errors import UserError
from pipelines.recipe import Recipe, to_yaml, validate

MOST_BYTES = 100 << 20  # what Ray keeps of it is in the head's memory
EXCLUDES = (
    ".git", ".venv", "venv", "__pycache__", "*.pyc", ".gitignore", "isthmus-data", ".mypy_cache", ".ruff_cache",
    ".pytest_cache", ".hypothesis", "node_modules", ".env", "*.pem", "*.key", "ray-token", "mlruns", "mlflow.db",
)  # fmt: skip


def local_files(recipe: Recipe) -> dict[str, str]:
    """Key path -> path of all files and folders of this machine that a loaded recipe names."""
    texts = _texts(recipe.model_dump(mode="json"))
    return {key: text for key, text in texts if os.path.isabs(text.removeprefix("file://").removeprefix(TRAINED))}


def pack(recipe: Recipe, folder: Path, name: str, *, base: Path | None = None, here: bool = False) -> None:
    """Write the recipe below ``folder``, and the files of ``base`` without :data:`EXCLUDES` beside it.

    Args:
        name: of the recipe's file.
        base: folder that is sent along; the recipe's paths below it become relative.
        here: the cluster sees the files of this machine, under the same paths.

    Raises:
        UserError: the recipe names files that the cluster will not see, or ``base`` is larger than 100 MiB.
    """
    base = base.resolve() if base else None
    if base is not None:
        _copy(base, folder)
    moved: dict[str, str] = {}
    for key, text in local_files(recipe).items():
        inside = _below(text, base)
        if inside is not None and (folder / inside).exists():
            moved[text] = str(inside)
        elif not here:
            told = f"key {key!r} names {text}, which the cluster does not see"
            do = "use a URI (s3://…), send its folder along with --working-dir, or say --shared if it is mounted there"
            raise UserError(told, do=do)
    data = _replaced(recipe.model_dump(mode="json"), moved)
    (folder / name).write_text(to_yaml(validate(data, model=type(recipe))), encoding="utf-8")


def _copy(base: Path, folder: Path) -> None:
    sizes: dict[str, int] = {}
    for file in _files(base):
        inside = file.relative_to(base)
        sizes[str(inside)] = file.stat().st_size
        if sum(sizes.values()) > MOST_BYTES:
            largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
            do = f"the largest so far are {', '.join(largest)}; keep data on shared storage and name it by URI"
            raise UserError(f"more than {MOST_BYTES >> 20} MiB would be sent", where=str(base), do=do)
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / inside)


def _files(base: Path) -> Iterator[Path]:
    if not base.is_dir():
        raise UserError("the working directory is no folder", where=str(base))
    for root, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if not _excluded(name))
        for name in sorted(names):
            path = Path(root) / name
            if not _excluded(name) and path.is_file() and path.resolve().is_relative_to(base):  # no link that leads out
                yield path


def _excluded(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in EXCLUDES)


def _below(text: str, base: Path | None) -> Path | None:
    path = Path(text)
    return path.relative_to(base) if base is not None and path.is_relative_to(base) else None


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        path = f"{key}.{name}" if key else str(name)
        if isinstance(inner, str):
            yield path, inner
        else:
            yield from _texts(inner, path)


def _replaced(value: Any, moved: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _replaced(inner, moved) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, moved) for inner in value]
    return moved.get(value, value) if isinstance(value, str) else value
