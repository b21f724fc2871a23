"""Relative representations: a row is what it is similar to among the known pairs (Moschella et al., ICLR 2023; ASIF,
Norelli et al., NeurIPS 2023).

r_x keeps the k largest of max(0, cos(x, X̂)), raised to a power, at unit length; pair p is coordinate p on both sides,
so that the two sides can be compared without any fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from components.alignment.protocol import Alignment, Pairs
from components.alignment.tuned import Build, Family, TunedAligner, Unpaired, raw_family
from components.checks import check_range
from components.transforms import Spec, Tensors, Transform, unit_rows

FRACTIONS = (1 / 3, 0.1, 1.0)
POWERS = (4.0, 2.0, 8.0)


class Relative(Transform):
    """Unit rows of the ``keep`` largest positive cosines to ``anchors`` [P, D] (unit rows), raised to ``power``.

    [N, D] -> [N, P]; equal cosines at the border are all kept, so that the order of the anchors does not matter.
    """

    kind = "relative"

    def __init__(self, anchors: np.ndarray, keep: int, power: float) -> None:
        self.anchors, self.keep, self.power = anchors.astype(np.float32), keep, float(power)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        cosine = np.maximum(unit_rows(x) @ self.anchors.T, 0)
        if self.keep < cosine.shape[1]:
            border = np.partition(cosine, -self.keep, axis=1)[:, -self.keep, None]
            cosine[cosine < border] = 0
        return unit_rows(cosine**self.power)

    def state(self) -> tuple[Spec, Tensors]:
        return {"keep": self.keep, "power": self.power}, {"anchors": self.anchors}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Relative:
        return cls(tensors["anchors"], spec["keep"], spec["power"])


@dataclass(frozen=True, kw_only=True)
class Asif(TunedAligner):
    """Config of relative representations.

    Attributes:
        fractions: candidates for k / P; never fewer than 10 pairs are kept.
        powers: candidates for the exponent.
        seed: of the cross-validation folds.
    """

    name: ClassVar[str] = "relative representations"
    fractions: tuple[float, ...] = FRACTIONS
    powers: tuple[float, ...] = POWERS
    seed: int = 0

    def __post_init__(self) -> None:
        for fraction in self.fractions:
            check_range("fractions", fraction, 0, 1, above=True)
        for power in self.powers:
            check_range("powers", power, 0, 32, above=True)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        return raw_family(dims, product(self.fractions, self.powers), ("fraction", "power"), fit_path)


def fit_path(pairs: Pairs) -> Build:
    """The result builds the alignment of any ``(fraction, power)``."""
    left, right = unit_rows(pairs.left), unit_rows(pairs.right)

    def build(params: tuple[float, float]) -> Alignment:
        keep = min(len(pairs), max(10, round(params[0] * len(pairs))))
        return Alignment(Relative(left, keep, params[1]), Relative(right, keep, params[1]), {"kept": keep})

    return build
