"""Headline numbers of a ranks table, for a step's facts."""

from __future__ import annotations

import pyarrow as pa

from components.evaluation.controls import NONE
from components.evaluation.summary import group_ranks, summarise


def headline(ranks: pa.Table) -> dict[str, float]:
    """Mean over draws and directions on the table's first split: R@1, R@10 (percent) and FOSCTTM; controls' R@10."""
    groups = group_ranks(ranks)
    first, _ = next(iter(groups))
    mean = summarise(groups[first, NONE])["mean"]
    controls = {f"R@10.{c}": summarise(g)["mean"]["R@10"] for (_, c), g in groups.items() if c != NONE}
    return {"R@1": mean["R@1"], "R@10": mean["R@10"], "foscttm": mean["foscttm"], **controls}
