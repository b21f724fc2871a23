"""Step ``pairs``: which pairs are fitted on, which are only evaluated on, which rows are unpaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pyarrow.parquet as pq

from cluster.workflow.step import Facts, StepContext
from components.corpora.pairs import Known, KnownPairs, known_pairs, refuse_leakage
from components.corpora.quarantine import FILE as QUARANTINE
from components.corpora.split_config import SplitConfig
from components.corpora.splits import SideIds, make_splits
from components.files import Folder


def run(ctx: StepContext) -> Facts:
    """Write ``splits.json``; see :class:`components.corpora.splits.Splits`.

    inputs: ``shard-left``, ``shard-right`` (ids and groups are read, never contents).
    config: the fields of :class:`SplitConfig`; ``quiet``: another step of the run says what there is to say.
    locations: ``pairs``, ``heldout`` or both.
    """
    left_ids, left = side_ids(ctx.inputs["shard-left"])
    right_ids, right = side_ids(ctx.inputs["shard-right"])
    given = "pairs" in ctx.locations
    pairs = known_pairs(ctx.locations["pairs"], left, right) if given else KnownPairs(pairs=[], where="no file")
    heldout = known_pairs(ctx.locations["heldout"], left, right) if "heldout" in ctx.locations else None
    if heldout:
        refuse_leakage(pairs, heldout)
    found = pairs.warnings + (heldout.warnings if heldout else [])
    _tell(ctx, found)
    splits = make_splits(left_ids, right_ids, pairs.pairs, heldout.pairs if heldout else None, split_config(ctx.config))
    splits.write(ctx.out)
    absent = [f"no {split} split: {why}" for split, why in splits.absent.items()]
    told = splits.warnings + absent
    _tell(ctx, told)
    return splits.numbers() | {"splits": splits.names, "unpaired": splits.unpaired, "warnings": found + told}


def _tell(ctx: StepContext, lines: list[str]) -> None:
    for line in [] if ctx.config.get("quiet") else lines:
        ctx.note(line)


def split_config(config: Mapping[str, Any]) -> SplitConfig:
    """The settings of splits among those of a step."""
    names = {f.name for f in fields(SplitConfig)}
    return SplitConfig(**{k: v for k, v in config.items() if k in names})


def columns_of(shards: Folder) -> list[str]:
    """Names of the columns of a sharded corpus, from the first footer."""
    first = shards.parquet_names("shards")[0]
    names: list[str] = pq.read_schema(f"{shards.path}/{first}", filesystem=shards.fs).names
    return names


def side_ids(shards: Folder) -> tuple[SideIds, Known]:
    """Ids and groups of a sharded corpus, and what pairs are checked against."""
    has_group = "group" in columns_of(shards)
    table = shards.read_table("shards", ["id", *(["group"] if has_group else [])])
    ids = table["id"].to_pylist()
    groups = dict(zip(ids, table["group"].to_pylist(), strict=True)) if has_group else {}
    out = set(shards.read_table(QUARANTINE, ["row"])["row"].to_pylist()) - set(ids)
    return SideIds(ids=ids, groups=groups), Known(ids=set(ids), quarantined=out)
