"""Small labelled picture corpora that need no download, and random views of them made on whole batches.

Letters: ``N`` pictures, ``C`` channels, ``S`` pixels a side.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

TRAIN_SHARE = 0.6
SIDE, FEWEST = 24, 8


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Pictures [N, C, S, S] in 0..1, their class numbers [N], and which rows train [n]; the others are held out."""

    name: str
    pictures: torch.Tensor
    classes: torch.Tensor
    train: torch.Tensor
    test: torch.Tensor

    @property
    def num_classes(self) -> int:
        return int(self.classes.max()) + 1


@dataclass(frozen=True, kw_only=True)
class Views:
    """How far a view is from its picture: size and place of the crop, brightness, noise, share of an erased square."""

    zoom: float
    shift: float
    gain: float
    noise: float
    erase: float


CLEAN = Views(zoom=0.1, shift=0.1, gain=0.2, noise=0.05, erase=0.0)
NOISY = Views(zoom=0.35, shift=0.25, gain=0.5, noise=0.25, erase=0.4)
VIEWS = {"clean": CLEAN, "noisy": NOISY}


def draw(pictures: torch.Tensor, views: Views, generator: torch.Generator) -> Any:
    """One random view of each picture [B, C, S, S]."""
    count, side = len(pictures), pictures.shape[-1]

    def uniform(*shape: int) -> torch.Tensor:
        return 2 * torch.rand(shape, generator=generator) - 1

    moves = torch.zeros(count, 2, 3)
    moves[:, 0, 0] = moves[:, 1, 1] = 1 + views.zoom * uniform(count)
    moves[:, :, 2] = views.shift * uniform(count, 2)
    grid = torch.nn.functional.affine_grid(moves, list(pictures.shape), align_corners=False)
    seen = torch.nn.functional.grid_sample(pictures, grid, align_corners=False, padding_mode="border")
    seen = seen * (1 + views.gain * uniform(count, 1, 1, 1))
    seen = seen + views.noise * torch.randn(seen.shape, generator=generator)
    if views.erase:
        seen = seen * ~_squares(count, side, views.erase, generator)
    return seen


def _squares(count: int, side: int, share: float, generator: torch.Generator) -> torch.Tensor:
    """Where a square of ``share`` of the side is erased; in every second picture. [B, 1, S, S]"""
    length = max(1, round(share * side))
    corner = torch.randint(0, side - length + 1, (2, count, 1), generator=generator)
    place = torch.arange(side)
    down, across = ((place >= c) & (place < c + length) for c in corner)
    half = torch.rand(count, generator=generator) < 0.5
    erased: torch.Tensor = (down[:, :, None] & across[:, None, :] & half[:, None, None])[:, None]
    return erased


@lru_cache(maxsize=8)
def digits(seed: int, *, turned: bool = False) -> World:
    """Digits of scikit-learn, 8 x 8. ``turned`` adds each picture at 90 degrees as ten more classes."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = torch.from_numpy(data.images.astype(np.float32) / 16)[:, None]
    classes = torch.from_numpy(data.target.astype(np.int64))
    train, test = _halves(classes, seed)
    if turned:
        count = len(classes)
        pictures = torch.cat([pictures, pictures.rot90(1, (2, 3))])
        classes = torch.cat([classes, classes + 10])
        train, test = (torch.cat([rows, rows + count]) for rows in (train, test))
    return World(name="digits", pictures=pictures, classes=classes, train=train, test=test)


@lru_cache(maxsize=8)
def pictures(seed: int) -> World:
    """The built-in pictures of the groups with at least 8 members, 24 x 24 on white; the group is the class."""
    from PIL import Image

    from components.corpora.emoji import emoji_corpus

    counts = Counter(item.group for item in emoji_corpus())
    names = sorted(name for name, count in counts.items() if count >= FEWEST)
    items = [item for item in emoji_corpus() if item.group in names]
    arrays = []
    for item in items:
        glyph = Image.open(item.picture).convert("RGBA")
        page = Image.alpha_composite(Image.new("RGBA", glyph.size, "white"), glyph).convert("RGB")
        arrays.append(np.asarray(page.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255)
    classes = torch.tensor([names.index(item.group) for item in items])
    train, test = _halves(classes, seed)
    stacked = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    return World(name="pictures", pictures=stacked, classes=classes, train=train, test=test)


def _halves(classes: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Training rows (60 % of every class) and held-out ones."""
    order = torch.from_numpy(np.random.default_rng([seed, 17]).permutation(len(classes)))
    train: list[torch.Tensor] = []
    for number in range(int(classes.max()) + 1):
        members = order[classes[order] == number]
        train.append(members[: round(TRAIN_SHARE * len(members))])
    chosen = torch.cat(train)
    rest = torch.ones(len(classes), dtype=torch.bool)
    rest[chosen] = False
    return chosen, rest.nonzero()[:, 0]
