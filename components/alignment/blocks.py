"""Several views of the same items, fused: the standardiser of rows that lie side by side.

Each view (an encoder, a text, or both) is standardised by itself: centred, unit rows, its own principal axes. The views
an item has are put side by side with equal weight and rotated to principal axes once more. An item's cosine with
another is then the mean of their cosines in each view. Measured on emoji: more views beat every refinement of the
aligner; weighting them or giving them different numbers of axes adds nothing that lasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.alignment.standardizer import Standardizer, leading_axes
from components.errors import UserError
from components.transforms import Spec, Tensors, Transform


class BlockStandardizer(Transform):
    """One :class:`Standardizer` per view, then ``axes`` [sum of their outputs, q].

    Args:
        parts: the standardiser of each block of columns, in their order.
        axes: common rotation; None keeps the blocks as they are.
    """

    kind = "block-standardizer"

    def __init__(self, parts: Sequence[Standardizer], axes: np.ndarray | None = None) -> None:
        self.parts = list(parts)
        self.axes = None if axes is None else axes.astype(np.float32)

    @classmethod
    def fit(cls, rows: np.ndarray, blocks: Sequence[int], pca_dim: int | None = None) -> BlockStandardizer:
        """Learn everything from ``rows`` [N, D]; a block of NaN is a view that the item lacks.

        A view's mean and axes come from the rows that have it. Cost: that of the parts, and one eigenproblem of
        min(N, V pca_dim)^2 for V views.

        Raises:
            UserError: a view that no row has, that is equal in all rows or holds single non-finite values;
                ``pca_dim < 1``.
        """
        parts = [_fit_part(n, block, pca_dim) for n, block in enumerate(_split(rows, blocks), start=1)]
        side_by_side = cls(parts)
        if pca_dim is None:
            return side_by_side
        fused = side_by_side(rows)
        return cls(parts, leading_axes(fused, pca_dim)) if pca_dim < fused.shape[1] else side_by_side

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """[N, D] -> [N, q]. A missing view counts as the mean, and the others make up for it; without any: zeros."""
        x = np.asarray(x, dtype=np.float32)
        there = [~missing(block) for block in _split(x, self.sizes)]
        outputs = [_apply(p, b, t) for p, b, t in zip(self.parts, _split(x, self.sizes), there, strict=True)]
        share = 1 / np.sqrt(np.maximum(np.sum(there, axis=0), 1))
        fused = np.concatenate(outputs, axis=1) * share[:, None].astype(np.float32)
        return fused if self.axes is None else fused @ self.axes

    @property
    def sizes(self) -> list[int]:
        """Width of each block of the input."""
        return [len(part.mean) for part in self.parts]

    def state(self) -> tuple[Spec, Tensors]:
        tensors = {f"{n}.{name}": v for n, part in enumerate(self.parts) for name, v in part.state()[1].items()}
        return {"blocks": len(self.parts)}, tensors if self.axes is None else {**tensors, "axes": self.axes}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> BlockStandardizer:
        parts = [Standardizer(tensors[f"{n}.mean"], tensors.get(f"{n}.axes")) for n in range(spec["blocks"])]
        return cls(parts, tensors.get("axes"))


def missing(block: np.ndarray) -> np.ndarray:
    """Which rows of one view [N, D] lack it: all of their values are NaN. bool [N]"""
    return np.isnan(block).all(axis=1)


def _fit_part(number: int, block: np.ndarray, pca_dim: int | None) -> Standardizer:
    there = block[~missing(block)]
    if not len(there):
        raise UserError(f"no unpaired row has view {number}", do="leave that encoder or column out")
    try:
        return Standardizer.fit(there, pca_dim)
    except UserError as error:
        raise UserError(f"view {number}: {error.what}", where=error.where, do=error.do) from None


def _apply(part: Standardizer, block: np.ndarray, there: np.ndarray) -> np.ndarray:
    if there.all():
        return part(block)
    width = len(part.mean) if part.axes is None else part.axes.shape[1]
    out = np.zeros((len(block), width), np.float32)
    out[there] = part(block[there])
    return out


def _split(rows: np.ndarray, sizes: Sequence[int]) -> Iterator[np.ndarray]:
    ends = np.cumsum(sizes)
    return (rows[:, end - size : end] for size, end in zip(sizes, ends, strict=True))
