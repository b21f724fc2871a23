"""Semantic arithmetic: a − b + c against the other side (SUE, §4), on queries that the corpus' own names give.

Two names that differ in one word, twice with the same two words, are a parallelogram: ``red heart`` − ``red circle`` +
``blue circle`` should be ``blue heart``. One of the two words may be empty (``cow`` : ``cow face``). Where the same
words separate more names, c − b may be averaged over them: what is peculiar to one of them cancels. Nothing is said
about what the words mean: colours, directions, times, phases and persons are found because names are built of them.
Letters: ``Q`` queries, ``G`` gallery items, ``K`` shared dimensions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import UserError
from components.evaluation.intervals import LEVEL, Interval, t_interval
from components.evaluation.retrieval import TIE
from components.transforms import unit_rows

RECALLS = (1, 5, 10)
MOST_WORDS = 12  # of a name; longer texts are sentences, not names
MOST_FILLERS = 64  # words tried in a place of a wanted item's name
MOST_STEPS = 8
MOST_WANTED = 400
_BETWEEN = re.compile(r"[\s_-]+")
Context = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Query:
    """``a − b + c`` should be ``wanted``; all are ids.

    Attributes:
        words: what separates a from wanted, and b from c.
        steps: (b, c), the first of which is the one of a − b + c; the difference may be averaged over all of them.
    """

    a: str
    wanted: str
    words: tuple[str, str]
    steps: tuple[tuple[str, str], ...]

    @property
    def b(self) -> str:
        return self.steps[0][0]

    @property
    def c(self) -> str:
        return self.steps[0][1]

    @property
    def operands(self) -> set[str]:
        """All ids but the wanted one: no candidates."""
        return {self.a, *(i for step in self.steps for i in step)}


def find_queries(names: Mapping[str, str], wanted: Collection[str], *, per_item: int = 5, seed: int = 0) -> list[Query]:
    """At most ``per_item`` queries for each of ``wanted``, drawn by seed; the order of ``names`` does not matter.

    Args:
        names: id -> name. Names that several items have are left out.
        wanted: ids that may be asked for, e.g. the held-out ones.

    Raises:
        UserError: the names have no such structure.
    """
    places = _Places.of(names)
    rng = np.random.default_rng(seed)
    asked = [i for i in sorted(wanted) if i in places.slots]
    found: list[Query] = []
    items = 0
    for item in (asked[n] for n in rng.permutation(len(asked))):
        own = list(_queries_for(item, places, rng))
        found += [own[n] for n in rng.permutation(len(own))[:per_item]]
        items += bool(own)
        if items == MOST_WANTED:
            break
    if not found:
        raise UserError(
            "no held-out item's name differs from others by one word in a way that repeats",
            where="title",
            do="name a column of short, structured names (title)",
        )
    return found


def centred_units(rows: np.ndarray, unpaired: np.ndarray) -> np.ndarray:
    """Rows [N, K] of one side less that side's mean over its ``unpaired`` rows, at unit length: sides differ in it."""
    return unit_rows(rows - unpaired.mean(axis=0))


def ranks_without_operands(
    points: np.ndarray, queries: Sequence[Query], gallery: np.ndarray, ids: Sequence[str]
) -> np.ndarray:
    """Rank of each query's wanted item among the gallery without the query's operands; ties averaged. [Q]

    Args:
        points: unit rows [Q, K]; gallery: unit rows [G, K] of the items ``ids``, every wanted one among them.
    """
    place = {name: n for n, name in enumerate(ids)}
    scores = points @ gallery.T
    for row, query in zip(scores, queries, strict=True):
        row[[place[o] for o in query.operands if o in place]] = -np.inf
    truth = scores[np.arange(len(queries)), [place[q.wanted] for q in queries]][:, None]
    higher = (scores > truth + TIE).sum(axis=1)
    ties = (np.abs(scores - truth) <= TIE).sum(axis=1) - 1
    return np.asarray(1 + higher + ties / 2)


def summarise_ranks(draws: Sequence[np.ndarray]) -> dict[str, Any]:
    """``{"A@1": {"mean", …}, …}``: share of the queries whose wanted item is among the first k, interval over draws."""
    return {
        f"A@{k}": t_interval(np.array([np.mean(ranks <= k) for ranks in draws]), bounds=(0, 1)).to_json()
        for k in RECALLS
    }


def gain(
    ours: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    queries: Sequence[Query],
    *,
    k: int,
    seed: int,
    num_resamples: int = 1000,
) -> Interval:
    """How much more often the wanted item is among the first ``k`` than with another query's ranks, draws averaged.

    95 % bootstrap over wanted items: queries for the same one are not independent.
    """
    better = np.mean([(a <= k).astype(float) - (b <= k) for a, b in zip(ours, others, strict=True)], axis=0)
    names = sorted({q.wanted for q in queries})
    number = {name: n for n, name in enumerate(names)}
    owner = np.array([number[q.wanted] for q in queries])
    sums, counts = np.bincount(owner, better), np.bincount(owner)
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(names), size=(num_resamples, len(names)))
    means = sums[rows].sum(axis=1) / counts[rows].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(better.mean()), float(low), float(high), len(names))


@dataclass(frozen=True)
class _Places:
    """Where words stand: ``fillers`` context -> word -> id, ``contexts`` word -> contexts, ``slots`` id -> places."""

    fillers: dict[Context, dict[str, str]]
    contexts: dict[str, set[Context]]
    slots: dict[str, list[tuple[Context, str]]]

    @classmethod
    def of(cls, names: Mapping[str, str]) -> _Places:
        owners = defaultdict(list)
        for item in sorted(names):
            owners[_words(names[item])].append(item)
        fillers: dict[Context, dict[str, str]] = defaultdict(dict)
        contexts: dict[str, set[Context]] = defaultdict(set)
        slots: dict[str, list[tuple[Context, str]]] = {}
        for words, items in owners.items():
            if len(items) > 1 or not 0 < len(words) <= MOST_WORDS:
                continue
            slots[items[0]] = list(_slots(words))
            for context, word in slots[items[0]]:
                fillers[context][word] = items[0]
                contexts[word].add(context)
        return cls(fillers, contexts, slots)


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in _BETWEEN.split(name.lower()) if word)


def _slots(words: tuple[str, ...]) -> Iterator[tuple[Context, str]]:
    """Every word of a name with what is around it, and the empty word at every place."""
    for n, word in enumerate(words):
        if len(words) > 1:
            yield (words[:n], words[n + 1 :]), word
    for n in range(len(words) + 1):
        yield (words[:n], words[n:]), ""


def _queries_for(item: str, places: _Places, rng: np.random.Generator) -> Iterator[Query]:
    for here, word in places.slots[item]:
        others = sorted(w for w in places.fillers[here] if w != word and len(places.contexts[w]) > 1)
        for other in (others[n] for n in rng.permutation(len(others))[:MOST_FILLERS]):
            few, many = sorted((places.contexts[word], places.contexts[other]), key=len)
            common = sorted(c for c in few if c in many and c != here)
            a = places.fillers[here][other]
            steps = [(places.fillers[c][other], places.fillers[c][word]) for c in common]
            steps = [steps[n] for n in rng.permutation(len(steps)) if len({item, a, *steps[n]}) == 4][:MOST_STEPS]
            if steps:
                yield Query(a, item, (other, word), tuple(steps))
