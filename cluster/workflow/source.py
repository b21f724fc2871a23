"""Source digest of a step's body: its module and every module of ours that it imports. Recorded, never hashed."""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

OURS = ("components", "cluster", "pipelines")


def source_digest(run: str) -> str | None:
    """SHA-256 over the sources that a body ``"package.module:function"`` is made of; None if there is no source.

    The closure follows the import statements (also those inside functions) of modules of this project and of the
    body's own package, without importing anything. Comments count: a digest cannot know that a change is harmless.
    """
    start = run.partition(":")[0]
    ours = (*OURS, start.partition(".")[0])
    seen: dict[str, bytes] = {}
    todo = [start]
    while todo:
        module = todo.pop()
        path = _file_of(module) if module not in seen and module.partition(".")[0] in ours else None
        if path is not None:
            seen[module], imported = _read(path, module, path.stat().st_mtime_ns)
            todo += imported
    if start not in seen:
        return None
    digest = hashlib.sha256()
    for module in sorted(seen):
        digest.update(f"{module}\0{len(seen[module])}\0".encode() + seen[module])
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _read(path: Path, module: str, _mtime: int) -> tuple[bytes, tuple[str, ...]]:
    text = path.read_bytes()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    try:
        return text, tuple(_imports(ast.parse(text), package))
    except SyntaxError:  # whoever imports it will say so
        return text, ()


def _imports(tree: ast.AST, package: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [part for alias in node.names for part in _with_parents(alias.name)]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found += [*_with_parents(base), *(f"{base}.{alias.name}" for alias in node.names)]
    return found


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


@lru_cache(maxsize=4096)
def _file_of(module: str) -> Path | None:
    """Where a module's source lies. Only the top-level name is looked up by the import system: no code runs."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for root in spec.submodule_search_locations or ():
        base = Path(root, *rest)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None
