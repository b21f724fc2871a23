"""Families: methods with hyperparameters over features that were learned without any pair.

A family is what cross-validation needs to know about a method: its candidates, and how they are fitted on the training
pairs of a fold. Every aligner built on it gets the same selection, and :mod:`components.alignment.nested` can judge all
of them on the same folds and distractors. Letters: ``P`` pairs, ``F`` feature columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from components.alignment.checks import check_fit
from components.alignment.protocol import Alignment, Pairs
from components.alignment.selection import MAX_DISTRACTORS
from components.alignment.views import Views, plain_view, spectral_views
from components.transforms import Chain, Transform

Build = Callable[[Any], Alignment]
FEW = 10  # one row in ten may be missing from a graph
MakeFamily = Callable[["Unpaired", tuple[int, int]], "Family"]


@dataclass(frozen=True)
class Variant:
    """Feature maps of both sides, from the rows of a :class:`Views` to [N, F]; no pair went into them."""

    left: Transform
    right: Transform


@dataclass(frozen=True)
class Candidate:
    """Hyperparameters ``params`` over the features of variant number ``variant``."""

    variant: int
    params: Any


@dataclass(frozen=True)
class Family:
    """One method.

    Attributes:
        views: what the variants' maps are applied to.
        variants: feature maps.
        grid: candidates in order of preference: of equal scores the first wins. Its length depends on the config alone.
        path: fits what all candidates of a variant share on pairs of *features*; gives the map params -> alignment.
        describe: params -> JSON-able facts.
    """

    views: Views
    variants: tuple[Variant, ...]
    grid: tuple[Candidate, ...]
    path: Callable[[int, Pairs], Build]
    describe: Callable[[Candidate], dict[str, Any]]


@dataclass(frozen=True)
class Unpaired:
    """Unpaired rows [N1, D1], [N2, D2] of both sides, and their spectral views if somebody has them already."""

    left: np.ndarray
    right: np.ndarray
    views: Views | None = None

    def spectral(self) -> Views:
        """The views given, or those of the rows. Raises UserError: too few rows for a graph."""
        return self.views or spectral_views(self.left, self.right)


@dataclass(frozen=True)
class Ground:
    """Unpaired rows as cross-validation needs them.

    Attributes:
        full: all rows: the final fit learns from them.
        inner: the rows without the distractors: fits on folds learn from them. A distractor inside the graph would
            have sharper spectral coordinates than a held-out row, and flatter every spectral method.
        left_extra, right_extra: distractors, [U1, D1], [U2, D2].
    """

    full: Unpaired
    inner: Unpaired
    left_extra: np.ndarray
    right_extra: np.ndarray


def make_ground(left: np.ndarray, right: np.ndarray, *, seed: int) -> Ground:
    """A quarter of either side's rows, at most 600, become distractors; equal seeds give everybody the same ones."""
    (left_inner, left_extra), (right_inner, right_extra) = _split(left, seed, 0), _split(right, seed, 1)
    return Ground(Unpaired(left, right), Unpaired(left_inner, right_inner), left_extra, right_extra)


def with_views(ground: Ground) -> Ground:
    """``ground`` with the spectral views of both its row sets. Raises UserError: too few rows for a graph.

    In a big corpus the distractors are a small part: there the views without them serve the final fit as well.
    """
    full, inner = ground.full, ground.inner
    views = inner.spectral()
    small = all(FEW * len(i) >= (FEW - 1) * len(f) for i, f in ((inner.left, full.left), (inner.right, full.right)))
    return replace(
        ground,
        full=Unpaired(full.left, full.right, views if small else full.spectral()),
        inner=Unpaired(inner.left, inner.right, views),
    )


def _split(rows: np.ndarray, seed: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    count = min(MAX_DISTRACTORS, len(rows) // 4)
    mask = np.zeros(len(rows), dtype=bool)
    mask[np.random.default_rng([seed, side]).permutation(len(rows))[:count]] = True
    return rows[~mask], rows[mask]


class TunedAligner(ABC):
    """An aligner whose hyperparameters are chosen by cross-validation on the known pairs. Configs derive from it."""

    spectral: ClassVar[bool] = False
    needed: ClassVar[int] = 3
    name: ClassVar[str]
    seed: int

    @abstractmethod
    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        """Candidates for rows of ``dims`` = (D1, D2) columns; ``world`` may have no rows.

        Raises UserError: too few unpaired rows for what the method learns from them.
        """

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """Choose by cross-validation with unpaired distractors, then fit on all pairs.

        Raises:
            UserError: too few pairs, or too few unpaired rows if the method needs them, non-finite or all-equal rows.
        """
        from components.alignment.nested import tune

        check_fit(left, right, pairs, needed=self.needed, why=self.name)
        ground = make_ground(left, right, seed=self.seed)
        return tune(self.family, with_views(ground) if self.spectral else ground, pairs, seed=self.seed).alignment


def plain_views(dims: tuple[int, int]) -> Views:
    """Views of methods that use raw rows only."""
    return Views(plain_view(dims[0]), plain_view(dims[1]))


def named(*names: str) -> Callable[[Candidate], dict[str, Any]]:
    """``describe`` of a family whose params are these, in order (a lone one as it is, without a tuple)."""

    def describe(candidate: Candidate) -> dict[str, Any]:
        params = candidate.params if isinstance(candidate.params, tuple) else (candidate.params,)
        return dict(zip(names, params, strict=True))

    return describe


def raw_family(
    dims: tuple[int, int], params: Iterable[Any], names: Sequence[str], fit: Callable[[Pairs], Build]
) -> Family:
    """A method on the encoders' rows themselves; ``names`` of its ``params``, ``fit`` as of ``path``."""
    views = plain_views(dims)
    return Family(
        views=views,
        variants=(Variant(views.left.raw_columns(), views.right.raw_columns()),),
        grid=tuple(Candidate(0, p) for p in params),
        path=lambda _, pairs: fit(pairs),
        describe=named(*names),
    )


def on_rows(family: Family, candidate: Candidate, fitted: Alignment) -> Alignment:
    """An alignment of features as one of the rows of the family's views."""
    variant = family.variants[candidate.variant]
    left, right = Chain([variant.left, fitted.left]), Chain([variant.right, fitted.right])
    return Alignment(left, right, {**fitted.diagnostics, **family.describe(candidate)})


def on_encoder_rows(views: Views, fitted: Alignment) -> Alignment:
    """An alignment of view rows as one of the encoders' rows."""
    return Alignment(Chain([views.left.map, fitted.left]), Chain([views.right.map, fitted.right]), fitted.diagnostics)
