"""The sum over a large bridge in parts: on Ray Data, or in this process. The result does not depend on the parts."""

from __future__ import annotations

from functools import partial

import numpy as np

from cluster.data import map_numbers
from components.bridging.bridge import Bridge
from components.bridging.critic import CriticPair
from components.bridging.kernel import Partial, finish, merge, reduce_bridge
from components.bridging.prepared import PreparedBridge
from components.bridging.scores import BridgeOptions, BridgeScores, ess_of_best, ess_warnings
from components.bridging.terms import make_terms
from components.files import Folder

SHARDED = "monte-carlo"
ITEMS_A_SHARD = 100_000


def num_shards(asked: int | None, items: int) -> int:
    """As asked, never more than items; by default one per 100,000 items."""
    return min(asked or -(-items // ITEMS_A_SHARD), items)


def estimate_sharded(
    prepared: PreparedBridge,
    a: np.ndarray,
    c: np.ndarray,
    options: BridgeOptions,
    *,
    shards: int,
    engine: str,
    work: Folder,
) -> BridgeScores:
    """``monte-carlo`` of :meth:`PreparedBridge.estimate`, each part of the bridge summed by a task of its own.

    The parts go to the tasks, and their sums come back, as files in ``work``.
    """
    bridge, critics = prepared.bridge, prepared.critics
    terms = make_terms(a, c, critics)
    parts = bridge.shards(shards)
    work.write_tensors("asked.safetensors", {"a": a, "c": c})
    work.write_json("critics.json", {"ab": critics.ab.to_json(), "bc": critics.bc.to_json()})
    for number, part in enumerate(parts):
        weights = np.zeros(len(part)) if part.log_weights is None else part.log_weights
        work.write_tensors(_part(number), {"first": part.first, "second": part.second, "log_weights": weights})
    for _ in map_numbers(partial(_sum_part, work, options.memory_budget), len(parts), engine):
        pass
    sums = merge([_read_sums(work, number) for number in range(len(parts))])
    found = finish(terms, sums)
    best = ess_of_best(found.scores, found.ess)
    return BridgeScores(
        scores=prepared.corrected(found.scores, SHARDED, a, c),
        ess=found.ess,
        standard_error=found.standard_error,
        method=SHARDED,
        details={"shards": len(parts)},
        warnings=ess_warnings(best, options.ess_floor),
    )


def _part(number: int) -> str:
    return f"part-{number:05d}.safetensors"


def _sum_part(work: Folder, memory_budget: int, number: int) -> int:
    from components.bridging.fitted import read_pair

    asked, part = work.read_tensors("asked.safetensors"), work.read_tensors(_part(number))
    critics: CriticPair = read_pair(work.read_json("critics.json"))
    ids = [str(n) for n in range(len(part["first"]))]
    bridge = Bridge(ids, part["first"], part["second"], part["log_weights"])
    sums = reduce_bridge(make_terms(asked["a"], asked["c"], critics), bridge, memory_budget)
    work.write_tensors(f"sums-{number:05d}.safetensors", {"log_sum": sums.log_sum, "log_square": sums.log_square})
    work.write_json(f"sums-{number:05d}.json", {"log_mass": sums.log_mass, "count": sums.count})
    return len(bridge)


def _read_sums(work: Folder, number: int) -> Partial:
    name = f"sums-{number:05d}"
    arrays, facts = work.read_tensors(f"{name}.safetensors"), work.read_json(f"{name}.json")
    return Partial(arrays["log_sum"], arrays["log_square"], facts["log_mass"], facts["count"])
