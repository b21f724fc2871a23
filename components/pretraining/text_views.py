"""Random views of texts: a span of the tokens, and some tokens of it dropped.

Span crop: Meng et al., "COCO-LM" (NeurIPS 2021); token dropout: Iyyer et al., "Deep averaging networks" (ACL 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.checks import check_range
from components.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TextViews:
    """How far two views of a text may differ.

    Attributes:
        keep: smallest share of the tokens that a random span keeps, in (0, 1].
        drop: chance of each token of the span to be left out.
    """

    keep: float = 0.6
    drop: float = 0.15

    def __post_init__(self) -> None:
        check_range("keep", self.keep, 0, 1, above=True)
        check_range("drop", self.drop, 0, 0.9)


PRESETS = {"clean": TextViews(), "noisy": TextViews(keep=0.3, drop=0.3)}


def text_views(preset: str) -> TextViews:
    """The views of that name. Raises UserError for another one."""
    if preset not in PRESETS:
        raise UserError(f"there are no views {preset!r}", where="views", do=f"use one of {', '.join(PRESETS)}")
    return PRESETS[preset]


def draw_views(texts: Sequence[np.ndarray], seeds: Sequence[int], views: TextViews) -> list[np.ndarray]:
    """One random view of each text's token ids, never empty; it depends on its seed alone."""
    return [_view(ids, np.random.default_rng(int(seed)), views) for ids, seed in zip(texts, seeds, strict=True)]


def _view(ids: np.ndarray, rng: np.random.Generator, views: TextViews) -> np.ndarray:
    length = max(1, round(rng.uniform(views.keep, 1.0) * len(ids)))
    start = int(rng.integers(len(ids) - length + 1))
    span = ids[start : start + length]
    kept = span[rng.random(length) >= views.drop]
    return kept if len(kept) else span[:1]
