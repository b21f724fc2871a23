"""Corpora A, B, C with pairs A–B and B–C: which pairs are fitted on, which A–C pairs only judge, what is unpaired.

No A–C pair is ever fitted on, nor does one follow from the fitted ones: within a draw no item of B is known on both
sides. Items of B that belong to an A–C pair that judges are in no draw and not in the bridge. All by SHA-256 of seed
and id, so that no order of rows or files matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from components.corpora.hashing import deranged, seeded_bits, seeded_order
from components.errors import UserError
from components.files import Folder

Pair = tuple[str, str]
SIDES = ("a", "b", "c")
EDGES = {"ab": ("a", "b"), "bc": ("b", "c")}
FILE = "triples.json"
FEWEST = 10  # pairs an edge needs: fewer cannot be judged out of fold


@dataclass(frozen=True, kw_only=True)
class TripleConfig:
    """Settings of :func:`make_triples`.

    Attributes:
        ab, bc: pairs to fit on in every draw; None: all (of an item of B known on both sides, one of the two).
        oracle: A–C pairs that the oracle is given; None: as many as the smaller of the two edges has.
        heldout_fraction, heldout_max: of the A–C pairs that follow from both files, if none are given to judge by.
        draws: how often the budgets are drawn.
        seed: of everything random here.
    """

    ab: int | None = 100
    bc: int | None = 100
    oracle: int | None = None
    heldout_fraction: float = 0.25
    heldout_max: int = 500
    draws: int = 5
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Pairs of one draw: ``ab`` and ``bc`` to fit on; ``ac`` for the oracle alone."""

    ab: list[Pair]
    bc: list[Pair]
    ac: list[Pair]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Items of A and of C that are in pairs that are fitted on."""

    a: frozenset[str]
    c: frozenset[str]

    def has(self, pair: Pair) -> bool:
        """Whether either item of an A–C pair is among them."""
        return pair[0] in self.a or pair[1] in self.c


@dataclass(frozen=True, kw_only=True)
class Triples:
    """Ids only.

    Attributes:
        heldout: A–C pairs that only judge; the same for every draw; may be none.
        heldout_from: ``given``, ``derived`` (from pairs on both sides of an item of B) or ``none``.
        draws: number 0 is the primary one.
        unpaired: side -> ids to fit on without partners, sorted; no item of the undrawn pairs is on two sides.
        bridge: ids of B that the bridge may be made of, in random order, so that its beginning is a sample.
        warnings: sentences for the user.
        config: the settings asked for.
    """

    heldout: list[Pair]
    heldout_from: str
    draws: list[Draw]
    unpaired: dict[str, list[str]]
    bridge: list[str]
    warnings: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    def shuffled(self, edge: str, draw: int = 0) -> list[Pair]:
        """Control: the pairs of an edge, every first item with a wrong partner (a seeded derangement)."""
        pairs: list[Pair] = getattr(self.draws[draw], edge)
        return deranged(pairs, self.config.get("seed", 0), "shuffled", edge, draw)

    def write(self, folder: Folder) -> None:
        folder.write_json(FILE, asdict(self))

    @classmethod
    def read(cls, folder: Folder) -> Triples:
        value = folder.read_json(FILE)
        draws = [Draw(**{f.name: _pairs(d[f.name]) for f in fields(Draw)}) for d in value["draws"]]
        return cls(**{**value, "heldout": _pairs(value["heldout"]), "draws": draws})

    def numbers(self) -> dict[str, int]:
        """Counts for tables and MLflow."""
        first = self.draws[0]
        counts = {"ab": len(first.ab), "bc": len(first.bc), "oracle": len(first.ac), "heldout": len(self.heldout)}
        unpaired = {f"unpaired_{side}": len(ids) for side, ids in self.unpaired.items()}
        return {**counts, "draws": len(self.draws), "bridge": len(self.bridge), **unpaired}


def make_triples(
    ids: Mapping[str, Sequence[str]],
    edges: Mapping[str, Sequence[Pair]],
    config: TripleConfig,
    *,
    heldout: Sequence[Pair] | None = None,
    oracle: Sequence[Pair] | None = None,
    fitted: Fitted | None = None,
) -> Triples:
    """Split checked, one-to-one pairs (see :mod:`components.corpora.pairs`).

    Args:
        ids: of the corpora ``a``, ``b``, ``c``.
        edges: all known pairs ``ab`` and ``bc``.
        heldout, oracle: A–C pairs to judge by and for the oracle. Without them both are made of the A–C pairs that
            follow from the two files, if any do.
        fitted: items that ready spaces were fitted on: nothing is drawn then, and they judge nothing.

    Raises:
        UserError: leakage (a held-out item among the pairs that are fitted on), too few pairs for a budget.
    """
    ab, bc = sorted(edges["ab"]), sorted(edges["bc"])
    through = _through(ab, bc)
    used = fitted or Fitted(a=frozenset(a for a, _ in ab), c=frozenset(c for _, c in bc))
    fair = through if fitted is None else {p: b for p, b in through.items() if not fitted.has(p)}
    judged, how, warnings = _heldout(fair, heldout, config)
    if how == "given":
        refuse_fitted(judged, used)
    hidden = {through[p] for p in judged if p in through}
    bridge = sorted(set(ids["b"]) - hidden)
    if not bridge:
        raise UserError("the bridge is empty: no item of B is left", where="b", do="check the ids of B on both edges")
    pools = {"ab": [p for p in ab if p[1] not in hidden], "bc": [p for p in bc if p[0] not in hidden]}
    across = _oracle_pool(through, judged, oracle)
    nothing = Draw(ab=[], bc=[], ac=_random_order(across, config.seed, "oracle", 0)[: config.oracle])
    draws = [_draw(pools, across, config, n) for n in range(config.draws)] if fitted is None else [nothing]
    if not across:
        warnings.append("no A–C pair is left for an oracle: nothing says what real pairs would have given")
    return Triples(
        heldout=judged,
        heldout_from=how,
        draws=draws,
        unpaired=_unpaired(ids, pools, judged, hidden, config.seed),
        bridge=_random_order(bridge, config.seed, "bridge"),
        warnings=warnings,
        config=asdict(config),
    )


def refuse_fitted(heldout: Sequence[Pair], fitted: Fitted) -> None:
    """Raises UserError if an item of a held-out A–C pair is in a pair that is fitted on."""
    for side, used, edge in ((0, fitted.a, "A–B"), (1, fitted.c, "B–C")):
        common = sorted({p[side] for p in heldout} & used)
        if common:
            count = "1 item" if len(common) == 1 else f"{len(common)} items"
            raise UserError(
                f"{count} of the held-out A–C pairs (e.g. {common[0]!r}) {'is' if len(common) == 1 else 'are'} in "
                f"the {edge} pairs too",
                where="heldout",
                do="what judges must share no item with what is fitted on; or leave heldout out: A–C pairs that follow "
                "from both files are then kept back by themselves",
            )


def _through(ab: Sequence[Pair], bc: Sequence[Pair]) -> dict[Pair, str]:
    """A–C pairs that follow from both files -> their item of B."""
    onward = dict(bc)
    return {(a, onward[b]): b for a, b in ab if b in onward}


def _heldout(
    through: Mapping[Pair, str], given: Sequence[Pair] | None, config: TripleConfig
) -> tuple[list[Pair], str, list[str]]:
    if given is not None:
        return sorted(_random_order(sorted(given), config.seed, "heldout")[: config.heldout_max]), "given", []
    num = min(round(config.heldout_fraction * len(through)), config.heldout_max)
    if num < 2:
        told = "no A–C pair is known, nothing can be judged by one: see what the report says without them"
        return [], "none", [told]
    return sorted(_random_order(sorted(through), config.seed, "heldout")[:num]), "derived", []


def _oracle_pool(through: Mapping[Pair, str], heldout: Sequence[Pair], given: Sequence[Pair] | None) -> list[Pair]:
    """A–C pairs for the oracle: none shares an item with a held-out one."""
    lefts, rights = {a for a, _ in heldout}, {c for _, c in heldout}
    pool = [p for p in sorted(given if given is not None else through) if p[0] not in lefts and p[1] not in rights]
    return pool if len(pool) >= FEWEST else []


def _draw(pools: Mapping[str, list[Pair]], across: list[Pair], config: TripleConfig, number: int) -> Draw:
    both = sorted({b for _, b in pools["ab"]} & {b for b, _ in pools["bc"]})
    to_ab = {b for b, bit in zip(both, seeded_bits(both, config.seed, "side", number), strict=True) if bit}
    not_ab = set(both) - to_ab
    open_ab = [p for p in pools["ab"] if p[1] not in not_ab]
    open_bc = [p for p in pools["bc"] if p[0] not in to_ab]
    ab = _take(open_ab, config.ab, "ab", config.seed, number)
    bc = _take(open_bc, config.bc, "bc", config.seed, number)
    wanted = min(len(ab), len(bc)) if config.oracle is None else config.oracle
    ac = sorted(_random_order(across, config.seed, "oracle", number)[:wanted])
    return Draw(ab=ab, bc=bc, ac=ac)


def _take(pool: list[Pair], budget: int | None, edge: str, seed: int, number: int) -> list[Pair]:
    wanted = len(pool) if budget is None else budget
    if len(pool) < max(wanted, FEWEST):
        raise UserError(
            f"{'1 pair' if len(pool) == 1 else f'{len(pool)} pairs'} can be fitted on, fewer than the "
            f"{max(wanted, FEWEST)} asked for (an item of B known on both sides lends only one of its pairs)",
            where=f"pairs.{edge}",
            do=f"give more pairs or lower budgets.{edge}" if len(pool) >= FEWEST else "give more pairs",
        )
    return sorted(_random_order(pool, seed, edge, number)[:wanted])


def _unpaired(
    ids: Mapping[str, Sequence[str]],
    pools: Mapping[str, list[Pair]],
    heldout: Sequence[Pair],
    hidden: set[str],
    seed: int,
) -> dict[str, list[str]]:
    """Every item of the pools stays, without its partners, on one side only."""
    out: dict[str, set[str]] = {"a": {a for a, _ in heldout}, "b": set(hidden), "c": {c for _, c in heldout}}
    both = {b for _, b in pools["ab"]} & {b for b, _ in pools["bc"]}
    for edge, sides in EDGES.items():
        for pair in pools[edge]:
            middle = pair[1] if edge == "ab" else pair[0]
            stays = _one_of(SIDES if middle in both else sides, middle, seed)
            for side, item in zip(sides, pair, strict=True):
                if side != stays:
                    out[side].add(item)
    return {side: sorted(set(ids[side]) - out[side]) for side in SIDES}


def _one_of(sides: Sequence[str], key: str, seed: int) -> str:
    digest = hashlib.sha256(f"{seed}\x1fstays\x1f{key}".encode()).digest()
    return sides[int.from_bytes(digest[:8], "big") % len(sides)]


def _random_order(values: Sequence[Any], *salt: object) -> list[Any]:
    keys = [v if isinstance(v, str) else "\x1f".join(v) for v in values]
    return [values[n] for n in seeded_order(keys, *salt)]


def _pairs(value: Sequence[Sequence[str]]) -> list[Pair]:
    return [(a, b) for a, b in value]
