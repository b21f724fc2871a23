"""The didactic experiment of LUCL (§5): A and C are noisy linear views of a Gaussian B that are never seen together.

B ~ N(μ, RᵀR) in 16 dimensions, A = B M_A + 2ε and C = B M_C + 2ε in 32; entries of μ, R, M uniform on (−1, 1). The
control takes A and C from something else than B that they have in common: Lemma 1's independence fails entirely.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from components.alignment.protocol import Pairs
from components.alignment.ridge_cca import RidgeCCA
from components.bridging.bridge import Bridge
from components.bridging.critic import KINDS, CriticPair, Kind
from components.bridging.estimators import estimate
from components.bridging.scores import BridgeOptions, BridgeScores
from components.bridging.training import CriticTraining, TrainedCritics, train_critics
from pipelines.bench.bridge.runs import recall_of_32, run_all, summary

DIM_B, DIM = 16, 32
SMALL, MIDDLE, LARGE = 1_000, 5_000, 100_000
ORACLE_PAIRS = 4_000
RUNS = ("separate", "shared", "dependent")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of it: pairs of each kind, held-out items, and the training (scale starts at 1, as in the paper)."""

    pairs: int = 20_000
    heldout: int = 320
    training: CriticTraining
    seeds: int = 5


FULL = Plan(training=CriticTraining(hidden=(128, 128), epochs=16, scale=1.0))
QUICK = Plan(training=CriticTraining(hidden=(64, 64), epochs=6, learning_rate=1e-2, scale=1.0), seeds=3)


@dataclass(frozen=True, kw_only=True)
class World:
    """Pairs A–B and B–C of different items, held-out rows of A and C, the bridge's rows, and real pairs A–C."""

    ab: Pairs
    bc: Pairs
    a: np.ndarray
    c: np.ndarray
    bridge: np.ndarray
    ac: Pairs


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``didactic``: critic -> the numbers of :func:`run_one` over seeds."""
    plan = QUICK if quick else FULL
    jobs = [(kind, run, seed, quick) for kind in KINDS for run in RUNS for seed in range(plan.seeds)]
    results = dict(zip(jobs, run_all(run_one, jobs), strict=True))
    found: dict[str, Any] = {}
    for kind in KINDS:
        seeds = [{k: v for run in RUNS for k, v in results[kind, run, s, quick].items()} for s in range(plan.seeds)]
        found[kind] = summary(seeds)
    return {"didactic": found}


def run_one(kind: Kind, run: str, seed: int, quick: bool) -> dict[str, float]:
    """Recall@1 of 32 of one training: separate or shared encoders of B, or separate ones in the dependent world.

    The shared ones have no batch norm.
    """
    plan = QUICK if quick else FULL
    world = make_world(plan, seed, dependent=run == "dependent")
    # batch norms happen to centre rows, and centred ones can almost be compared directly by a dot critic too
    training = replace(plan.training, kind=kind, shared=run == "shared", batch_norm=run != "shared", seed=seed)
    fitted = train_critics(world.ab, world.bc, training)
    scored = Scored(fitted, world)
    if run == "dependent":
        cca = RidgeCCA(ridge=0.1).fit(world.a[:0], world.c[:0], world.ac)
        return {
            "dependent_control": scored.recall("monte-carlo", LARGE),
            "dependent_oracle": recall_of_32(cca.score(world.a, world.c)),
        }
    found = {"direct": scored.recall("direct", SMALL)}
    found |= {f"mc{name}": scored.recall("monte-carlo", size) for name, size in _SIZES.items()}
    chosen = scored.estimate("smoothed", SMALL)
    found |= {"smoothed_1k": recall_of_32(chosen.scores), "bandwidth_1k": chosen.details["bandwidth"]}
    found = {f"{run}_{name}": value for name, value in found.items()}
    if run == "separate":
        plain = CriticPair(replace(fitted.critics.ab, scale=1.0), replace(fitted.critics.bc, scale=1.0))
        found["scale_ignored"] = scored.recall("monte-carlo", LARGE, plain)
        found["trained_scale"] = fitted.critics.ab.scale
    return found


_SIZES = {"": LARGE, "_5k": MIDDLE, "_1k": SMALL}


class Scored:
    """Held-out rows as trained encoders see them."""

    def __init__(self, fitted: TrainedCritics, world: World) -> None:
        self.critics, self.a, self.c = fitted.critics, fitted.a(world.a), fitted.c(world.c)
        self.bridge: Bridge = fitted.bridge([str(n) for n in range(len(world.bridge))], world.bridge)

    def estimate(self, name: str, size: int, critics: CriticPair | None = None) -> BridgeScores:
        part = self.bridge.take(slice(0, size))
        return estimate(name, self.a, self.c, part, critics or self.critics, BridgeOptions(ess_floor=0.0))

    def recall(self, name: str, size: int, critics: CriticPair | None = None) -> float:
        return recall_of_32(self.estimate(name, size, critics).scores)


def make_world(plan: Plan, seed: int, *, dependent: bool = False) -> World:
    """One draw of the world; ``dependent`` takes A and C from a common cause that B knows nothing of."""
    rng = np.random.default_rng([seed, 20])
    mean, root, to_a, to_c = (rng.uniform(-1, 1, s) for s in (DIM_B, (DIM_B, DIM_B), (DIM_B, DIM), (DIM_B, DIM)))

    def draw(count: int) -> np.ndarray:
        return np.asarray(mean + rng.normal(size=(count, DIM_B)) @ root, np.float32)

    def seen(rows: np.ndarray, to: np.ndarray) -> np.ndarray:
        return np.asarray(rows @ to + 2 * rng.normal(size=(len(rows), DIM)), np.float32)

    def cause(b: np.ndarray) -> np.ndarray:
        return draw(len(b)) if dependent else b

    b1, b2, heldout, known = (draw(n) for n in (plan.pairs, plan.pairs, plan.heldout, ORACLE_PAIRS))
    return World(
        ab=Pairs(seen(cause(b1), to_a), b1),
        bc=Pairs(b2, seen(cause(b2), to_c)),
        a=seen(heldout, to_a),
        c=seen(heldout, to_c),
        bridge=draw(LARGE),
        ac=Pairs(seen(known, to_a), seen(known, to_c)),
    )
