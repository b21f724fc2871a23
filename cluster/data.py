"""A corpus of any size, validated, without repeated ids, quarantined and sharded: on Ray Data or in this process.

Ray Data runs two maps, one over pieces of the source and one over the shards to write. What joins them is files in the
work folder and, in this process, one line per row (id hash, place, digests), never a row's content.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cluster.places import here
from components.corpora.merge import Merged, merge, write_shard
from components.corpora.quarantine import FILE as QUARANTINE_FILE
from components.corpora.reading import Piece, pieces_of
from components.corpora.sources import Source
from components.corpora.spool import spool_piece
from components.errors import UserError
from components.files import Folder

ENGINES = ("ray", "local")
SHARDS = "shards"
FACTS_FILE = "corpus.json"
LAYOUT = 2  # of what is kept in the work folder
Progress = Callable[[int, int | None], None]
Call = Callable[[int], int]


@dataclass(frozen=True, kw_only=True)
class ShardedCorpus:
    """What a corpus became. ``quarantined`` counts rows left out, ``duplicates`` those of them with a repeated id.

    ``views``, if there are several: the ``column`` of each, its ``name`` in the shards, how many rows are ``missing``
    it, and the ``dim`` of its embeddings.
    """

    modality: str
    rows: int
    quarantined: int
    duplicates: int
    reasons: dict[str, int]
    dim: int | None
    licences: list[str]
    shards: int
    views: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        left_out = {"shards"} if self.views else {"shards", "views"}
        return {k: v for k, v in self.__dict__.items() if k not in left_out}


def shard_corpus(
    source: Source,
    out: Folder,
    work: Folder,
    *,
    engine: str = "ray",
    shards: int | None = None,
    max_bad_fraction: float = 0.05,
    progress: Progress = lambda done, total: None,
    nodes: Counter[str] | None = None,
) -> ShardedCorpus:
    """Write ``shards/part-*.parquet`` (rows sorted by id hash), ``quarantine/quarantine.parquet`` and ``corpus.json``.

    The files are the same bit for bit whatever the engine, the order of the rows and the number of input files.
    ``work`` keeps what was read if this is interrupted; the next call with the same folder goes on from there.

    Args:
        shards: number of shards; None: one per 512 pictures, 8,192 texts or 65,536 embeddings, or per 256 MiB.
        progress: is told rows read so far, and their number if that is known.
        nodes: counts the pieces that were read and the shards that were written, by the node that did it.

    Raises:
        UserError: unreadable file, path that leaves its folder, empty corpus, all rows equal, or more bad rows than
            allowed; the quarantine file is then kept in ``work`` and named in the message.
    """
    if engine not in ENGINES:
        raise UserError(f"{engine!r} is no engine", where="engine", do=f"it must be one of {', '.join(ENGINES)}")
    pieces = pieces_of(source)
    work = work.sub(_name_of(pieces))
    read = partial(_read, source, pieces, work)
    done = 0
    for rows in map_numbers(read, len(pieces), engine, nodes):
        done += rows
        progress(done, _known_rows(source))
    merged = merge(work, source.modality, where=source.location)
    _check(merged, source, work, max_bad_fraction)
    parts = merged.shards(shards or merged.num_shards(source.modality))
    for number, part in enumerate(parts):
        work.write_table(f"plan/{number:05d}.parquet", part)
    for _ in map_numbers(partial(_write, merged.lengths, source.modality, work, out), len(parts), engine, nodes):
        pass
    return _finish(merged, source, out, len(parts))


def _name_of(pieces: Sequence[Piece]) -> str:
    """What was read before a crash counts only if the source would still be cut in the same way."""
    return f"read-{hashlib.sha256(repr((LAYOUT, pieces)).encode()).hexdigest()[:12]}"


def _read(source: Source, pieces: Sequence[Piece], work: Folder, number: int) -> int:
    return spool_piece(source, pieces[number], number, work)


def _write(lengths: Sequence[int], modality: str, work: Folder, out: Folder, number: int) -> int:
    part = work.read_table(f"plan/{number:05d}.parquet")
    write_shard(work, part, out, f"{SHARDS}/part-{number:05d}.parquet", modality=modality, lengths=lengths)
    return len(part)


def _known_rows(source: Source) -> int | None:
    if source.form == "images":
        return len(source.files.files)
    return None


def _check(merged: Merged, source: Source, work: Folder, max_bad_fraction: float) -> None:
    """Stop on too many bad rows, but leave their list where the user can read it."""
    work.write_table(QUARANTINE_FILE, merged.quarantine.table)
    kept_at = f"{work.path}/{QUARANTINE_FILE}"
    merged.quarantine.check(merged.num_read, max_bad_fraction, where=source.location, kept_at=kept_at)
    if not len(merged.kept):
        raise UserError("no row of the corpus can be used", where=source.location, do=f"see {kept_at}")


def _finish(merged: Merged, source: Source, out: Folder, num_shards: int) -> ShardedCorpus:
    out.write_table(QUARANTINE_FILE, merged.quarantine.table)
    corpus = ShardedCorpus(
        modality=source.modality,
        rows=len(merged.kept),
        quarantined=len(merged.quarantine.table),
        duplicates=merged.quarantine.num_duplicates,
        reasons=merged.quarantine.reasons,
        dim=sum(merged.lengths) or None,
        licences=list(source.licences),
        shards=num_shards,
        views=_views(merged, source) if len(source.views) > 1 else [],
    )
    out.write_json(FACTS_FILE, corpus.to_json())
    return corpus


def _views(merged: Merged, source: Source) -> list[dict[str, Any]]:
    dims = merged.lengths or (None,) * len(source.views)
    return [
        {"name": name, "column": source.columns[name], "missing": missing, "dim": dim}
        for name, missing, dim in zip(source.views, merged.missing, dims, strict=True)
    ]


def map_numbers(call: Call, num: int, engine: str, nodes: Counter[str] | None = None) -> Iterator[int]:
    """``call(0) … call(num - 1)``, in any order, on Ray Data or here. Their UserErrors are raised as they are.

    ``nodes`` counts on which nodes of Ray they ran.
    """
    return map(call, range(num)) if engine == "local" else _ray_map(call, num, Counter() if nodes is None else nodes)


def _ray_map(call: Call, num: int, nodes: Counter[str]) -> Iterator[int]:
    import ray.data

    quiet_ray_data()
    calls = ray.data.from_items([{"call": n} for n in range(num)], override_num_blocks=num)
    # errors come back as data: Ray Data would wrap them, and repeat the task first
    for row in calls.map(partial(_answer, call)).iter_rows():
        if row["error"]:
            raise UserError(row["error"], where=row["where"], do=row["do"])
        nodes[row["node"]] += 1
        yield int(row["result"])


def _answer(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    answer = {"node": here(), "result": 0, "error": "", "where": "", "do": ""}
    try:
        return answer | {"result": call(row["call"])}
    except UserError as error:
        return answer | {"error": error.what, "where": error.where, "do": error.do}


def quiet_ray_data() -> None:
    """No progress bars, no plan on standard output, no warning that there are no bars; other warnings stay."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
