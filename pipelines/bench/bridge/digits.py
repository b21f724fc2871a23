"""Real data: left and right halves of scikit-learn's digits, which meet only through the middle columns.

Every picture of the pool is known with its middle either as a left half or as a right half, never both. The oracle is
trained alike on left–right pairs: on as many (``oracle_same``), and on those of the whole pool (``oracle``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from components.alignment.protocol import Pairs
from components.bridging.estimators import estimate
from components.bridging.scores import BridgeOptions
from components.bridging.training import CriticTraining, train_critics
from pipelines.bench.bridge.runs import recall_of_32, run_all, summary

HELDOUT, COPIES, NOISE = 480, 8, 0.15
LEFT, MIDDLE, RIGHT = slice(0, 4), slice(2, 6), slice(4, 8)
TRAINING = CriticTraining(
    dim=16, hidden=(64,), epochs=24, learning_rate=5e-3, weight_decay=0.01, shared=False, scale=10.0
)


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``digits_halves``: recall@1 of 32, cosine, separate models of the middle; ``mc_over_oracle`` is a ratio."""
    jobs = [(seed, quick) for seed in range(3 if quick else 5)]
    return {"digits_halves": summary(run_all(run_one, jobs))}


def run_one(seed: int, quick: bool) -> dict[str, float]:
    """One seed: pool and held-out pictures, noise, weights."""
    from sklearn.datasets import load_digits

    pictures, rng = load_digits().images.astype(np.float32) / 16, np.random.default_rng([seed, 21])
    order = rng.permutation(len(pictures))
    heldout, pool = order[:HELDOUT], order[HELDOUT:]

    def seen(rows: np.ndarray, columns: slice) -> np.ndarray:
        part = pictures[rows][:, :, columns]
        return np.asarray(part + NOISE * rng.normal(size=part.shape), np.float32).reshape(len(rows), -1)

    training = replace(TRAINING, seed=seed)
    if quick:
        training = replace(training, epochs=10, learning_rate=1e-2)
    first, second, whole = (np.repeat(p, COPIES) for p in (pool[::2], pool[1::2], pool))
    ab, bc = Pairs(seen(first, LEFT), seen(first, MIDDLE)), Pairs(seen(second, MIDDLE), seen(second, RIGHT))
    a, c = seen(heldout, LEFT), seen(heldout, RIGHT)
    fitted = train_critics(ab, bc, training)
    bridge = fitted.bridge([str(n) for n in range(len(whole))], seen(whole, MIDDLE))

    def recall(name: str) -> float:
        options = BridgeOptions(ess_floor=0.0)
        return recall_of_32(estimate(name, fitted.a(a), fitted.c(c), bridge, fitted.critics, options).scores)

    def oracle(rows: np.ndarray) -> float:
        both = train_critics(Pairs(seen(rows, LEFT), seen(rows, RIGHT)), bc, training)
        return recall_of_32(both.critics.ab.score(both.a(a), both.b_first(c)))

    found = {"direct": recall("direct"), "mc": recall("monte-carlo"), "smoothed": recall("smoothed")}
    found |= {"oracle_same": oracle(first), "oracle": oracle(whole)}
    return {**found, "mc_over_oracle": found["mc"] / found["oracle"], "chance": 1 / 32}
