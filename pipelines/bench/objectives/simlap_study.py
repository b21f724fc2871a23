"""What SimLAP's gate does, on digits and turned digits: 12 classes seen, 8 new, rows held out.

Separability of arbitrary pairs of classes with and without the gate; both probes against the control without a gate;
effective rank beside SupCon's and, as the fair comparison, beside the same loss on pairs of one class alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from components.evaluation.representation import effective_rank, knn_hits, linear_hits
from components.objectives.pair_auc import PairAUC, pair_auc
from components.objectives.simlap import SimLAPCriterion, normed
from pipelines.bench.objectives.training import Trained, Trial, train
from pipelines.bench.objectives.worlds import World, digits

SEEN = 12
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "simlap": ("simlap", {"same_share": 0.0}),
    "open_gate": ("simlap", {"same_share": 0.0, "open_gate": True}),
    "identical_pair_control": ("simlap", {"pairing": "identical"}),
    "supcon": ("supcon", {}),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Rows of seen classes for training and held out, and all held-out rows."""

    world: World
    train: torch.Tensor
    held_out: torch.Tensor


def make_split(seed: int) -> Split:
    """12 of the 20 classes are seen."""
    world = digits(seed, turned=True)
    seen = torch.from_numpy(np.random.default_rng([seed, 3]).permutation(20)[:SEEN])
    train, held_out = (rows[torch.isin(world.classes[rows], seen)] for rows in (world.train, world.test))
    return Split(world=world, train=train, held_out=held_out)


def measure_simlap(*, steps: int, seeds: Sequence[int]) -> dict[str, Any]:
    """Means over splits; the first keys are those of the benchmark's file."""
    runs = [_run(seed, steps) for seed in seeds]
    probes = {arm: _means([r["probes"][arm] for r in runs]) for arm in ARMS}
    ranks = ("simlap", "supcon", "identical_pair_control")
    return {
        **_means([r["areas"] for r in runs]),
        "effective_rank": {arm: probes[arm]["effective_rank_head"] for arm in ranks},
        "loss": _means([r["loss"] for r in runs]),
        "probes": probes,
        "splits": len(runs),
    }


def _run(seed: int, steps: int) -> dict[str, Any]:
    """All arms on one split."""
    split = make_split(seed)
    trained = {
        arm: train(split.world, Trial(objective=o, settings=s, steps=steps, views="noisy", seed=seed), split.train)
        for arm, (o, s) in ARMS.items()
    }
    gated, ungated = areas(trained["simlap"], split)
    return {
        "areas": {"gated_auc": gated.mean, "worst_gated_auc": gated.worst, "ungated_auc": ungated.mean},
        "loss": {arm: trained[arm].loss for arm in ("simlap", "open_gate")},
        "probes": {arm: probe(t, split) for arm, t in trained.items()},
    }


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def areas(trained: Trained, split: Split) -> tuple[PairAUC, PairAUC]:
    """With the gate of each pair of classes, and without; of held-out rows of seen classes."""
    criterion: Any = trained.criterion
    assert isinstance(criterion, SimLAPCriterion) and criterion.gate is not None
    z = normed(trained.outputs(split.world.pictures[split.held_out]))
    classes = _numbers(split, split.held_out)
    return pair_auc(z, classes, criterion.gate), pair_auc(z, classes, None)


def _numbers(split: Split, rows: torch.Tensor) -> torch.Tensor:
    """Class numbers as in training, counted from 0."""
    seen = torch.from_numpy(np.unique(split.world.classes[split.train].numpy()))
    return torch.searchsorted(seen, split.world.classes[rows])


def probe(trained: Trained, split: Split) -> dict[str, float]:
    """Neighbours among seen classes, linear probe of all 20, effective rank of the head's outputs (held-out rows)."""
    world = split.world
    features = {n: trained.features(world.pictures[r]).numpy() for n, r in _rows(split).items()}
    classes = {n: world.classes[r].numpy() for n, r in _rows(split).items()}
    near = knn_hits(features["train"], classes["train"], features["held_out"], classes["held_out"])
    linear = linear_hits(features["all_train"], classes["all_train"], features["all_test"], classes["all_test"])
    outputs = trained.outputs(world.pictures[split.held_out]).numpy()
    return {
        "seen_knn": float(np.mean(near)),
        "all_linear": float(np.mean(linear)),
        "effective_rank_head": effective_rank(outputs),
    }


def _rows(split: Split) -> dict[str, torch.Tensor]:
    return {
        "train": split.train,
        "held_out": split.held_out,
        "all_train": split.world.train,
        "all_test": split.world.test,
    }
