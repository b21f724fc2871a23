"""``isthmus search``: one query against the exported model, answers as a table and a contact sheet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

from components.bridge_model import BridgeModel
from components.corpora.images import BadImage, decode_rgb
from components.errors import UserError
from components.files import Folder
from components.model import Match, SharedSpace, Side
from components.model_views import Item, item_of
from pipelines.home import Home

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"}

LEAST = 0.01
EXPLAINED = (
    "confidence: chance that this is the query's own partner, if it has one here; paired: has its partner already;\n"
    "mutual: no other item of the query's side is closer to it"
)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """As in ``isthmus search --help``."""

    k: int = 8
    model: Path | None = None
    from_: str | None = None
    to: str | None = None
    sheet: Path | None = None


def search_and_print(query: str, home: Home, options: SearchOptions, console: Console) -> list[Match]:
    """Print the matches of a text, an image file, or (for models of embeddings) a JSON list of numbers.

    Raises:
        UserError: no model, no such side, a query that the side cannot take.
    """
    folder = Folder.at(options.model or latest_model(home, ("model", "bridge")))
    if BridgeModel.is_at(folder):
        from pipelines.bridge_search import search_bridge

        matches = search_bridge(query, BridgeModel.load(folder, cache_dir=home.cache), options, console)
    else:
        matches = _search_space(query, SharedSpace.load(folder, cache_dir=home.cache), options, console)
    write_sheet(matches, options.sheet or home.path / "results" / "search.png", console)
    return matches


def _search_space(query: str, space: SharedSpace, options: SearchOptions, console: Console) -> list[Match]:
    side, item = _query(space, query, options.from_)
    to = _target(space, side, options.to)
    matches = space.search(item, side=side, k=options.k, to=to)
    table = Table(
        "score", "confidence", "mutual", "id", "title", box=None, title=f"{side} -> {to}", title_justify="left"
    )
    for match in matches:
        table.add_row(f"{match.score:.3f}", confidence(match), "yes" if match.mutual else "", match.id, match.title)
    console.print(table)
    if any(match.confidence is not None for match in matches):
        console.print(EXPLAINED, style="dim")
    return matches


def confidence(match: Match) -> str:
    """The probability that a match is right, in percent; ``paired`` for a row that has its partner already."""
    if match.paired:
        return "paired"
    if match.confidence is None:
        return ""
    return f"{100 * match.confidence:.0f} %" if match.confidence >= LEAST else f"< {100 * LEAST:.0f} %"


def latest_model(home: Home, kinds: Sequence[str] = ("model",)) -> Path:
    """The model folder that the newest run left in the results; ``kinds``: names of such folders."""
    found = sorted((p for k in kinds for p in (home.path / "results").glob(f"*/{k}")), key=lambda p: p.lstat().st_mtime)
    if not found:
        raise UserError("no model yet", where=str(home.path), do="run `isthmus run` first, or name one with --model")
    return found[-1]


def _query(space: SharedSpace, query: str, asked: str | None) -> tuple[Side, Item]:
    if query.lstrip().startswith("{") and (named := _by_columns(space, query)) and asked in (None, named[0]):
        return named
    modality, item = read_query(query, set(space.modalities.values()))
    sides = [s for s, m in space.modalities.items() if m == modality and asked in (None, s)]
    if asked is not None and asked not in space.modalities:
        raise no_side("--from", asked, space.modalities)
    if not sides:
        has = " and ".join(f"{s}: {m}" for s, m in space.modalities.items())
        of = f"no {modality} side" if asked is None else f"a {asked} side that takes no {modality}"
        raise UserError(f"this model has {of} ({has})", do=_hint(space))
    return cast(Side, sides[0]), item


def read_query(query: str, modalities: Collection[str]) -> tuple[str, Item]:
    """Modality and content of a query as it is written: a picture's path, a list of numbers, else a text.

    Raises:
        UserError: no such picture, an empty query, a list that is none.
    """
    path = Path(query)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        if not path.is_file():
            raise UserError("no such image file", where=query)
        return "image", _picture(path)
    if query.lstrip().startswith("[") and "embedding" in modalities:
        return "embedding", _vector(query)
    if not query.strip():
        raise UserError("the query is empty", do="give a text or the path of an image")
    return "text", query


def _picture(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        decode_rgb(data)
    except BadImage as error:
        raise UserError(str(error), where=str(path), do="give another picture") from None
    return data


def no_side(option: str, name: str, modalities: Mapping[str, str]) -> UserError:
    """For a side that the model does not have: says which it has."""
    has = ", ".join(f"{n} ({m})" for n, m in modalities.items())
    return UserError(f"{option} is {name!r}, which is no side of this model", do=f"its sides are {has}")


def _by_columns(space: SharedSpace, query: str) -> tuple[Side, Item] | None:
    """A JSON object of some columns of a side, e.g. ``{"name": "grinning face"}``; None if no side has them."""
    for side, modality in space.modalities.items():
        columns = space.columns(cast(Side, side))
        try:
            item = item_of(query, modality, columns) if columns else query
        except (ValueError, TypeError):
            continue
        if isinstance(item, Mapping) and set(item) <= set(columns):
            return cast(Side, side), item
    return None


def _hint(space: SharedSpace) -> str:
    if "embedding" in space.modalities.values():
        return "give an embedding as a JSON list, e.g. '[0.1, -0.2, …]'"
    return "give a query of one of its modalities"


def _vector(query: str) -> Item:
    try:
        return item_of(query, "embedding", ())
    except (ValueError, TypeError):
        raise UserError("the query is not a JSON list of numbers") from None


def _target(space: SharedSpace, side: Side, to: str | None) -> Side:
    if to is None:
        return "right" if side == "left" else "left"
    if to not in space.modalities:
        raise no_side("--to", to, space.modalities)
    return cast(Side, to)


def write_sheet(matches: list[Match], path: Path, console: Console) -> None:
    """A contact sheet of the pictures among the matches, if there are any."""
    from components.reporting.contact_sheet import contact_sheet

    pictures = [m for m in matches if m.thumbnail]
    if not pictures:
        return
    captions = [f"{m.score:.2f} {m.title}" for m in pictures]
    sheet = contact_sheet([cast(bytes, m.thumbnail) for m in pictures], captions, columns=4)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sheet)
    except OSError as error:
        told = f"the contact sheet cannot be written ({error.strerror})"
        raise UserError(told, where=str(path), do="choose another file with --sheet") from None
    console.print(f"contact sheet: {path}")
