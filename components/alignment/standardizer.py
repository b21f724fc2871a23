"""The standardiser of one view: centre, unit rows, principal axes; learned from the rows alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.alignment.checks import check_rows
from components.alignment.linalg import column_signs
from components.errors import UserError
from components.transforms import Spec, Tensors, Transform, unit_rows


class Standardizer(Transform):
    """Subtract ``mean`` [D], scale to unit rows, and optionally rotate to the leading ``axes`` [D, q].

    The rotation keeps dot products as far as ``q`` axes can (the rows are not centred again), so cosines before and
    after it mean the same thing.
    """

    kind = "standardizer"

    def __init__(self, mean: np.ndarray, axes: np.ndarray | None = None) -> None:
        self.mean = mean.astype(np.float32)
        self.axes = None if axes is None else axes.astype(np.float32)

    @classmethod
    def fit(cls, rows: np.ndarray, pca_dim: int | None = None) -> Standardizer:
        """Learn mean and axes from ``rows`` [N, D]; ``pca_dim`` None keeps all D dimensions.

        ``q = min(pca_dim, D, N)``; with ``pca_dim >= D`` there is no rotation. Cost: one pass over the rows and an
        eigenproblem of min(N, D)^2. Raises UserError for non-finite or all-equal rows and for ``pca_dim < 1``.
        """
        check_rows(rows, "the rows to standardise")
        if pca_dim is not None and pca_dim < 1:
            raise UserError(f"{pca_dim} is not allowed", where="pca_dim", do="give at least 1, or null for none")
        scaler = cls(rows.mean(axis=0, dtype=np.float64))
        if pca_dim is None or pca_dim >= rows.shape[1]:
            return scaler
        return cls(scaler.mean, leading_axes(scaler(rows), pca_dim))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        rows = unit_rows(np.asarray(x, dtype=np.float32) - self.mean)
        return rows if self.axes is None else rows @ self.axes

    def state(self) -> tuple[Spec, Tensors]:
        return {}, {"mean": self.mean} if self.axes is None else {"mean": self.mean, "axes": self.axes}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Standardizer:
        return cls(tensors["mean"], tensors.get("axes"))


def leading_axes(unit: np.ndarray, num_axes: int) -> np.ndarray:
    """The ``min(num_axes, N, D)`` directions of largest variance of ``unit`` [N, D]. [D, q]"""
    rows, dim = unit.shape
    centred = unit.astype(np.float64) - unit.mean(axis=0, dtype=np.float64)
    if rows < dim:  # the Gram matrix of rows is the smaller one
        values, vectors = np.linalg.eigh(centred @ centred.T)
        keep = _largest(values, num_axes)
        axes = centred.T @ vectors[:, keep] / np.sqrt(values[keep])
    else:
        values, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, _largest(values, num_axes)]
    return axes * column_signs(axes)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    order = np.argsort(-values, kind="stable")[:count]
    return order[values[order] > 1e-10 * values[order[0]]]
