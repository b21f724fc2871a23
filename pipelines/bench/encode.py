"""Encoding on Ray Data against the bare loop of the same encoder on the same cores."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from cluster.runtime import RaySession
from components.encoders import registry
from components.encoders.device import usable_cores
from components.encoders.protocol import LoadOptions
from components.files import Folder

_ENCODER = registry.DEFAULTS["image"]
_BATCH = 64
_SHARD_ROWS = 512


def measure(num_images: int = 2048, repeats: int = 3, *, quick: bool = False) -> dict[str, Any]:
    """Pictures a second of both, medians of interleaved repetitions.

    The bare loop has the pictures in memory and the encoder loaded; it takes the number of threads that is fastest.
    Ray is measured twice: ``ratio`` from the moment when every actor has delivered once, and ``ratio_end_to_end`` from
    the call, so with the start of the actors and with reading and writing files. Starting Ray itself is in neither.
    """
    num_images, repeats = (256, 1) if quick else (num_images, repeats)
    cores = usable_cores()
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as scratch:
        root = Path(scratch)
        pictures = _pictures(num_images)
        shards = _write(pictures, Folder.at(root / "shards"))
        threads = max(range(1, cores + 1), key=lambda t: _bare(pictures[:256], t, root))
        with RaySession(home=root, num_cpus=cores):
            runs = [(_bare(pictures, threads, root), *_on_ray(shards, root, cores)) for _ in range(repeats)]
    bare, steady, whole = (statistics.median(column) for column in zip(*runs, strict=True))
    return {
        "encoder": _ENCODER,
        "cores": cores,
        "num_images": num_images,
        "repeats": repeats,
        "bare_threads": threads,
        "bare_images_per_s": bare,
        "ray_images_per_s": steady,
        "ray_end_to_end_images_per_s": whole,
        "ratio": statistics.median(s / b for b, s, _ in runs),
        "ratio_end_to_end": statistics.median(w / b for b, _, w in runs),
    }


def _pictures(num: int) -> list[bytes]:
    from components.corpora.emoji import emoji_corpus

    return list(islice(cycle([emoji.picture.read_bytes() for emoji in emoji_corpus()]), num))


def _write(pictures: list[bytes], folder: Folder) -> Folder:
    ids = [f"{n:06d}" for n in range(len(pictures))]
    for start in range(0, len(pictures), _SHARD_ROWS):
        rows = slice(start, start + _SHARD_ROWS)
        table = pa.table({"id": ids[rows], "image": pa.array(pictures[rows], pa.binary())})
        folder.write_table(f"shards/part-{start // _SHARD_ROWS:05d}.parquet", table)
    return folder


def _bare(pictures: list[bytes], threads: int, root: Path) -> float:
    encoder = registry.load(_ENCODER, LoadOptions(threads=threads, cache_dir=root / "cache"))
    encoder.encode(pictures[:8])
    began = time.perf_counter()
    for start in range(0, len(pictures), _BATCH):
        encoder.encode(pictures[start : start + _BATCH])
    return len(pictures) / (time.perf_counter() - began)


def _on_ray(shards: Folder, root: Path, cores: int) -> tuple[float, float]:
    """Pictures a second once all actors work, and from the call to the last file."""
    from cluster.encoding import encode_shards

    ticks: list[tuple[float, int]] = []
    encoded = encode_shards(
        shards,
        Folder.at(tempfile.mkdtemp(dir=root)),
        _ENCODER,
        modality="image",
        actors=cores,
        batch_size=_BATCH,
        cache_dir=root / "cache",
        progress=lambda done, total: ticks.append((time.perf_counter(), done)),
    )
    began, first = ticks[min(cores, len(ticks) - 1) - 1]
    ended, last = ticks[-1]
    return (last - first) / (ended - began), encoded.rows_per_s


def main() -> None:
    """Print the numbers, one a line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, value in measure().items():
        logging.info("%s: %s", name, f"{value:.4g}" if isinstance(value, float) else value)


if __name__ == "__main__":
    main()
