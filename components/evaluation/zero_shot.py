"""Zero-shot classification: the names of classes, put into prompts, against items of the other side (SUE, §4).

A name becomes several texts (its parts, each through every prompt), all of them mapped into the shared space; the class
is the mean of their places and of the places of the unpaired texts nearest to them: a prompt is not written as the
corpus' own texts are, these are. From each class' scores the mean over a bank of unpaired items is subtracted, so that
no class is near to everything. No label is looked at before the answers are counted.
Letters: ``C`` classes, ``M`` texts, ``N`` items, ``U`` unpaired texts, ``K`` shared dimensions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.checks import check_range
from components.errors import UserError
from components.evaluation.intervals import t_interval
from components.transforms import Transform, unit_rows

_SEPARATORS = re.compile(r"\s*(?:&|,|/|\band\b)\s*")


@dataclass(frozen=True, kw_only=True)
class ZeroShotConfig:
    """Config.

    Attributes:
        prompts: texts with ``{}`` for the name.
        neighbours: unpaired texts that stand for a class beside its prompts; 0 for prompts alone.
        fewest: items that a class must have to be asked about.
        subset: classes of a random subset; num_subsets: of them.
        seed: of the subsets.
    """

    prompts: tuple[str, ...] = ("{}", "a picture of {}", "a drawing of {}", "an icon of {}", "this is {}")
    neighbours: int = 10
    fewest: int = 3
    subset: int = 10
    num_subsets: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.prompts or not all("{}" in p for p in self.prompts):
            raise UserError("a prompt has no place for the name", where="prompts", do="write {} where the name goes")
        check_range("neighbours", self.neighbours, 0)
        for name, least in (("fewest", 1), ("subset", 2), ("num_subsets", 1)):
            check_range(name, getattr(self, name), least)


@dataclass(frozen=True)
class ClassTexts:
    """``texts`` [M] of the classes ``names`` [C]; text m belongs to class ``owner[m]``."""

    names: list[str]
    texts: list[str]
    owner: np.ndarray


@dataclass(frozen=True)
class Answers:
    """One fit's ``scores`` [N, C] of items against classes, and the class that each item is of, ``truth`` [N]."""

    scores: np.ndarray
    truth: np.ndarray

    def accuracy(self, classes: np.ndarray | None = None) -> float:
        """Share of the items of ``classes`` (numbers; default: all) that are nearest to their own one among these."""
        kept = np.arange(self.scores.shape[1]) if classes is None else np.asarray(classes)
        asked = np.isin(self.truth, kept)
        return float(np.mean(kept[self.scores[asked][:, kept].argmax(axis=1)] == self.truth[asked]))

    def balanced(self) -> float:
        """Mean of the classes' own accuracies."""
        hits = self.scores.argmax(axis=1) == self.truth
        return float(np.mean([hits[self.truth == c].mean() for c in np.unique(self.truth)]))


def classes_of(labels: Mapping[str, str | None], *, fewest: int) -> list[str]:
    """Names with at least ``fewest`` items, sorted.

    Args:
        labels: item id -> label; empty or None for none.

    Raises:
        UserError: no labels, or fewer than two classes.
    """
    counts = Counter(label for label in labels.values() if label)
    if not counts:
        raise UserError("the items have no labels", where="label", do="name the label column of the recipe's source")
    names = sorted(name for name, count in counts.items() if count >= fewest)
    if len(names) < 2:
        largest, count = counts.most_common(1)[0]
        what = f"{len(names)} classes have {fewest} or more held-out items; the largest, {largest!r}, has {count}"
        raise UserError(what, where="label", do="use coarser labels, or hold out more pairs")
    return names


def class_texts(names: Sequence[str], prompts: Sequence[str]) -> ClassTexts:
    """Every part of every name (``Food & Drink``: food, drink) through every prompt, in lower case."""
    texts = [[p.format(part) for part in _parts(name) for p in prompts] for name in names]
    owner = np.repeat(np.arange(len(names)), [len(t) for t in texts])
    return ClassTexts(list(names), [text for own in texts for text in own], owner)


def class_points(
    texts: ClassTexts, rows: np.ndarray, unpaired: np.ndarray, mapping: Transform, *, neighbours: int
) -> np.ndarray:
    """Where the classes are in the shared space. [C, K]

    Args:
        rows: encoded ``texts`` [M, D]; unpaired: the corpus' own texts [U, D], both as ``mapping`` takes them.
        mapping: of the texts' side, into the shared space.
        neighbours: unpaired texts of each class.
    """
    num = len(texts.names)
    points = _means(mapping(rows), texts.owner, num)
    if not neighbours or not len(unpaired):
        return points
    centre = unpaired.mean(axis=0)
    near = unit_rows(_means(unit_rows(rows - centre), texts.owner, num)) @ unit_rows(unpaired - centre).T
    kept = min(neighbours, len(unpaired))
    chosen = np.argsort(-near, axis=1, kind="stable")[:, :kept]
    own = mapping(unpaired[chosen.ravel()]).reshape(num, kept, -1).mean(axis=1)
    return np.asarray((points + own) / 2)


def class_scores(items: np.ndarray, points: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Scores of ``items`` [N, K] against ``points`` [C, K], less each class' mean over the ``bank`` [B, K]. [N, C]"""
    return np.asarray(items @ points.T - (bank @ points.T).mean(axis=0))


def summarise_zero_shot(draws: Sequence[Answers], config: ZeroShotConfig) -> dict[str, Any]:
    """Accuracies over draws of the known pairs, with 95 % intervals over them; shares in 0..1.

    Returns:
        ``accuracy``, ``balanced`` (mean over classes), ``subsets`` (random subsets of ``config.subset`` classes, if
        there are more classes than that), each ``{"mean", "low", "high", "num"}``.
    """
    num = draws[0].scores.shape[1]
    found = {"accuracy": [d.accuracy() for d in draws], "balanced": [d.balanced() for d in draws]}
    if num > config.subset:
        rng = np.random.default_rng(config.seed)
        subsets = [rng.choice(num, config.subset, replace=False) for _ in range(config.num_subsets)]
        found["subsets"] = [float(np.mean([d.accuracy(s) for s in subsets])) for d in draws]
    return {name: t_interval(np.array(values), bounds=(0, 1)).to_json() for name, values in found.items()}


def chance_of(truth: np.ndarray, num_classes: int, config: ZeroShotConfig) -> dict[str, float]:
    """What guessing gives: ``accuracy`` 1/C, ``majority`` the share of the commonest class, ``subsets`` 1/subset."""
    found = {
        "accuracy": 1 / num_classes,
        "balanced": 1 / num_classes,
        "majority": float(np.bincount(truth).max() / len(truth)),
    }
    return found | ({"subsets": 1 / config.subset} if num_classes > config.subset else {})


def _parts(name: str) -> list[str]:
    lowered = " ".join(name.lower().replace("_", " ").split())
    parts = [part for part in _SEPARATORS.split(lowered) if part]
    return parts or [lowered]


def _means(rows: np.ndarray, owner: np.ndarray, num: int) -> np.ndarray:
    return np.stack([rows[owner == n].mean(axis=0) for n in range(num)])
