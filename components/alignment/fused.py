"""Raw and spectral features together: kernel ridge on a fused kernel, and CSA on raw ⊕ spectral rows.

A fused row is the encoder's unit row beside ``weight`` times the unit row of its diffusion coordinates (eigenvectors
times eigenvalue squared), so a cosine of fused rows mixes similarity of content with nearness along the corpus' own
shape. Both keep what a raw method knows where the graph has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from components.alignment import kernel_ridge, ridge_cca
from components.alignment.protocol import Alignment, Pairs
from components.alignment.shaping import Scale
from components.alignment.tuned import Candidate, Family, TunedAligner, Unpaired, Variant, named
from components.alignment.views import View, Views
from components.checks import check_range
from components.transforms import Chain, Concat, Transform, UnitRows

DIFFUSION_TIME = 2.0
DIM = 80


@dataclass(frozen=True, kw_only=True)
class FusedKernelRidge(TunedAligner):
    """Config of kernel ridge both ways on fused rows.

    Attributes:
        weights: candidates for the weight of the spectral part.
        sharpness, ridges: as of :class:`components.alignment.kernel_ridge.KernelRidge`.
        seed: of the cross-validation folds.
    """

    spectral: ClassVar[bool] = True
    name: ClassVar[str] = "kernel ridge on fused rows"
    weights: tuple[float, ...] = (0.3, 1.0, 3.0)
    sharpness: tuple[float, ...] = (3.0, 1.0)
    ridges: tuple[float, ...] = (0.5, 0.1, 2.0)
    seed: int = 0

    def __post_init__(self) -> None:
        _check_all(self, ("weights", "sharpness", "ridges"))

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        params = [(b, r) for b in self.sharpness for r in self.ridges]
        return _family(world.spectral(), self.weights, params, ("sharpness", "ridge"), kernel_ridge.fit_path)


@dataclass(frozen=True, kw_only=True)
class FusedCSA(TunedAligner):
    """Config of CSA on fused rows.

    Attributes:
        weights: candidates for the weight of the spectral part.
        ridges, gammas: as of :class:`components.alignment.ridge_cca.RidgeCCA`.
        seed: of the cross-validation folds.
    """

    spectral: ClassVar[bool] = True
    name: ClassVar[str] = "CSA on fused rows"
    weights: tuple[float, ...] = (0.5, 1.0, 3.0)
    ridges: tuple[float, ...] = (1.6, 6.4, 25.6)
    gammas: tuple[float, ...] = (1.0, 0.5, 1.5)
    seed: int = 0

    def __post_init__(self) -> None:
        _check_all(self, ("weights", "ridges", "gammas"))

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        params = [(r, g) for g in self.gammas for r in self.ridges]
        return _family(world.spectral(), self.weights, params, ("ridge", "gamma"), ridge_cca.fit_path)


def fused_rows(view: View, weight: float, *, time: float = DIFFUSION_TIME, dim: int = DIM) -> Transform:
    """Rows of ``view`` -> unit raw row beside ``weight`` times the unit row of diffusion coordinates. [N, D + K]"""
    spectral = Chain([view.diffusion_columns(time, dim), UnitRows(), Scale(weight)])
    return Concat([Chain([view.raw_columns(), UnitRows()]), spectral])


def _family(
    views: Views,
    weights: Sequence[float],
    params: Sequence[tuple[float, float]],
    names: tuple[str, str],
    fit: Callable[[Pairs], Callable[[tuple[float, float]], Alignment]],
) -> Family:
    return Family(
        views=views,
        variants=tuple(Variant(fused_rows(views.left, w), fused_rows(views.right, w)) for w in weights),
        grid=tuple(Candidate(n, p) for n in range(len(weights)) for p in params),
        path=lambda _, pairs: fit(pairs),
        describe=lambda c: {"weight": weights[c.variant], **named(*names)(c)},
    )


def _check_all(config: Any, names: Sequence[str]) -> None:
    for name in names:
        for value in getattr(config, name):
            check_range(name, value, 0, above=True)
