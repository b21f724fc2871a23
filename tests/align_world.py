"""Embeddings, splits and step contexts for the steps that align and evaluate: no encoders, no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from cluster.workflow.step import Emit, Facts, StepContext
from components.alignment.preprocess import Standardizer
from components.corpora.split_config import SplitConfig
from components.corpora.splits import SideIds, Splits, make_splits
from components.embeddings import Embeddings
from components.files import Folder
from components.transforms import load_transform, save_transform
from pipelines.steps.fit import SIDES

BASE: dict[str, Any] = {"preprocess": {"pca_dim": 16}, "seed": 0}


@dataclass
class AlignWorld:
    """A store with ``left``, ``right`` and ``splits`` in it; :meth:`run` adds a step's output."""

    root: Folder
    notes: list[str] = field(default_factory=list)
    emit: Emit | None = None

    @property
    def splits(self) -> Splits:
        return Splits.read(self.root.sub("splits"))

    def inputs(self, *names: str, **renamed: str) -> dict[str, Folder]:
        return {n: self.root.sub(n) for n in names} | {n: self.root.sub(folder) for n, folder in renamed.items()}

    def run(
        self, module: str, name: str, inputs: Mapping[str, Folder], config: Mapping[str, Any], **options: Any
    ) -> Facts:
        context = StepContext(
            name=name,
            key="k",
            out=self.root.sub(name).make(),
            work=self.root.sub(f"work-{name}"),
            inputs=inputs,
            config=config,
            locations={},
            options=options,
            emit=self.emit or (lambda event: self.notes.append(event.get("text", ""))),
        )
        return import_module(f"pipelines.steps.{module}").run(context)

    def fit(self, method: str, name: str = "", **config: Any) -> Facts:
        name = name or f"fit-{method}"
        return self.run("fit", name, self.inputs("left", "right", "splits"), {**BASE, "method": method, **config})

    def mapped(self, step: str) -> list[np.ndarray]:
        """Held-out rows of both sides through a step's maps."""
        rows = {side: Embeddings.read(self.root.sub(side)) for side in SIDES}
        maps = {side: load_transform(self.root.sub(step), side) for side in SIDES}
        return [maps[s](rows[s].rows([p[n] for p in self.splits.heldout])) for n, s in enumerate(SIDES)]

    def spectral(self) -> dict[str, Folder]:
        """A standardiser of the unpaired rows in place of the spectral steps; the inputs of the step ``cca``."""
        splits = self.splits
        for side, fit_ids in zip(SIDES, (splits.unpaired_left, splits.unpaired_right), strict=True):
            rows, folder = Embeddings.read(self.root.sub(side)), self.root.sub(f"spectral-{side}").make()
            standardizer = Standardizer.fit(rows.rows(fit_ids), 8)
            save_transform(folder, "map", standardizer)
            Embeddings(rows.ids, standardizer(rows.vectors)).write(folder)
        return self.inputs("splits", left="spectral-left", right="spectral-right")

    def auto(self, *candidates: str, controls: bool = True, **config: dict[str, Any]) -> Facts:
        """All steps of ``auto``; ``config`` holds more settings of single branches, by candidate with underscores."""
        seeded = {"seed": 0, "controls": controls}
        self.run("auto_rows", "auto-rows", self.inputs("left", "right", "splits"), BASE)
        self.run("auto_views", "auto-views", self.inputs("splits", rows="auto-rows"), seeded)
        inputs = self.inputs("splits", rows="auto-rows", views="auto-views")
        for name in candidates:
            more = config.get(name.replace("-", "_"), {})
            self.run("auto_candidate", f"auto-{name}", inputs, {**seeded, "candidate": name, **more})
        branches = {f"candidate:{n}": self.root.sub(f"auto-{n}") for n in candidates}
        return self.run("fit_auto", "fit-auto", {**inputs, **branches}, {**seeded, "candidates": list(candidates)})


def make_world(
    path: Path,
    *,
    n: int = 500,
    noise: float = 2.0,
    shuffle: bool = False,
    related: bool = True,
    draws: int = 5,
    pairs: int = 40,
) -> AlignWorld:
    """``n`` items seen by two linear encoders; the same rows in another order if ``shuffle``; strangers if not
    ``related``."""
    rng = np.random.default_rng(0)
    ids = [f"i{k:03d}" for k in range(n)]
    hidden = [rng.normal(size=(n, 12))] * 2 if related else list(rng.normal(size=(2, n, 12)))
    order = np.random.default_rng(5).permutation(n) if shuffle else np.arange(n)
    root = Folder.at(path).make()
    for side, z, dim in (("left", hidden[0], 24), ("right", hidden[1], 20)):
        rows = (z @ rng.normal(size=(12, dim)) + noise * rng.normal(size=(n, dim)) + 2).astype(np.float32)
        Embeddings([ids[k] for k in order], rows[order]).write(root.sub(side))
    side_ids = SideIds(ids=ids, groups={i: f"g{k % 70}" for k, i in enumerate(ids)})
    config = SplitConfig(pairs_budget=pairs, heldout_max=100, unpaired="all", draws=draws)
    make_splits(side_ids, side_ids, [(i, i) for i in ids], None, config).write(root.sub("splits"))
    return AlignWorld(root)
