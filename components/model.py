"""SharedSpace: the exported model. One folder of JSON, safetensors and Parquet; encodes both sides and searches.

Files of the folder: ``model.json`` (sides, encoders, provenance), ``left|right.json`` + ``.safetensors`` (the maps),
``left|right-index.parquet`` (id, embedding in the shared space), ``left|right-titles.parquet`` (id, title and, for
pictures of small corpora, a PNG thumbnail), ``left|right-index.faiss`` (cells of a side with very many rows),
``confidence.json`` (how sure matches are; not with too few known pairs), and ``trained/`` with the encoders that were
trained here. ``model.json`` has the digests of all others, which are checked before anything else is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from components.embeddings import Embeddings
from components.encoders.registry import TRAINED
from components.errors import UserError
from components.files import Folder, file_digest
from components.gallery import Gallery
from components.judge import Judge, Verdict
from components.model_views import Item, ModelView, encode_views
from components.row_index import IndexFacts, RowIndex
from components.transforms import Transform, load_transform, save_transform

Side = Literal["left", "right"]
FORMAT = 3
READABLE = (1, 2, 3)  # 1: one encoder a side; 2: without digests
_SILENT = Verdict(None, None, False)


@dataclass(frozen=True)
class Match:
    """One answer of a search.

    Attributes:
        score: dot product in the shared space; higher is closer.
        confidence: probability that it is the query's partner, if that is among the rows at all. None where the model
            cannot say: few known pairs, a search within one side, or a row that has its partner already.
        mutual: whether no other row of the query's side is closer to it (rows with a known partner left aside).
        paired: it is one of the known pairs that the model was fitted on.
    """

    id: str
    score: float
    title: str
    thumbnail: bytes | None = None
    confidence: float | None = None
    mutual: bool | None = None
    paired: bool = False


@dataclass(frozen=True)
class Found:
    """Answers of a search.

    Attributes:
        matches: best first.
        meaning: what their scores are.
        ess: items of a bridge that the best match rests on; None where no bridge was summed over.
        warnings: sentences for the user.
    """

    matches: list[Match]
    meaning: str
    ess: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSide:
    """One modality of the model: how a raw item gets into the shared space, and the rows that can be found."""

    modality: str
    views: tuple[ModelView, ...]
    transform: Transform
    index: Embeddings
    titles: Mapping[str, str]
    thumbnails: Mapping[str, bytes]


class SharedSpace:
    """Both sides of an exported model."""

    def __init__(
        self,
        sides: Mapping[Side, ModelSide],
        about: Mapping[str, Any],
        cache_dir: Path | None = None,
        judge: Judge | None = None,
    ) -> None:
        self.sides, self.about, self._cache_dir, self.judge = dict(sides), dict(about), cache_dir, judge
        self._encoders: dict[str, Any] = {}
        self._indexes: dict[Side, RowIndex] = {}
        self._galleries: dict[Side, Gallery] = {}

    @classmethod
    def load(cls, folder: Folder, cache_dir: Path | None = None) -> SharedSpace:
        """Read a model folder.

        Raises:
            UserError: the folder holds no model, one of another format, or one with a missing or damaged file.
        """
        if not folder.exists("model.json"):
            raise UserError("no model here", where=folder.path, do="run `isthmus run` first or name a model folder")
        try:
            about = folder.read_json("model.json")
        except ValueError:
            raise UserError("model.json is damaged", where=folder.path, do="export the model again") from None
        if about.get("format") not in READABLE:
            raise UserError(
                f"model format {about.get('format')} is not {FORMAT}", where=folder.path, do="export it again"
            )
        check_files(folder, about.get("files", {}))
        sides: dict[Side, ModelSide] = {s: _read_side(folder, s, about["sides"][s]) for s in ("left", "right")}
        space = cls(sides, about, cache_dir, Judge.read(folder))
        for name, facts in about.get("index", {}).items():
            side = sides[name].index.vectors
            space._indexes[name] = RowIndex.load(folder, f"{name}-index.faiss", side, IndexFacts(**facts))
        return space

    def save(self, folder: Folder) -> None:
        """Write the model folder; what lies in it already becomes part of the model."""
        sides, index = {}, {}
        for name, side in self.sides.items():
            views = [asdict(view) for view in side.views]
            sides[name] = {"modality": side.modality, "views": views, "rows": len(side.index)}
            save_transform(folder, name, side.transform)
            folder.write_table(f"{name}-index.parquet", side.index.to_table())
            folder.write_table(f"{name}-titles.parquet", _titles_table(side))
            self.index(name).save(folder, f"{name}-index.faiss")
            index[name] = self.index(name).facts.to_json()
        if self.judge:
            self.judge.write(folder)
        files = {f.name: file_digest(folder, f.name) for f in folder.files() if f.name != "model.json"}
        about = {**self.about, "format": FORMAT, "sides": sides, "index": index, "files": files}
        folder.write_json("model.json", about)

    def encode_left(self, items: Sequence[Item]) -> np.ndarray:
        """Raw left items -> coordinates in the shared space [N, K]; see :meth:`encode`."""
        return self.encode("left", items)

    def encode_right(self, items: Sequence[Item]) -> np.ndarray:
        """Raw right items -> coordinates in the shared space [N, K]."""
        return self.encode("right", items)

    def encode(self, side: Side, items: Sequence[Item]) -> np.ndarray:
        """Raw items of a side -> [N, K].

        An item is the bytes of a picture, a text, or a vector; with several columns of texts or vectors it may be a
        mapping of some of them instead. A plain text stands for every column of texts, a plain vector for all columns
        of vectors side by side.

        Raises:
            UserError: items that are not of the side's modality, or a column that the side does not have.
        """
        return self.sides[side].transform(self._rows(side, items))

    def encode_each(self, side: Side, items: Sequence[Item]) -> list[np.ndarray]:
        """The same as rows [K], each mapped alone: to the bit the same whatever items are beside it."""
        return [self.sides[side].transform(row[None])[0] for row in self._rows(side, items)]

    def _rows(self, side: Side, items: Sequence[Item]) -> np.ndarray:
        part = self.sides[side]
        return encode_views(part.views, items, modality=part.modality, side=side, load=self._encoder)

    def dim(self, side: Side) -> int | None:
        """Numbers of an item given as a vector, all columns side by side; None if the model does not say."""
        dims = [view.dim for view in self.sides[side].views]
        return None if None in dims else sum(d for d in dims if d)

    def search(self, query: Item, *, side: Side, k: int = 10, to: Side | None = None) -> list[Match]:
        """The ``k`` rows of side ``to`` (default: the other one) closest to one raw item of ``side``."""
        to = to or _other(side)
        asked = side if to != side else None
        return self.search_coordinates(self.encode(side, [query])[0], to=to, k=k, asked=asked)

    def search_coordinates(self, point: np.ndarray, *, to: Side, k: int = 10, asked: Side | None = None) -> list[Match]:
        """The ``k`` rows of side ``to`` closest to a point [K] of the shared space; ties by id.

        ``asked``: the side that the point is of, if it is the other one: with it, matches have their confidence.
        """
        if k < 1:
            raise UserError(f"k is {k}", do="ask for at least one match")
        places, scores, seen = self.gallery(to).see(point, k)
        verdicts = [_SILENT] * len(places)
        if self.judge is not None and asked and asked != to:
            verdicts = self.judge.verdicts(places, seen, self.gallery(to), self.gallery(asked))
        target = self.sides[to]
        return [self._match(target, int(n), float(s), v) for n, s, v in zip(places, scores, verdicts, strict=True)]

    def matches(self, scores: np.ndarray, *, to: Side, k: int) -> list[Match]:
        """The ``k`` best rows of a side by scores [N] of all its rows that were made elsewhere; ties by id."""
        target = self.sides[to]
        best = np.argsort(-scores, kind="stable")[:k]  # the index is sorted by id
        return [self._match(target, int(n), float(scores[n]), _SILENT) for n in best]

    def index(self, side: Side) -> RowIndex:
        """The index of a side's rows; built at the first use unless it came with the model."""
        if side not in self._indexes:
            queries = self.sides[_other(side)].index.vectors
            self._indexes[side] = RowIndex.build(self.sides[side].index.vectors, queries)
        return self._indexes[side]

    def gallery(self, side: Side) -> Gallery:
        """The rows of a side as a point sees them."""
        if side not in self._galleries:
            ids = self.sides[side].index.ids
            free = self.judge.free(side, ids) if self.judge else np.ones(len(ids), bool)
            self._galleries[side] = Gallery(self.index(side), free)
        return self._galleries[side]

    def _match(self, side: ModelSide, row: int, score: float, verdict: Verdict) -> Match:
        name = side.index.ids[row]
        title, thumbnail = side.titles.get(name, name), side.thumbnails.get(name)
        return Match(name, score, title, thumbnail, verdict.confidence, verdict.mutual, verdict.paired)

    def _encoder(self, name: str) -> Any:
        if name not in self._encoders:
            from components.encoders.protocol import LoadOptions
            from components.encoders.registry import load

            self._check_version(name)
            self._encoders[name] = load(name, LoadOptions(cache_dir=self._cache_dir))
        return self._encoders[name]

    def _check_version(self, name: str) -> None:
        from components.encoders.registry import fingerprint

        views = (view for side in self.sides.values() for view in side.views)
        made_with = next((v.fingerprint for v in views if v.encoder == name and v.fingerprint), "")
        if made_with and made_with != fingerprint(name):
            told = f"the model was made with the encoder {made_with}, here is {fingerprint(name)}"
            raise UserError(told, do="install that version, or run the recipe again")

    def check_encoders(self) -> None:
        """Raises UserError if an encoder that is installed here is another than the model was made with."""
        for name in self._encoder_names():
            self._check_version(name)

    def load_encoders(self) -> None:
        """Load what :meth:`encode` needs now, not with the first query. Raises UserError as it does."""
        for name in self._encoder_names():
            self._encoder(name)

    def _encoder_names(self) -> list[str]:
        raw = [side for side in self.sides.values() if side.modality != "embedding"]
        return list(dict.fromkeys(view.encoder for side in raw for view in side.views))

    def columns(self, side: Side) -> list[str]:
        """Columns of an item of this side, if there are several."""
        return list(dict.fromkeys(view.column for view in self.sides[side].views if view.column))

    @cached_property
    def modalities(self) -> dict[str, str]:
        return {name: side.modality for name, side in self.sides.items()}


def own_view(folder: Folder, about: Mapping[str, Any]) -> ModelView:
    """A view; of an encoder that was trained here the model has a copy of its own."""
    view = ModelView(**about)
    own = folder.sub(trained_folder(view.encoder)) if view.encoder.startswith(TRAINED) else None
    return replace(view, encoder=TRAINED + own.path) if own is not None and own.exists("encoder.json") else view


def trained_folder(encoder: str) -> str:
    """Where a step's or a model's copy of a trained encoder lies, from its name ``trained:NAME#HASH``."""
    return f"trained/{encoder.rpartition('#')[2]}"


def check_files(folder: Folder, digests: Mapping[str, str]) -> None:
    """Raises UserError for a file that is missing or has other content than when the model was written."""
    for name, digest in digests.items():
        if not folder.exists(name):
            raise UserError(f"{name} is missing from the model", where=folder.path, do="export it again")
        if file_digest(folder, name) != digest:
            raise UserError(f"{name} of the model is damaged", where=folder.path, do="export it again")


def _other(side: Side) -> Side:
    return "right" if side == "left" else "left"


def _titles_table(side: ModelSide) -> pa.Table:
    ids = sorted(side.index.ids)
    columns = {"id": pa.array(ids, pa.string()), "title": pa.array([side.titles.get(i, i) for i in ids], pa.string())}
    if side.thumbnails:
        columns["thumbnail"] = pa.array([side.thumbnails.get(i) for i in ids], pa.binary())
    return pa.table(columns)


def _read_side(folder: Folder, name: Side, about: Mapping[str, Any]) -> ModelSide:
    titles = folder.read_table(f"{name}-titles.parquet")
    ids = titles["id"].to_pylist()
    thumbs = titles["thumbnail"].to_pylist() if "thumbnail" in titles.column_names else []
    return ModelSide(
        modality=about["modality"],
        views=tuple(own_view(folder, v) for v in about.get("views") or [{"encoder": about["encoder"]}]),
        transform=load_transform(folder, name),
        index=Embeddings.read(folder, f"{name}-index.parquet"),
        titles=dict(zip(ids, titles["title"].to_pylist(), strict=True)),
        thumbnails={i: t for i, t in zip(ids, thumbs, strict=False) if t is not None},
    )
