"""``isthmus search`` on a bridge: any side by any other."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from components.bridge_model import OPPOSITE, BridgeModel
from components.errors import UserError
from components.model import Match
from components.model_views import Item
from pipelines.search import SearchOptions, no_side, read_query


def search_bridge(query: str, model: BridgeModel, options: SearchOptions, console: Console) -> list[Match]:
    """Print the matches of a query.

    Raises:
        UserError: no such side, a query that could be of several sides, or one that the side cannot take.
    """
    asked, item = _asked(query, model, options.from_)
    to = OPPOSITE[asked] if options.to is None else _side(model, "--to", options.to)
    found = model.search(item, asked=asked, to=to, k=options.k)
    names = model.names
    table = Table("score", "id", "title", box=None, title=f"{names[asked]} -> {names[to]}", title_justify="left")
    for match in found.matches:
        table.add_row(f"{match.score:.3f}", match.id, match.title)
    console.print(table)
    told = f"score: {found.meaning}"
    if found.ess is not None:
        told += f"; the best match rests on {found.ess:.1f} of them"
    console.print(told, style="dim", markup=False)
    for warning in found.warnings:
        console.print(warning, style="yellow", markup=False)
    return found.matches


def _asked(query: str, model: BridgeModel, name: str | None) -> tuple[str, Item]:
    modality, item = read_query(query, set(model.modalities.values()))
    if name is not None:
        side = _side(model, "--from", name)
        takes = model.modalities[model.names[side]]
        if takes != modality:
            raise UserError(f"side {model.names[side]} takes {takes}s, the query is {_article(modality)}")
        return side, item
    fitting = [n for n, m in model.modalities.items() if m == modality]
    if not fitting:
        has = ", ".join(f"{n} ({m})" for n, m in model.modalities.items())
        raise UserError(f"no side of this model takes {_article(modality)} ({has})")
    if len(fitting) > 1:
        ways = " or ".join(f"--from {n}" for n in fitting)
        raise UserError(f"the query may be of {' or '.join(fitting)}", do=f"say {ways}")
    return _side(model, "--from", fitting[0]), item


def _side(model: BridgeModel, option: str, name: str) -> str:
    side = model.side(name)
    if side is None:
        raise no_side(option, name, model.modalities)
    return side


def _article(modality: str) -> str:
    return f"{'an' if modality[0] in 'aeiou' else 'a'} {modality}"
