"""Which queries and which misses a reader is shown. Not the best ones: even steps from the easiest to the hardest.

Letters: ``T`` held-out pairs; row i of the queries belongs to column i of the gallery.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from components.reporting.data import Item, Match, NearHit, NearHits, Query

_WORD = re.compile(r"[^\W\d_]{3,}")
_FILLERS = frozenset({"and", "with", "the", "for", "from", "not"})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One direction of retrieval on the held-out pairs.

    Attributes:
        scores: [T, T], higher is closer; the true partner of query i is candidate i.
        query_ids, gallery_ids: [T].
        query, answer: give the item of an id; called only for those that are shown.
    """

    scores: np.ndarray
    query_ids: Sequence[str]
    gallery_ids: Sequence[str]
    query: Callable[[str], Item]
    answer: Callable[[str], Item]

    def __post_init__(self) -> None:
        size = len(self.query_ids)
        if self.scores.shape != (size, size) or len(self.gallery_ids) != size:
            raise ValueError(f"scores {self.scores.shape} of {size} queries and {len(self.gallery_ids)} candidates")


def partner_ranks(scores: np.ndarray) -> np.ndarray:
    """Rank of the true partner (the diagonal) of each query; 1 is best, ties averaged. [T, T] -> [T]."""
    own = np.diagonal(scores)[:, None]
    return 1.0 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2


def pick_queries(asked: Asked, *, num_queries: int = 8, num_matches: int = 6) -> list[Query]:
    """Queries at even steps through the list sorted by rank, each with its first answers.

    The share of framed hits among them is therefore close to recall@``num_matches``.
    """
    ranks = partner_ranks(asked.scores)
    easiest_first = sorted(range(len(ranks)), key=lambda i: (ranks[i], asked.query_ids[i]))
    return [
        Query(
            item=asked.query(asked.query_ids[i]),
            matches=_first_answers(asked, i, num_matches),
            partner=asked.answer(asked.gallery_ids[i]),
            rank=float(ranks[i]),
        )
        for i in _even_steps(easiest_first, num_queries)
    ]


def find_near_hits(asked: Asked, words: Sequence[frozenset[str]], *, num_examples: int = 8) -> NearHits:
    """Misses whose first answer shares a word with the true partner. ``words`` of each pair: [T].

    ``expected`` is the share that a random wrong answer would reach: without it the count means nothing.
    """
    first = np.argmax(asked.scores, axis=1)
    misses = [i for i in range(len(first)) if first[i] != i]
    near = [i for i in misses if words[i] & words[first[i]]]
    ranks = partner_ranks(asked.scores)
    near.sort(key=lambda i: (ranks[i], asked.query_ids[i]))
    examples = [
        NearHit(
            query=asked.query(asked.query_ids[i]),
            answer=asked.answer(asked.gallery_ids[first[i]]),
            partner=asked.answer(asked.gallery_ids[i]),
            rank=float(ranks[i]),
            shared=sorted(words[i] & words[first[i]]),
        )
        for i in _even_steps(near, num_examples)
    ]
    return NearHits(
        examples=examples, num_near=len(near), num_misses=len(misses), expected=_sharing_by_chance(misses, words)
    )


def pair_words(left: Sequence[Item], right: Sequence[Item], *, too_common: float = 0.25) -> list[frozenset[str]]:
    """Words of title (or the text's first words), group and label of each pair; [T].

    Words in more than ``too_common`` of the pairs tell nothing and are left out, but a group's or label's name stays.
    """
    named = [_split(a.group, a.label, b.group, b.label) for a, b in zip(left, right, strict=True)]
    titles = [_split(_caption(a), _caption(b)) for a, b in zip(left, right, strict=True)]
    counts = Counter(w for words in titles for w in words)
    limit = max(2.0, too_common * len(titles))
    return [n | {w for w in t if counts[w] <= limit} for n, t in zip(named, titles, strict=True)]


def _caption(item: Item) -> str:
    return item.title or (item.text or "")[:80]


def _split(*texts: str) -> frozenset[str]:
    return frozenset(w for text in texts for w in _WORD.findall(text.lower())) - _FILLERS


def _first_answers(asked: Asked, query: int, count: int) -> list[Match]:
    row = asked.scores[query]
    first = np.argsort(-row, kind="stable")[:count]
    return [Match(item=asked.answer(asked.gallery_ids[j]), score=float(row[j]), hit=int(j) == query) for j in first]


def _sharing_by_chance(misses: Sequence[int], words: Sequence[frozenset[str]]) -> float | None:
    """Mean over the misses of the share of wrong candidates that share a word with the partner."""
    if not misses:
        return None
    holders: dict[str, set[int]] = {}
    for i, own in enumerate(words):
        for word in own:
            holders.setdefault(word, set()).add(i)
    sharing = [len(set().union(*(holders[w] for w in words[i])) - {i}) for i in misses]
    return float(np.mean(sharing)) / (len(words) - 1)


def _even_steps(order: Sequence[int], count: int) -> list[int]:
    """``count`` members of a list at the middles of equal parts of it."""
    if len(order) <= count:
        return list(order)
    return [order[int((step + 0.5) * len(order) / count)] for step in range(count)]
