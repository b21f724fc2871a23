"""The kernel against chunked ``torch.logsumexp`` over A × C × bridge, its error, and its memory beside the budget."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import torch

from components.bridging.bridge import Bridge
from components.bridging.critic import Critic, CriticPair
from components.bridging.estimators import estimate, estimate_cost
from components.bridging.scores import BridgeOptions
from pipelines.bench.objectives.timing import cpu_seconds, one_thread
from pipelines.bench.spectral import Memory

DIM = 64
MIB = 1 << 20
CHUNK = 50_000
SPREAD = 1.0
World = tuple[np.ndarray, np.ndarray, Bridge, CriticPair]


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``kernel``: speed, error and memory.

    ``speedup_vs_logsumexp`` is at equal accuracy (float64) and of processor time on one thread;
    ``speedup_vs_float32_logsumexp`` is against the same in single precision. ``scale_100``: cosine critics of scale 100
    with queries and candidates near items of their own. ``peak_bytes_over_budget``: growth of resident memory over the
    budget, in a process of its own; 1 is the budget.
    """
    with one_thread():
        found: dict[str, Any] = _speed(128, 8_192) if quick else _speed(256, 20_000)
        found["scale_100"] = _range(32, 100_000 if quick else 1_000_000)
    size, items, budget = (1_000, 20_000, 256 * MIB) if quick else (2_000, 1_000_000, 512 * MIB)
    return {"kernel": found | _memory(size, items, budget)}


def _speed(size: int, items: int) -> dict[str, float]:
    world = make_world(size, items, scale=20.0)
    kept: dict[str, Any] = {}

    def ours() -> None:
        kept["ours"] = estimate("monte-carlo", *world, BridgeOptions(ess_floor=0.0)).scores

    def cube(dtype: torch.dtype) -> None:
        kept[str(dtype)] = chunked_logsumexp(world, dtype)

    contenders = {"ours": ours, "float64": lambda: cube(torch.float64), "float32": lambda: cube(torch.float32)}
    seconds = cpu_seconds(contenders, rounds=1, warm=False) | cpu_seconds({"ours": ours}, rounds=3)
    exact = kept["torch.float64"].numpy()
    return {
        "speedup_vs_logsumexp": seconds["float64"] / seconds["ours"],
        "speedup_vs_float32_logsumexp": seconds["float32"] / seconds["ours"],
        "max_abs_error": float(np.abs(kept["ours"] - exact).max()),
        "float32_logsumexp_error": float(np.abs(kept["torch.float32"].numpy() - exact).max()),
        "queries": size,
        "bridge": items,
    }


def chunked_logsumexp(world: World, dtype: torch.dtype, chunk: int = 256) -> torch.Tensor:
    """All N·K·M exponentials, ``chunk`` bridge items at a time. [N, K]"""
    a, c, bridge, critics = world
    total = torch.full((len(a), len(c)), -torch.inf, dtype=dtype)
    left, right = torch.from_numpy(critics.ab.rows(a)).to(dtype), torch.from_numpy(critics.bc.rows(c)).to(dtype)
    for start in range(0, len(bridge), chunk):
        part = bridge.take(slice(start, start + chunk))
        first = critics.ab.scale * left @ torch.from_numpy(critics.ab.rows(part.first)).to(dtype).T
        second = critics.bc.scale * right @ torch.from_numpy(critics.bc.rows(part.second)).to(dtype).T
        total = torch.logaddexp(total, torch.logsumexp(first[:, None] + second[None], dim=2))
    return total - float(np.log(len(bridge)))


def _range(size: int, items: int) -> dict[str, float]:
    """Where float32 underflows: the best item of a query and that of a candidate are far from each other."""
    world = make_world(size, items, scale=100.0, spread=SPREAD)
    ours = estimate("monte-carlo", *world, BridgeOptions(ess_floor=0.0)).scores
    bare = _float32_products(world)
    a, c, bridge, critics = world
    checked = [(n, n) for n in range(0, size, 8)] + [(n, size - 1 - n) for n in range(0, size, 8)]
    exact = [
        _exact(critics.ab.score(a[[n]], bridge.first)[0] + critics.bc.score(c[[k]], bridge.second)[0])
        for n, k in checked
    ]
    lost = ~np.isfinite(bare)
    off = np.abs(bare - ours)[~lost]
    return {
        "bridge": items,
        "finite": bool(np.isfinite(ours).all()),
        "max_abs_error": float(max(abs(ours[at] - e) for at, e in zip(checked, exact, strict=True))),
        "float32_error_nats": float(off.max()) if off.size else float("nan"),
        "float32_lost_cells": float(lost.mean()),
        "bare_exponentials_lost_cells": _bare_lost(world),
    }


def _exact(logits: np.ndarray) -> float:
    """By extended precision."""
    wide = logits.astype(np.longdouble)
    top = wide.max()
    return float(top + np.log(np.exp(wide - top).sum()) - np.log(np.longdouble(len(wide))))


def _float32_products(world: World, chunk: int = 4096) -> np.ndarray:
    """The same products in single precision, streamed, chunks joined by logaddexp."""
    a, c, bridge, critics = world
    total = np.full((len(a), len(c)), -np.inf, np.float32)
    with np.errstate(all="ignore"):
        for start in range(0, len(bridge), chunk):
            part = bridge.take(slice(start, start + chunk))
            left = critics.ab.score(a, part.first).astype(np.float32)
            right = critics.bc.score(c, part.second).astype(np.float32)
            p, q = left.max(1, keepdims=True), right.max(1, keepdims=True)
            sums = np.exp(left - p) @ np.exp(right - q).T
            total = np.logaddexp(total, p + q.T + np.log(sums))
    return total - np.float32(np.log(len(bridge)))


def _bare_lost(world: World) -> float:
    """Share of cells that overflow or vanish when exponentials are summed without a shift, in single precision."""
    a, c, bridge, critics = world
    part = bridge.take(slice(0, 4096))
    with np.errstate(all="ignore"):
        left, right = (
            np.exp(s.astype(np.float32)) for s in (critics.ab.score(a, part.first), critics.bc.score(c, part.second))
        )
        return float((~np.isfinite(np.log(left @ right.T))).mean())


def make_world(size: int, items: int, *, scale: float, dim: int = DIM, spread: float = 0.0) -> World:
    """Random separate spaces, bridge rows float32; each query and candidate is near an item of its own.

    ``spread`` is that of one direction, as embeddings have it, beside the length of all others; it is opposite in both.
    """
    rng = np.random.default_rng(0)
    first, second = (np.empty((items, dim), np.float32) for _ in range(2))
    for start in range(0, items, CHUNK):
        rows = slice(start, start + CHUNK)
        common = spread * dim**0.5 * rng.standard_normal(len(first[rows]), dtype=np.float32)
        for side, sign in ((first, 1), (second, -1)):
            side[rows] = rng.standard_normal(side[rows].shape, dtype=np.float32)
            side[rows, 0] += sign * common
    a = first[:size] + 0.3 * rng.standard_normal((size, dim), dtype=np.float32)
    c = second[size : 2 * size] + 0.3 * rng.standard_normal((size, dim), dtype=np.float32)
    critic = Critic(kind="cosine", scale=scale, dim=dim)
    return a, c, Bridge([str(n) for n in range(items)], first, second), CriticPair(critic, critic)


def _memory(size: int, items: int, budget: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "pipelines.bench.bridge.kernel", str(size), str(items), str(budget)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own module
        assert process.stdout is not None
        lines = []
        for line in process.stdout:  # the cost is told before the sum starts
            lines.append(line)
            if not line.startswith("{"):
                sys.stderr.write(line)
                sys.stderr.flush()
    if process.returncode:
        raise RuntimeError(f"the kernel at {size} x {size} x {items} failed")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def measure_memory(size: int, items: int, budget: int) -> dict[str, Any]:
    """In this process: cost as extrapolated, then the sum and the growth of resident memory."""
    import time

    world, options = make_world(size, items, scale=20.0), BridgeOptions(memory_budget=budget, ess_floor=0.0)
    warm = make_world(8, 64, scale=20.0)
    estimate("monte-carlo", *warm, options)  # libraries load once, for whatever size
    cost = estimate_cost(*world, options)
    sys.stdout.write(f"log-sum-exp over {size} x {size} x {items:,}, extrapolated: {cost}\n")
    sys.stdout.flush()
    memory, began = Memory(), time.perf_counter()
    found = estimate("monte-carlo", *world, options)
    seconds, peak = time.perf_counter() - began, memory.stop()
    return {
        "peak_bytes_over_budget": peak * MIB / budget,
        "budget_mib": budget / MIB,
        "extrapolated_seconds": cost.seconds,
        "seconds": seconds,
        "largest": [size, size, items],
        "finite": bool(np.isfinite(found.scores).all()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure_memory(*(int(x) for x in sys.argv[1:]))) + "\n")
