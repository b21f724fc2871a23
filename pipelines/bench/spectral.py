"""``isthmus bench spectral``: exact eigenvectors against SpectralNet, graph building included in both; memory per row.

Rows are planted: 31 overlapping clusters, so that the spectrum has a known gap after 30 coordinates. Errors are those
of the spanned subspaces against eigenvectors of the same graph solved a thousand times tighter.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from components.graphs.config import GraphConfig
from components.spectral.config import EigenConfig, SpectralNetConfig

ROWS, QUICK_ROWS = (10_000, 30_000, 100_000), (2_000, 4_000)
DIM, CLUSTERS, LATENT, PATCH = 256, 31, 16, 6
SAMPLE_S = 0.02


def measure(rows: Sequence[int] = ROWS, *, dim: int = DIM, quick: bool = False) -> dict[str, Any]:
    """Each size and solver in a process of its own.

    Returns per size: seconds (wall and processor), peak growth of memory in MiB beyond the rows, and subspace error of
    the exact solver; the same of SpectralNet at the largest size; the ratio of their times there; and the MiB that
    1,000 more rows cost between two sizes.
    """
    sizes = QUICK_ROWS if quick else tuple(rows)
    exact = {str(n): _in_process("eigen", n, dim, quick) for n in sizes}
    trained = _in_process("spectralnet", sizes[-1], dim, quick)
    last = exact[str(sizes[-1])]
    return {
        "dim": dim,
        "coordinates": CLUSTERS - 1,
        "eigen": exact,
        "spectralnet": {str(sizes[-1]): trained},
        "eigen_mib_per_1000_more_rows": {f"{a}-{b}": _slope(exact, a, b) for a, b in pairwise(sizes)},
        "time_ratio_eigen_to_spectralnet": last["seconds"] / trained["seconds"],
        "cpu_ratio_eigen_to_spectralnet": last["cpu_seconds"] / trained["cpu_seconds"],
        "eigen_error_not_worse": last["subspace_error"] <= trained["subspace_error"],
    }


def _slope(exact: dict[str, dict[str, float]], few: int, many: int) -> float:
    """Equal slopes between sizes mean memory linear in the number of rows."""
    return 1000 * (exact[str(many)]["peak_growth_mib"] - exact[str(few)]["peak_growth_mib"]) / (many - few)


def planted(num_rows: int, dim: int = DIM, *, seed: int = 0) -> np.ndarray:
    """Rows [num_rows, dim] float32: 31 patches of 6 dimensions at random places of a 16-dimensional space, turned into
    ``dim`` dimensions, with noise in all of them."""
    rng = np.random.default_rng(seed)
    centres = 2.5 / np.sqrt(LATENT) * rng.standard_normal((CLUSTERS, LATENT))
    patches = rng.standard_normal((CLUSTERS, PATCH, LATENT)) / 4
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0][:LATENT].astype(np.float32)
    labels = rng.integers(0, CLUSTERS, num_rows)
    hidden = centres[labels]
    for cluster in range(CLUSTERS):
        own = labels == cluster
        hidden[own] += rng.standard_normal((int(own.sum()), PATCH)) @ patches[cluster]
    noise = rng.standard_normal((num_rows, dim), dtype=np.float32) * np.float32(0.2 / np.sqrt(dim))
    return np.asarray(hidden.astype(np.float32) @ turn + noise)


def measure_one(solver: str, num_rows: int, dim: int, quick: bool) -> dict[str, float]:
    """One solver on one size, in this process."""
    from components.graphs.build import build_graph
    from components.graphs.walk import stationary
    from components.spectral.angles import span_error
    from components.spectral.eigen import spectral_basis

    rows = planted(num_rows, dim)
    solve = _eigen if solver == "eigen" else _spectralnet(rows, quick)
    memory = Memory()
    began, cpu_began = time.perf_counter(), time.process_time()
    graph = build_graph(rows, GraphConfig(components="bridge"))
    facts = {"graph_seconds": time.perf_counter() - began}
    coordinates, more = solve(graph.weights)
    facts |= {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    facts |= {"peak_growth_mib": memory.stop(), "edges": float(graph.weights.nnz), **more}
    tight = EigenConfig(dim=CLUSTERS - 1, tolerance=1e-9)
    truth = spectral_basis(graph.weights, tight, seed=1)
    facts["subspace_error"] = span_error(coordinates, truth.vectors, weights=stationary(graph.weights))
    return facts


Solved = tuple[np.ndarray, dict[str, float]]


def _eigen(weights: Any) -> Solved:
    from components.spectral.eigen import spectral_basis

    basis = spectral_basis(weights, EigenConfig(dim=CLUSTERS - 1))
    return basis.vectors, {"residual": float(basis.residuals.max()), "products": float(basis.num_products)}


def _spectralnet(rows: np.ndarray, quick: bool) -> Callable[[Any], Solved]:
    from components.spectral.spectralnet_training import fit_spectralnet
    from components.training import LocalSession

    def solve(weights: Any) -> Solved:
        defaults = SpectralNetConfig(dim=CLUSTERS - 1)
        config = replace(defaults, epochs=3) if quick else defaults
        fit = fit_spectralnet(rows, weights, config, LocalSession())
        return fit.net(rows), {"epochs": float(len(fit.losses)), "loss": fit.losses[-1]}

    return solve


class Memory:
    """Peak resident memory of this process beyond that at the start, sampled every 20 ms."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._start = self._peak = self._process.memory_info().rss
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def stop(self) -> float:
        self._over.set()
        self._thread.join()
        return float(self._peak - self._start) / 2**20


def _in_process(solver: str, num_rows: int, dim: int, quick: bool) -> dict[str, float]:
    command = [sys.executable, "-m", "pipelines.bench.spectral", solver, str(num_rows), str(dim), str(int(quick))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode:
        raise RuntimeError(f"bench of {solver} with {num_rows} rows failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main(arguments: Sequence[str]) -> None:
    """Without arguments the whole benchmark; with them one case, as :func:`measure` calls it. JSON on stdout."""
    if arguments:
        solver, num_rows, dim, quick = arguments
        found: dict[str, Any] = measure_one(solver, int(num_rows), int(dim), bool(int(quick)))
    else:
        found = measure()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
