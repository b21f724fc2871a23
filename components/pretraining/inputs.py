"""Rows as network inputs: random views for training, plain ones for looking at the result; and batches of views."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol

import torch

from components.pretraining import image_views, text_views
from components.pretraining.image_views import ImageViews
from components.pretraining.rows import Rows
from components.pretraining.text_views import TextViews
from components.pretraining.tokenizer import padded

Key = tuple[int, int]
"""Row number and seed of one view."""


class Inputs(Protocol):
    """Rows of a prepared corpus as inputs of one network: uint8 [B, 3, S, S] or token ids [B, T]."""

    rows: Rows

    def random(self, numbers: Sequence[int], seeds: Sequence[int]) -> torch.Tensor:
        """A random view of each row, decided by its seed."""
        ...

    def plain(self, numbers: Sequence[int]) -> torch.Tensor:
        """The rows as they are."""
        ...


class ImageInputs:
    """Pictures of ``side`` pixels."""

    def __init__(self, rows: Rows, side: int, views: ImageViews) -> None:
        self.rows, self.side, self.views = rows, side, views

    def random(self, numbers: Sequence[int], seeds: Sequence[int]) -> torch.Tensor:
        return image_views.draw_views([self.rows.picture(n) for n in numbers], seeds, self._transform)

    def plain(self, numbers: Sequence[int]) -> torch.Tensor:
        return torch.stack([image_views.plain(self.rows.picture(n), self.side) for n in numbers])

    @cached_property
    def _transform(self) -> Any:
        return self.views.transform(self.side)


class TextInputs:
    """Token ids."""

    def __init__(self, rows: Rows, views: TextViews) -> None:
        self.rows, self.views = rows, views

    def random(self, numbers: Sequence[int], seeds: Sequence[int]) -> torch.Tensor:
        drawn = text_views.draw_views([self.rows.tokens(n) for n in numbers], seeds, self.views)
        return torch.from_numpy(padded(drawn))

    def plain(self, numbers: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(padded([self.rows.tokens(n) for n in numbers]))


class _Views(torch.utils.data.Dataset):
    """Keys in, a tensor out: what the DataLoader asks for."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs

    def __getitems__(self, keys: Sequence[Key]) -> torch.Tensor:
        numbers, seeds = zip(*keys, strict=True)
        return self.inputs.random(numbers, seeds)


def load_views(inputs: Inputs, batches: Sequence[list[Key]], processes: int = 0) -> Iterable[torch.Tensor]:
    """The views of each batch of keys, in order; ``processes`` draw them ahead, 0 draws them here."""
    from torch.utils.data import DataLoader

    return DataLoader(
        _Views(inputs),
        batch_sampler=list(batches),
        num_workers=processes,
        collate_fn=_as_is,  # type: ignore[arg-type]
    )


def _as_is(batch: torch.Tensor) -> torch.Tensor:
    return batch
