"""What the steps of ``isthmus evaluate`` share: reading rows and columns, and leaving a section and numbers behind.

An application that a recipe has nothing for says so in its section; that is no failure of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.encoders.protocol import LoadOptions
from components.encoders.registry import load
from components.errors import UserError
from components.evaluation.trials import sample_unpaired
from components.model import own_view
from components.model_views import encode_views
from components.reporting.section import Section
from components.transforms import Transform
from pipelines.steps.export import model_views
from pipelines.steps.fit import SIDES
from pipelines.steps.pairs import columns_of

RESULT = "result.json"
Numbers = dict[str, Any]
Measure = Callable[[StepContext], tuple[Numbers, Section]]


def run_application(ctx: StepContext, title: str, measure: Measure) -> Facts:
    """Write ``result.json``, ``section.json`` and ``figures/``."""
    try:
        numbers, section = measure(ctx)
    except UserError as error:
        numbers, section = {"absent": str(error)}, Section(title=title, finding=str(error), absent=True)
    ctx.out.write_json(RESULT, numbers)
    section.write(ctx.out)
    ctx.note(section.finding)
    return {"finding": section.finding, **_means(numbers)}


def _means(numbers: Numbers, prefix: str = "") -> dict[str, float]:
    """Means of all intervals, by path, for MLflow."""
    found: dict[str, float] = {}
    for key, value in numbers.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict) and "mean" in value:
            found[path] = float(value["mean"])
        elif isinstance(value, dict):
            found |= _means(value, path)
    return found


@dataclass(frozen=True)
class Corpora:
    """Both sides of a run, for an application. Rows are the encoders'."""

    ctx: StepContext

    @cached_property
    def splits(self) -> Splits:
        return Splits.read(self.ctx.inputs["splits"])

    @cached_property
    def rows(self) -> dict[str, Embeddings]:
        return {side: Embeddings.read(self.ctx.inputs[f"encode-{side}"]) for side in SIDES}

    @cached_property
    def unpaired(self) -> dict[str, list[str]]:
        """At most some thousand ids of each side, without those of any known pair that a draw has."""
        sampled = sample_unpaired(self.splits, int(self.ctx.config["seed"]))
        known = [{p[n] for draw in self.splits.draws["random"] for p in draw} for n in (0, 1)]
        return {side: [i for i in sampled[n] if i not in known[n]] or sampled[n] for n, side in enumerate(SIDES)}

    def heldout(self, side: str) -> list[str]:
        return [p[SIDES.index(side)] for p in self.splits.heldout]

    def modality(self, side: str) -> str:
        return str(self.ctx.inputs[f"shard-{side}"].read_json("corpus.json")["modality"])

    def text_side(self) -> str:
        """The side that reads texts. Raises UserError: none does."""
        for side in reversed(SIDES):
            if self.modality(side) == "text":
                return side
        raise UserError("neither side reads texts", where="left, right", do="an application of texts needs one")

    def column(self, side: str, *names: str) -> dict[str, str | None]:
        """id -> value of the first of ``names`` that the side's rows have; empty if they have none."""
        shards = self.ctx.inputs[f"shard-{side}"]
        there = columns_of(shards)
        name = next((n for n in names if n in there), None)
        if name is None:
            return {}
        table = shards.read_table("shards", ["id", name])
        return dict(zip(table["id"].to_pylist(), table[name].to_pylist(), strict=True))

    def pictures(self, side: str, ids: Sequence[str]) -> dict[str, bytes]:
        """Encoded pictures of some rows; none if the side has others."""
        if self.modality(side) != "image":
            return {}
        wanted = set(ids)
        found: dict[str, bytes] = {}
        for table in self.ctx.inputs[f"shard-{side}"].iter_tables("shards", ["id", "image"]):
            found |= {r["id"]: r["image"] for r in table.to_pylist() if r["id"] in wanted}
        return found

    def encode(self, side: str, texts: Sequence[str]) -> np.ndarray:
        """Rows [N, D] of plain texts, as the side's own rows are."""
        encoded = self.ctx.inputs[f"encode-{side}"]
        views = [own_view(encoded, asdict(view)) for view in model_views(encoded)]
        return encode_views(views, list(texts), modality="text", side=side, load=self._encoder)

    def _encoder(self, name: str) -> Any:
        if name not in self._encoders:
            self._encoders[name] = load(name, load_options(self.ctx))
        return self._encoders[name]

    @cached_property
    def _encoders(self) -> dict[str, Any]:
        return {}


def load_options(ctx: StepContext) -> LoadOptions:
    """How an encoder of a few texts is loaded."""
    cache_dir = ctx.options.get("cache_dir")
    return LoadOptions(cache_dir=Path(cache_dir) if cache_dir else None, threads=1)


def map_of(alignment: Any, side: str) -> Transform:
    """The alignment's map of one side."""
    mapping: Transform = alignment.left if side == "left" else alignment.right
    return mapping


def other(side: str) -> str:
    return "right" if side == "left" else "left"
