"""Pairs files: ``left_id, right_id``, read as they are and checked against the corpora before anything is fitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from components.corpora.emoji import PAIRS, emoji_corpus
from components.corpora.forms import column_names, form_of, read_table
from components.corpora.listing import Listing, list_files, shown
from components.corpora.table import Table
from components.errors import UserError

BUILTIN = f"builtin:{PAIRS}"
Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class KnownPairs:
    """One-to-one pairs of ids that exist.

    Attributes:
        pairs: ``(left id, right id)``, sorted.
        where: the file, for messages.
        warnings: sentences about pairs that were left out.
    """

    pairs: list[Pair]
    where: str
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Known:
    """Ids of one side: those of the corpus, and those of its rows in quarantine."""

    ids: Collection[str]
    quarantined: Collection[str] = frozenset()


def known_pairs(location: str, left: Known, right: Known, *, sides: tuple[str, str] = ("left", "right")) -> KnownPairs:
    """Read and check a pairs file, or ``builtin:emoji``: every id that both sides have.

    Rows without a partner (of a list that is not filled in yet), rows that do not fit the header and pairs whose row is
    in quarantine are left out with a warning; a repeated pair counts once. ``sides``: names of the two corpora.

    Raises:
        UserError: unreadable file, missing column, an id that is in no corpus, an id in several pairs.
    """
    if location == BUILTIN:
        return KnownPairs(pairs=sorted((i, i) for i in set(left.ids) & set(right.ids)), where=location)
    where = shown(location)
    read = _read(location)
    pairs = sorted(set(read.pairs))
    warnings = [f"{where}: {told}" for told in read.left_out()]
    if len(pairs) < len(read.pairs):
        warnings.append(f"{where}: {len(read.pairs) - len(pairs)} rows repeat a pair, which counts once")
    usable = [p for p in pairs if p[0] not in left.quarantined and p[1] not in right.quarantined]
    if len(usable) < len(pairs):
        warnings.append(f"{where}: {len(pairs) - len(usable)} pairs are left out, their rows are in quarantine")
    _refuse_unknown(usable, dict(zip(sides, (left, right), strict=True)), where)
    _refuse_repeated(usable, where)
    return KnownPairs(pairs=usable, where=where, warnings=warnings)


def listed_pairs(location: str) -> list[Pair]:
    """The pairs of a file, or of ``builtin:emoji``, sorted, whether or not a corpus has them.

    Raises:
        UserError: unreadable file, missing column.
    """
    if location == BUILTIN:
        return sorted((e.id, e.id) for e in emoji_corpus())
    return sorted(set(_read(location).pairs))


def refuse_leakage(pairs: KnownPairs, heldout: KnownPairs) -> None:
    """Raises UserError if any id of a held-out pair is also in a known pair."""
    for side, name in enumerate(("left_id", "right_id")):
        common = {p[side] for p in pairs.pairs} & {p[side] for p in heldout.pairs}
        if common:
            raise UserError(
                f"{_some(common)} of column {name} {'is' if len(common) == 1 else 'are'} in {pairs.where} too",
                where=heldout.where,
                do="held-out pairs must share no id with the pairs, or the evaluation would be on what was fitted",
            )


@dataclass
class _Rows:
    """What a file holds: whole pairs, how many rows have an empty cell, and what is wrong with which other row."""

    pairs: list[Pair] = field(default_factory=list)
    open: int = 0
    broken: list[str] = field(default_factory=list)

    def left_out(self) -> list[str]:
        told = [f"{_are(self.open)} left out, without a partner"] if self.open else []
        return told + ([f"{_are(len(self.broken))} left out, e.g. {self.broken[0]}"] if self.broken else [])


def _read(location: str) -> _Rows:
    listing = list_files(location)
    form = form_of(listing, location)
    if form == "images":
        raise UserError("these are pictures", where=shown(location), do="pairs are a Parquet, CSV or JSONL file")
    found = column_names(listing, form)
    if not {"left_id", "right_id"} <= set(found):
        raise UserError(
            f"pairs need the columns left_id and right_id; the columns are {', '.join(found) or 'none'}",
            where=shown(location),
        )
    rows = _Rows()
    for file in listing.files:
        _read_file(listing, file.name, form, rows)
    return rows


def _read_file(listing: Listing, name: str, form: str, into: _Rows) -> None:
    # read like a corpus whose content is the other id: both come as text, and 007 stays 007
    table = Table(listing, name, {"id": "left_id", "partner": "right_id"}, "partner")
    for rows in read_table(table, form):
        problems = rows.problems or [None] * len(rows)
        for left, right, number, problem in zip(
            rows.ids, rows.payload.to_pylist(), rows.numbers, problems, strict=True
        ):
            pair = _id(left), _id(right)
            if problem or None in pair:
                into.broken.append(f"row {number}: {problem or 'an id is not UTF-8'}")
            elif pair[0] and pair[1]:
                into.pairs.append((pair[0], pair[1]))
            else:
                into.open += 1


def _id(cell: bytes | None) -> str | None:
    """The id, empty if the cell is; None if it is not UTF-8."""
    try:
        text = (cell or b"").decode()
    except UnicodeDecodeError:
        return None
    return text if text.strip() else ""


def _refuse_unknown(pairs: Sequence[Pair], corpora: Mapping[str, Known], where: str) -> None:
    for side, (name, known) in enumerate(corpora.items()):
        ids = set(known.ids)
        unknown = {p[side] for p in pairs} - ids
        if unknown:
            column = ("left_id", "right_id")[side]
            swapped = unknown <= set(list(corpora.values())[1 - side].ids)
            raise UserError(
                f"{_some(unknown)} of column {column} {'is' if len(unknown) == 1 else 'are'} not in the {name} corpus "
                f"(its ids look like {_examples(ids)})",
                where=where,
                do="but the other corpus has them: swap left_id and right_id, or left and right of the recipe"
                if swapped
                else "correct or remove these pairs",
            )


def _refuse_repeated(pairs: Sequence[Pair], where: str) -> None:
    for side, name in enumerate(("left_id", "right_id")):
        counts = Counter(p[side] for p in pairs)
        repeated = {i for i, n in counts.items() if n > 1}
        if repeated:
            example = min(repeated)
            partners = _examples([p[1 - side] for p in pairs if p[side] == example])
            raise UserError(
                f"{_some(repeated)} of column {name} {'is' if len(repeated) == 1 else 'are'} in several pairs "
                f"({example!r} with {partners})",
                where=where,
                do="pairs must be one to one: keep one pair of each",
            )


def _are(count: int) -> str:
    return "1 row is" if count == 1 else f"{count} rows are"


def _some(ids: Collection[str]) -> str:
    return f"{len(ids)} {'id' if len(ids) == 1 else 'ids'} ({_examples(ids)})"


def _examples(ids: Collection[str]) -> str:
    shown_ids = sorted(ids)[:3]
    return ", ".join(map(repr, shown_ids)) + (", …" if len(ids) > len(shown_ids) else "")
