"""Encode a sharded corpus: a Ray Data actor pool, or this process. The files are the same either way.

The unit of work is a chunk: some consecutive rows of one shard, cut by the shard alone. Chunks run anywhere in any
order; each embedding file is put together by row number and has the name and the row order of its shard.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.data import quiet_ray_data
from cluster.encoding_chunks import Chunk, ChunkEncoder, cut, vector_column
from cluster.places import here
from components.embeddings import vectors_of
from components.encoders import registry
from components.encoders.protocol import LoadOptions
from components.errors import UserError
from components.files import Folder

ENGINES = ("ray", "local")
SHARDS, EMBEDDINGS, FACTS_FILE = "shards", "embeddings", "encoder.json"
Progress = Callable[[int, int | None], None]

_ROWS_PER_CHUNK = {"image": 64, "text": 512}
_MOST_ACTORS_A_NODE = 16  # beyond, actors get more threads instead: each holds its own copy of the weights


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What was written: ``rows`` vectors of ``dim`` columns; ``seconds`` from the call to the last file."""

    encoder: str
    modality: str
    licence: str
    rows: int
    dim: int
    seconds: float

    @property
    def rows_per_s(self) -> float:
        return self.rows / max(self.seconds, 1e-9)


@dataclass(frozen=True, kw_only=True)
class ActorPlan:
    """How many actors there are, and what each of them reserves."""

    actors: int
    cpus: int
    gpus: float

    def load_options(self, cache_dir: Path | None) -> LoadOptions:
        return LoadOptions(cache_dir=cache_dir, threads=self.cpus, device="auto" if self.gpus else "cpu")


@dataclass(frozen=True)
class _Work:
    source: Folder
    column: str
    encoder: str
    chunks: list[Chunk]


def encode_shards(
    source: Folder,
    out: Folder,
    encoder: str,
    *,
    modality: str,
    column: str | None = None,
    engine: str = "ray",
    actors: int | None = None,
    gpus_per_actor: float = 0.0,
    batch_size: int | None = None,
    cache_dir: Path | None = None,
    progress: Progress = lambda done, total: None,
    nodes: Counter[str] | None = None,
) -> Encoded:
    """Encode ``shards/*.parquet`` of ``source``: ``embeddings/`` in ``out``, one file per shard, and ``encoder.json``.

    Args:
        encoder: a name of :mod:`components.encoders.registry`, or ``auto``.
        column: of the shards; None: the one named after the modality. A row without a value gets NaN.
        actors: of the pool (engine ray); None: as many as fill the cluster.
        gpus_per_actor: GPUs that each actor reserves; 0 runs on the CPU.
        batch_size: rows of one task; None: 64 pictures or 512 texts. Does not change the vectors beyond rounding, nor
            at all with the default encoders.
        cache_dir: of converted weights; None is the user's cache directory.
        progress: is told rows done and rows in all.
        nodes: counts the chunks by the node of Ray that encoded them.

    Raises:
        UserError: unknown engine or encoder, weights that cannot be had, or a row that cannot be encoded (with its id).
    """
    if engine not in ENGINES:
        raise UserError(f"{engine!r} is no engine", where="engine", do=f"it must be one of {', '.join(ENGINES)}")
    began = time.monotonic()
    name = registry.resolve(encoder, modality)
    sizes = _shard_sizes(source)
    work = _Work(source, column or modality, name, cut(sizes, batch_size or _ROWS_PER_CHUNK[modality]))
    local = engine == "local"
    pieces = _local_chunks(work, cache_dir) if local else _ray_chunks(work, cache_dir, actors, gpus_per_actor)
    joiner, done = _Joiner(sizes, out), 0
    for piece in pieces:
        done += joiner.add(piece)
        if nodes is not None and "node" in piece.column_names:
            nodes.update(piece["node"].unique().to_pylist())
        progress(done, sum(sizes.values()))
    about: dict[str, Any] = {"encoder": name, "modality": modality, "licence": registry.info(name).licence}
    about["dim"] = joiner.finish()
    out.write_json(FACTS_FILE, about)
    return Encoded(**about, rows=done, seconds=time.monotonic() - began)


def plan_actors(num_chunks: int, *, nodes: list[dict[str, float]], actors: int | None, gpus: float) -> ActorPlan:
    """Actors that together use all CPUs (or, on GPUs, all GPUs with the CPUs shared out for decoding).

    Args:
        nodes: resources of each node, as Ray names them (``CPU``, ``GPU``).
    """
    if gpus:
        return _on_gpus(num_chunks, nodes, actors, gpus)
    cores = [int(n.get("CPU", 0)) for n in nodes if n.get("CPU", 0) >= 1] or [1]
    count = max(1, min(actors or sum(min(c, _MOST_ACTORS_A_NODE) for c in cores), num_chunks))
    # an actor must fit on the smallest node, and too few chunks must not leave each actor alone with one thread
    return ActorPlan(actors=count, cpus=max(1, min(sum(cores) // count, *cores)), gpus=0.0)


def _on_gpus(num_chunks: int, nodes: list[dict[str, float]], actors: int | None, gpus: float) -> ActorPlan:
    """All GPUs; of a node's CPUs each actor gets an equal part."""
    room = [(_actors_on(n, gpus), int(n.get("CPU", 0))) for n in nodes]
    if not any(most for most, _ in room):
        raise UserError(
            f"no node has {gpus:g} GPUs and a CPU for an encoding actor",
            where="scaling",
            do="set gpus_per_encoder: 0 to encode on CPUs, or use a cluster with GPUs",
        )
    count = max(1, min(actors or sum(most for most, _ in room), num_chunks))
    return ActorPlan(actors=count, cpus=min((cpus // most for most, cpus in room if most)), gpus=gpus)


def _actors_on(node: Mapping[str, float], gpus: float) -> int:
    """A share of a GPU cannot be taken from two of them, and each actor needs a CPU as well."""
    own = node.get("GPU", 0.0)
    each = int(1 / gpus + 1e-9) * int(own) if gpus < 1 else int(own / gpus)
    return min(each, int(node.get("CPU", 0)))


def _shard_sizes(source: Folder) -> dict[str, int]:
    """Rows of each shard file, from the files' footers."""
    names = source.parquet_names(SHARDS)
    if not names:
        raise UserError("there are no shards to encode", where=source.path)
    return {n: pq.read_metadata(f"{source.path}/{n}", filesystem=source.fs).num_rows for n in names}


def _local_chunks(work: _Work, cache_dir: Path | None) -> Iterator[pa.Table]:
    encode = ChunkEncoder(work.source, work.column, registry.load(work.encoder, LoadOptions(cache_dir=cache_dir)))
    return map(encode, work.chunks)


def _ray_chunks(work: _Work, cache_dir: Path | None, actors: int | None, gpus: float) -> Iterator[pa.Table]:
    import ray
    import ray.data

    quiet_ray_data()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    plan = plan_actors(len(work.chunks), nodes=nodes, actors=actors, gpus=gpus)
    options = plan.load_options(cache_dir)
    registry.prepare(work.encoder, options)  # once here, not in every actor at the same moment
    # one block a chunk, so that actors take the next chunk when they are free
    items = ray.data.from_items([vars(c) for c in work.chunks], override_num_blocks=len(work.chunks))
    encoded = items.map_batches(
        _Actor,
        fn_constructor_args=(work.source, work.column, work.encoder, options),
        compute=ray.data.ActorPoolStrategy(size=plan.actors),
        batch_size=1,  # chunk: Ray Data insists on a number with GPUs
        batch_format="pyarrow",
        num_cpus=plan.cpus,
        num_gpus=plan.gpus,
    )
    return iter(encoded.iter_batches(batch_size=None, batch_format="pyarrow"))


class _Actor:
    """What Ray Data keeps in each worker of the pool: an encoder, loaded once."""

    def __init__(self, source: Folder, column: str, encoder: str, options: LoadOptions) -> None:
        self._encode = ChunkEncoder(source, column, registry.load(encoder, options))

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        for row in batch.to_pylist():
            encoded = self._encode(Chunk(**row))
            yield encoded.append_column("node", pa.array([here()] * len(encoded), pa.string()))


class _Joiner:
    """Puts pieces back into the order of their shard and writes each file when its last row has come."""

    def __init__(self, sizes: dict[str, int], out: Folder) -> None:
        self._missing, self._out = dict(sizes), out
        self._pieces: dict[str, list[pa.Table]] = {name: [] for name in sizes}
        self._dim: int | None = None

    def add(self, piece: pa.Table) -> int:
        """Take in some rows of any shards. Returns how many. Raises UserError if the piece reports one."""
        failed = piece.filter(piece["error"].is_valid())
        if len(failed):
            row = failed.select(["shard", "id", "error"]).to_pylist()[0]
            raise UserError(f"row {row['id']!r} cannot be encoded ({row['error']})", where=row["shard"])
        for name in piece["shard"].unique().to_pylist():
            self._add_to(name, piece.filter(pc.equal(piece["shard"], name)))
        return len(piece)

    def finish(self) -> int:
        """D. All shards must be complete by now."""
        lost = [name for name, missing in self._missing.items() if missing]
        if lost or self._dim is None:
            raise RuntimeError(f"rows of {lost} were never encoded")
        return self._dim

    def _add_to(self, name: str, rows: pa.Table) -> None:
        self._pieces[name].append(rows)
        self._missing[name] -= len(rows)
        if self._missing[name] == 0:
            self._write(name, pa.concat_tables(self._pieces.pop(name)).sort_by("row"))

    def _write(self, name: str, rows: pa.Table) -> None:
        vectors = vectors_of(rows["embedding"])
        self._dim = vectors.shape[1]
        table = pa.table({"id": rows["id"].combine_chunks(), "embedding": vector_column(vectors)})
        self._out.write_table(f"{EMBEDDINGS}/{name.rpartition('/')[2]}", table)
