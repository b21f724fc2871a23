"""``isthmus search``: one query against an exported model or bridge, answers as a table and a contact sheet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from cluster.serving.served import Served, load_served
from components.corpora.images import BadImage, decode_rgb
from components.errors import UserError
from components.model import Found, Match
from components.model_views import Item, item_of
from pipelines.home import Home

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"}

LEAST = 0.01
EXPLAINED = (
    "confidence: chance that this is the query's own partner, if it has one here; paired: has its partner already;\n"
    "mutual: no other item of the query's side is closer to it"
)
Sides = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """As in ``isthmus search --help``. ``by_id``: the query is the id of a row of the model."""

    k: int = 8
    model: Path | None = None
    from_: str | None = None
    to: str | None = None
    by_id: bool = False
    sheet: Path | None = None


def search_and_print(query: str, home: Home, options: SearchOptions, console: Console) -> list[Match]:
    """Print the matches of a text, an image file, a JSON list of numbers (for sides of embeddings), or a row's id.

    Raises:
        UserError: no model, no such side or row, a query that the side cannot take or that may be of several sides.
    """
    model = load_served(options.model or latest_model(home, ("model", "bridge")), home.cache)
    sides = model.describe()["sides"]
    wanted = None if options.from_ is None else _named(sides, "--from", options.from_)
    side, item = _by_id(model, sides, query, wanted) if options.by_id else _query(sides, query, wanted)
    to = sides[side]["opposite"] if options.to is None else _named(sides, "--to", options.to)
    row = query if options.by_id else None
    point = model.stored(side, query, to) if item is None else model.encode_each(side, [item], to)[0]
    found = model.search(point, side=side, to=to, k=options.k, row=row)
    _print(found, f"{side} -> {to}", console)
    write_sheet(found.matches, options.sheet or home.path / "results" / "search.png", console)
    return found.matches


def _print(found: Found, title: str, console: Console) -> None:
    judged = any(match.confidence is not None or match.paired for match in found.matches)
    table = Table("score", *(("confidence", "mutual") if judged else ()), "id", "title", box=None)
    table.title, table.title_justify = title, "left"
    for match in found.matches:
        sure = (confidence(match), "yes" if match.mutual else "") if judged else ()
        table.add_row(f"{match.score:.3f}", *sure, match.id, match.title)
    console.print(table)
    told = f"score: {found.meaning}"
    if found.ess is not None:
        told += f"; the best match rests on {found.ess:.1f} of them"
    console.print(told, style="dim", markup=False)
    if judged:
        console.print(EXPLAINED, style="dim")
    for warning in found.warnings:
        console.print(warning, style="yellow", markup=False)


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


def _by_id(model: Served, sides: Sides, row: str, wanted: str | None) -> tuple[str, None]:
    """The side that has the row."""
    having = [name for name in ([wanted] if wanted else sides) if _has(model, name, row)]
    if not having:
        raise UserError(f"no row of the {wanted} side has this id" if wanted else "no row has this id", where=row)
    return _only(having, f"{row} is a row"), None


def _has(model: Served, side: str, row: str) -> bool:
    try:
        model.stored(side, row, None)
    except KeyError:
        return False
    return True


def _query(sides: Sides, query: str, wanted: str | None) -> tuple[str, Item]:
    """The side that the query is of, and the query as its encoders take it."""
    asked = {wanted: sides[wanted]} if wanted else sides
    if query.lstrip().startswith("{") and (named := _by_columns(asked, query)):
        return named
    modality, item = read_query(query, {side["modality"] for side in asked.values()})
    fitting = [name for name, side in asked.items() if side["modality"] == modality]
    if not fitting:
        has = ", ".join(f"{name}: {side['modality']}" for name, side in sides.items())
        takes = f"the {wanted} side takes {asked[wanted]['modality']}s" if wanted else f"there is no {modality} side"
        raise UserError(f"{takes}, the query is {_article(modality)} ({has})", do=_hint(asked))
    of_its_length = [n for n in fitting if isinstance(item, list) and sides[n]["vector"] == len(item)]
    return _only(of_its_length or fitting, "the query may be"), item


def _only(names: Sequence[str], what: str) -> str:
    if len(names) > 1:
        ways = " or ".join(f"--from {name}" for name in names)
        raise UserError(f"{what} of {' or '.join(names)}", do=f"say {ways}")
    return names[0]


def _named(sides: Sides, option: str, name: str) -> str:
    """The side's name; those of a bridge go by their letters, too."""
    for known, side in sides.items():
        if name in (known, side["letter"]):
            return known
    has = ", ".join(f"{known} ({side['modality']})" for known, side in sides.items())
    raise UserError(f"{option} is {name!r}, which is no side of this model", do=f"its sides are {has}")


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


def _by_columns(sides: Sides, query: str) -> tuple[str, Item] | None:
    """A JSON object of some columns of a side, e.g. ``{"name": "grinning face"}``; None if no side has them."""
    for name, side in sides.items():
        try:
            item = item_of(query, side["modality"], side["columns"]) if side["columns"] else query
        except (ValueError, TypeError):
            continue
        if isinstance(item, Mapping) and set(item) <= set(side["columns"]):
            return name, item
    return None


def _hint(sides: Sides) -> str:
    if any(side["modality"] == "embedding" for side in sides.values()):
        return "give an embedding of its length as a JSON list, e.g. '[0.1, -0.2, …]', or the id of a row with --id"
    return "give a query of one of its modalities, or the id of a row with --id"


def _vector(query: str) -> Item:
    try:
        return item_of(query, "embedding", ())
    except (ValueError, TypeError):
        raise UserError("the query is not a JSON list of numbers") from None


def _article(modality: str) -> str:
    return f"{'an' if modality[0] in 'aeiou' else 'a'} {modality}"


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
