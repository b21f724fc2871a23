"""Choosing 100 items to pair next from 10,000, 100,000 and 1,000,000 rows: time, peak memory and what is covered."""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from components.embeddings import Embeddings
from components.pairing.config import CoverageConfig

DIM, CLUSTERS, BUDGET = 256, 500, 100
ROWS, QUICK_ROWS = (10_000, 100_000, 1_000_000), (2_000, 20_000)
# Up to here the choice in two rounds is compared with a single one against all rows.
ONE_ROUND_ROWS = 10_000
CHUNK = 50_000
_STATUS = Path("/proc/self/status")


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Seconds and peak memory per number of rows, each in a process of its own; the corpus is in memory before.

    Rows are float16 in random clusters of unequal size. ``coverage`` is the mean similarity of a sample of the rows to
    their nearest chosen row, ``coverage_random`` the same for rows chosen at random.
    """
    sizes = QUICK_ROWS if quick else ROWS
    runs = {str(rows): _in_process(rows) for rows in sizes}
    seconds = [runs[str(rows)]["cpu_seconds"] for rows in sizes]
    growth = [b / a for a, b in pairwise(seconds)]
    return {"budget": BUDGET, "dim": DIM, "rows": runs, "cpu_seconds_growth": growth}


def measure_one(num_rows: int) -> dict[str, float]:
    """One size, in this process."""
    from components.pairing.suggest import suggest

    corpus, config = clustered(num_rows), CoverageConfig()
    before = peak_mib()
    began, cpu_began = time.perf_counter(), time.process_time()
    chosen = suggest(corpus, corpus, BUDGET, config=config)
    facts = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    facts |= {"peak_mib": peak_mib(), "corpus_mib": before}
    facts |= {"coverage": chosen.coverage[-1], "coverage_random": _coverage_of_random(corpus, config)}
    if num_rows <= ONE_ROUND_ROWS:
        whole = CoverageConfig(shard_rows=num_rows, max_targets=num_rows)
        facts["coverage_all_rows"] = _coverage(corpus, chosen.ids, whole)
        facts["coverage_all_rows_one_round"] = suggest(corpus, corpus, BUDGET, config=whole).coverage[-1]
    return facts


def clustered(num_rows: int, seed: int = 0) -> Embeddings:
    """Rows [num_rows, 256] float16 around 500 random centres with Dirichlet(1) weights."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CLUSTERS, DIM)).astype(np.float32)
    weights = rng.dirichlet(np.ones(CLUSTERS))
    vectors = np.empty((num_rows, DIM), np.float16)
    for start in range(0, num_rows, CHUNK):
        block = vectors[start : start + CHUNK]
        labels = rng.choice(CLUSTERS, len(block), p=weights)
        block[:] = centres[labels] + rng.standard_normal(block.shape, dtype=np.float32)
    return Embeddings([f"item-{n:07d}" for n in range(num_rows)], vectors)


def peak_mib() -> float:
    """The most memory that this process ever had resident, in MiB."""
    if _STATUS.exists():  # what getrusage says may be the parent's peak, taken over when the process was started
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    scale = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def _coverage_of_random(corpus: Embeddings, config: CoverageConfig) -> float:
    rows = np.random.default_rng(1).choice(len(corpus), BUDGET, replace=False)
    return _coverage(corpus, [corpus.ids[row] for row in rows], config)


def _coverage(corpus: Embeddings, ids: list[str], config: CoverageConfig) -> float:
    from components.pairing.facility_location import coverage_curve
    from components.pairing.rows import CentredRows
    from components.pairing.views import View

    rows = CentredRows(corpus, config.seed)
    view = View(rows, np.arange(0), np.arange(len(rows)), np.arange(0)).with_targets(0, config.max_targets)
    return float(coverage_curve(view, rows.positions(ids), config)[-1])


def _in_process(num_rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, str(num_rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  our own module
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return facts


def main() -> None:
    """With a number of rows: that size, as JSON. Without: all sizes, one a line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if len(sys.argv) > 1:
        logging.info(json.dumps(measure_one(int(sys.argv[1]))))
        return
    for rows, facts in measure()["rows"].items():
        logging.info("%s rows: %s", rows, ", ".join(f"{name} {value:.4g}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
