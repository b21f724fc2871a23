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


def measure(num_images: int = 2048, repeats: int = 5, *, quick: bool = False) -> dict[str, Any]:
    """Pictures a second of both, medians of interleaved repetitions.

    The bare loop has the pictures in memory and the encoder loaded; of one thread and one a core, the faster counts.
    ``ratio_end_to_end`` compares whole calls on Ray: start of the actors, loading, reading and writing files included.
    ``ratio`` leaves the start out: the time of a call is taken less that of a call on a quarter of the pictures, which
    has the same start. Starting Ray itself is in neither.
    """
    num_images, repeats = (512, 1) if quick else (num_images, repeats)
    cores = usable_cores()
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as scratch:
        root = Path(scratch)
        pictures = _pictures(num_images)
        few, all_ = (_write(pictures[:n], Folder.at(root / f"shards-{n}")) for n in (num_images // 4, num_images))
        with RaySession(home=root, num_cpus=cores):
            _on_ray(few, root, cores)  # Ray Data is imported by its first call
            runs = [
                (_best_bare(pictures, cores, root), _on_ray(few, root, cores), _on_ray(all_, root, cores))
                for _ in range(repeats)
            ]
    return {"encoder": _ENCODER, "cores": cores, "num_images": num_images} | _summary(num_images, runs)


def _summary(num: int, runs: list[tuple[float, float, float]]) -> dict[str, Any]:
    """``runs``: pictures a second of the bare loop, seconds of Ray on a quarter of the pictures and on all of them."""
    bare = [b for b, _, _ in runs]
    steady = [num * 0.75 / (whole - part) for _, part, whole in runs]
    whole = [num / seconds for _, _, seconds in runs]
    return {
        "repeats": len(runs),
        "bare_images_per_s": statistics.median(bare),
        "ray_images_per_s": statistics.median(steady),
        "ray_end_to_end_images_per_s": statistics.median(whole),
        "ratio": statistics.median(s / b for s, b in zip(steady, bare, strict=True)),
        "ratio_end_to_end": statistics.median(w / b for w, b in zip(whole, bare, strict=True)),
        "ratios": [round(s / b, 3) for s, b in zip(steady, bare, strict=True)],
        "ratios_end_to_end": [round(w / b, 3) for w, b in zip(whole, bare, strict=True)],
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


def _best_bare(pictures: list[bytes], cores: int, root: Path) -> float:
    return max(_bare(pictures, threads, root) for threads in sorted({1, cores}))


def _bare(pictures: list[bytes], threads: int, root: Path) -> float:
    encoder = registry.load(_ENCODER, LoadOptions(threads=threads, cache_dir=root / "cache"))
    encoder.encode(pictures[:8])
    began = time.perf_counter()
    for start in range(0, len(pictures), _BATCH):
        encoder.encode(pictures[start : start + _BATCH])
    return len(pictures) / (time.perf_counter() - began)


def _on_ray(shards: Folder, root: Path, cores: int) -> float:
    """Seconds from the call to the last file."""
    from cluster.encoding import encode_shards

    out = Folder.at(tempfile.mkdtemp(dir=root))
    encoded = encode_shards(
        shards, out, _ENCODER, modality="image", actors=cores, batch_size=_BATCH, cache_dir=root / "cache"
    )
    return encoded.seconds


def main() -> None:
    """Print the numbers, one a line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, value in measure().items():
        logging.info("%s: %s", name, f"{value:.4g}" if isinstance(value, float) else value)


if __name__ == "__main__":
    main()
