"""Pictures and Japanese words that were never paired, through English names, with 100 pairs on either side.

Critics are aligners of this project; which one an edge gets, and its scale, is what its own pairs say out of fold. The
bridge is all English names but those of the judged items. Oracles are ridge CCA on real picture–Japanese pairs: as many
as an edge has (``oracle_same``), and all that are not judged (``oracle``). R@10, both directions, as shares.
Letters: ``N`` emoji, ``D`` dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from components.alignment.protocol import Aligner, Alignment, Pairs
from components.alignment.ridge_cca import RidgeCCA
from components.bridging.balance import fit_balance
from components.bridging.bridge import Bridge
from components.bridging.critic import CriticPair
from components.bridging.edges import EdgeJudgement, critic_of, judge_blocks
from components.bridging.estimators import estimate
from components.bridging.prepared import PreparedBridge
from components.bridging.scores import BridgeOptions
from components.corpora.emoji import emoji_corpus, emoji_texts
from components.encoders.registry import load
from components.evaluation.out_of_fold import cross_fit
from components.evaluation.retrieval import rank_scores, recall_at
from components.transforms import UnitRows, unit_rows
from pipelines.bench.bridge.runs import summary

PAIRS, HELDOUT, FOUND = 100, 475, 10
Rows = Mapping[str, np.ndarray]


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``emoji``: means over seeds, which draw the known pairs; the judged items are the same for all."""
    rows = encoded()
    runs = [run_one(rows, seed) for seed in range(3 if quick else 5)]
    judged, pool = _judged_and_pool(len(rows["ja"]))
    oracle = _oracle(rows, pool, judged)  # of all pairs there is one draw
    told = {"oracle": oracle, "oracle_pairs": len(pool), "chance": FOUND / len(judged)}
    return {"emoji": summary(runs) | told}


def encoded() -> dict[str, np.ndarray]:
    """Centred unit rows [N, D]: pictures, English names by two encoders, Japanese names by one of these."""
    items = emoji_corpus("ja")
    english, japanese = (emoji_texts(items, column) for column in ("name", "ja"))
    multilingual = load("use-multilingual")
    raw = {
        "picture": load("efficientnet-lite0").encode([i.picture.read_bytes() for i in items]),
        "minilm": load("minilm").encode(english),
        "en": multilingual.encode(english),
        "ja": multilingual.encode(japanese),
    }
    rows = {name: unit_rows(x - x.mean(axis=0)) for name, x in raw.items()}
    return {**rows, "both": unit_rows(np.concatenate([rows["minilm"], rows["en"]], axis=1))}


def run_one(rows: Rows, seed: int) -> dict[str, float]:
    """One draw of the known pairs."""
    judged, pool = _judged_and_pool(len(rows["ja"]))
    pool = np.random.default_rng([seed, 22]).permutation(pool)
    first, second, rest = pool[:PAIRS], pool[PAIRS : 2 * PAIRS], pool[2 * PAIRS :]
    loose = {"a": rest[0::3], "b": rest[1::3], "c": rest[2::3]}  # no emoji is unpaired on two sides
    ab = _best_edge(rows, ("picture", ("minilm", "en", "both")), first, (loose["a"], loose["b"]), seed)
    bc = _best_edge(rows, (("both", "minilm", "en"), "ja"), second, (loose["b"], loose["c"]), seed)
    a, c = ab.left(judged), bc.right(judged)
    b = np.sort(pool)
    bridge = Bridge([f"{n:05d}" for n in b], ab.right(b), bc.left(b))
    critics = CriticPair(critic_of(ab.judged.scale, a, bridge.first), critic_of(bc.judged.scale, bridge.second, c))
    weights = [
        fit_balance(critic.score, outer, inner, seed=seed).log_weights(inner)
        for critic, outer, inner in (
            (critics.ab, ab.left(loose["a"]), bridge.first),
            (critics.bc, bc.right(loose["c"]), bridge.second),
        )
    ]
    balanced = replace(bridge, log_weights=weights[0] + weights[1])
    prepared = PreparedBridge(balanced, critics, weights[0], weights[1], balanced=True)
    options = BridgeOptions(ess_floor=0.0, seed=seed)

    smoothed = prepared.estimate("smoothed", a, c, options)
    return {
        "bridge": _recall(smoothed.scores),
        "bandwidth": smoothed.details["bandwidth"],
        "bridge_monte_carlo": _recall(prepared.estimate("monte-carlo", a, c, options).scores),
        "bridge_unbalanced": _recall(estimate("monte-carlo", a, c, bridge, critics, options).scores),
        "picture_english": _recall(critics.ab.score(a, ab.right(judged))),
        "english_japanese": _recall(critics.bc.score(bc.left(judged), c)),
        "oracle_same": _oracle(rows, first, judged),
    }


def _judged_and_pool(num: int) -> tuple[np.ndarray, np.ndarray]:
    """Items that only judge, and all others."""
    order = np.random.default_rng(22).permutation(num)
    return order[: min(HELDOUT, num // 4)], order[min(HELDOUT, num // 4) :]


def _recall(scores: np.ndarray) -> float:
    """R@10 of both directions; the partner of row t is column t. [N, N]"""
    both = (scores, np.ascontiguousarray(scores.T))
    return float(np.mean([recall_at(rank_scores(s).rank, FOUND) for s in both]) / 100)


def _oracle(rows: Rows, known: np.ndarray, judged: np.ndarray) -> float:
    """Ridge CCA on real picture–Japanese pairs."""
    a, c = rows["picture"], rows["ja"]
    fitted = RidgeCCA().fit(a[:0], c[:0], Pairs(a[known], c[known]))
    return _recall(fitted.score(a[judged], c[judged]))


class _Edge:
    """A fitted aligner between two named sides, and what its pairs say of it out of fold."""

    def __init__(self, rows: Rows, sides: tuple[str, str], fitted: Alignment, judged: EdgeJudgement) -> None:
        self.rows, self.sides, self.fitted, self.judged = rows, sides, fitted, judged

    def left(self, which: np.ndarray) -> np.ndarray:
        return self.fitted.transform_left(self.rows[self.sides[0]][which])

    def right(self, which: np.ndarray) -> np.ndarray:
        return self.fitted.transform_right(self.rows[self.sides[1]][which])


class _SameSpace:
    """Both sides come from one encoder: nothing is fitted."""

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        return Alignment(UnitRows(), UnitRows())


def _best_edge(
    rows: Rows, sides: tuple[Any, Any], known: np.ndarray, loose: tuple[np.ndarray, np.ndarray], seed: int
) -> _Edge:
    """Of all encoders of a side and aligners the one under which the held-back pairs of the edge are likeliest."""
    lefts, rights = ([s] if isinstance(s, str) else list(s) for s in sides)
    found = []
    for left in lefts:
        for right in rights:
            aligners: list[Aligner] = [RidgeCCA(seed=seed)]
            if {left, right} == {"en", "ja"}:
                aligners.append(_SameSpace())
            pairs = Pairs(rows[left][known], rows[right][known])
            unpaired = rows[left][loose[0]], rows[right][loose[1]]
            for aligner in aligners:
                (judged,) = cross_fit(aligner, *unpaired, pairs, seed=seed, distractors=1000)
                judgement = judge_blocks(type(aligner).__name__, judged.blocks, judged.spread())
                found.append(_Edge(rows, (left, right), aligner.fit(*unpaired, pairs), judgement))
    return min(found, key=lambda edge: edge.judged.loss)
