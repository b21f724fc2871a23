"""The search service under load: 20 text queries a second over 100,000 rows, a replica killed in between, then a burst.

Rows are synthetic, around the real encodings of the built-in names; queries are names that the service has to encode.
Service and generator share the machine.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from components.embeddings import Embeddings
from components.encoders.protocol import LoadOptions
from components.encoders.registry import fingerprint, load
from components.evaluation.confidence import Confidence
from components.files import Folder
from components.judge import Judge
from components.model import ModelSide, SharedSpace
from components.model_views import ModelView
from components.transforms import Chain, Linear, UnitRows, unit_rows
from pipelines.bench.applications.load import Client, Load

ROWS, DIM, NOISE = 100_000, 256, 0.04
RATE, SECONDS, QUICK_SECONDS = 20.0, 300.0, 30.0
NUM_QUERIES, K, BURST, CLIENTS = 200, 10, 10_000, 8
START_S, END_S = 300.0, 60.0
ENCODER = "minilm"


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``{"serve": {...}}``: latency in ms from when a request was due, errors, the index' recall, memory, the burst."""
    return {"serve": measure_service(seconds=QUICK_SECONDS if quick else SECONDS)}


def measure_service(*, seconds: float, rows: int = ROWS, burst: int = BURST) -> dict[str, Any]:
    """One service from start to end."""
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-serve-") as scratch:
        home = Path(scratch) / "home"
        names = _names()
        space = synthetic_space(names, rows, cache_dir=home / "cache")
        space.save(Folder.at(Path(scratch) / "model").make())
        facts = space.index("left").facts
        found = {"rows": rows, "index_recall": facts.recall, "index": facts.kind, "index_mib": facts.bytes / 2**20}
        del space
        with _service(Path(scratch) / "model", home) as (address, process):
            client = Client(address, [{"text": name, "k": K} for name in names[:NUM_QUERIES]])
            return found | asyncio.run(_drive(client, process, seconds, burst))


async def _drive(client: Client, process: int, seconds: float, burst: int) -> dict[str, Any]:
    await client.learn()
    fastest = await client.closed_loop(CLIENTS, seconds=min(10.0, seconds / 3))
    busy = os.getloadavg()[0]  # of whatever else this machine does: latencies on a busy one are not the service's own
    memory = {f"replica_{n}_mib": mib for n, mib in enumerate(_resident_mib(process), start=1)}
    killed: list[int] = []

    def kill() -> None:
        killed.append(replicas_of(process)[0])
        os.kill(killed[0], signal.SIGKILL)

    steady = await client.steady(RATE, seconds, kill)
    crowd = await client.burst(burst)
    after = await client.closed_loop(1, seconds=2.0)
    return {
        **steady.to_json(),
        "seconds": seconds,
        "rate": RATE,
        "replicas_killed": len(killed),
        "load_average": [busy, os.getloadavg()[0]],
        "qps_closed_loop": fastest.to_json()["qps"],
        **memory,
        "burst": _crowd(crowd),
        "errors_after_burst": after.errors,
    }


def _crowd(load: Load) -> dict[str, Any]:
    """200 and 503 are what there should be; anything else is an error."""
    others = load.statuses.total() - load.statuses["200"] - load.statuses["503"]
    answered = {"answered": load.statuses["200"], "told_to_wait": load.statuses["503"], "errors": others}
    return {"requests": load.statuses.total(), **answered, "unequal": load.unequal, "seconds": load.took}


def synthetic_space(names: list[str], rows: int, *, cache_dir: Path | None = None) -> SharedSpace:
    """Texts on the right, embeddings of the same items on the left: encoded names plus noise, ``rows`` a side."""
    rng = np.random.default_rng(0)
    anchors = load(ENCODER, LoadOptions(cache_dir=cache_dir)).encode(names)
    mean, basis = anchors.mean(axis=0), np.linalg.qr(rng.normal(size=(anchors.shape[1], DIM)))[0]
    to_shared = Chain([Linear(mean, basis), UnitRows()])
    shape = (rows, anchors.shape[1])
    items = anchors[np.arange(rows) % len(names)] + NOISE * rng.standard_normal(shape, dtype=np.float32)
    sides: dict[Literal["left", "right"], ModelSide] = {}
    views = {
        "left": ("embedding", ModelView(encoder="given", dim=anchors.shape[1])),
        "right": ("text", ModelView(encoder=ENCODER, dim=anchors.shape[1], fingerprint=fingerprint(ENCODER))),
    }
    for side in ("left", "right"):
        seen = unit_rows(items + NOISE * rng.standard_normal(shape, dtype=np.float32))
        ids = [f"{side}-{n:06d}" for n in range(rows)]
        titles = {i: names[n % len(names)] for n, i in enumerate(ids)}
        modality, view = views[side]
        sides[side] = ModelSide(modality, (view,), to_shared, Embeddings(ids, to_shared(seen)), titles, {})
    spread = float((sides["left"].index.vectors[:500] @ sides["right"].index.vectors[-500:].T).std())
    model = Confidence(temperature=3.0, spread=spread, constant=0.5, row=0.8, column=0.4, num_pairs=100, gallery=1000.0)
    known = {side: frozenset(part.index.ids[:100]) for side, part in sides.items()}
    return SharedSpace(sides, {"name": "synthetic", "aligner": "by construction"}, judge=Judge(model, known))


def _names() -> list[str]:
    from components.corpora.emoji import emoji_corpus

    return list(dict.fromkeys(emoji.name for emoji in emoji_corpus()))


@contextmanager
def _service(model: Path, home: Path) -> Iterator[tuple[str, int]]:
    """``isthmus serve`` in a process of its own: its address and process id."""
    command = [sys.executable, "-m", "pipelines.cli", "serve", str(model), "--port", "0", "--home", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own module
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
    try:
        while "answers at" not in (line := lines.get(timeout=START_S)):
            continue
        yield line.split("answers at", 1)[1].split()[0], process.pid
    finally:
        process.terminate()
        process.wait(END_S)


def _forward(stream: Iterable[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)


def replicas_of(process: int) -> list[int]:
    """Process ids of the replicas below a process."""
    import psutil

    children = psutil.Process(process).children(recursive=True)
    return [p.pid for p in children if any("ServeReplica" in part for part in p.cmdline())]


def _resident_mib(process: int) -> list[float]:
    import psutil

    return [psutil.Process(pid).memory_info().rss / 2**20 for pid in replicas_of(process)]
