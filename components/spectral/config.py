"""Settings of the two spectral solvers. Imports nothing heavy: recipes read it."""

from __future__ import annotations

from dataclasses import dataclass

from components.checks import check_range
from components.errors import UserError


@dataclass(frozen=True, kw_only=True)
class EigenConfig:
    """The exact solver: block Krylov with thick restarts.

    Attributes:
        dim: non-trivial eigenvectors, K.
        tolerance: largest ||S phi - lambda phi|| accepted (S has norm 1).
        block: vectors per product with S; a multiple eigenvalue of at most this multiplicity is found for certain.
        max_products: products of S with a block before giving up.
    """

    dim: int = 30
    tolerance: float = 1e-6
    block: int = 8
    max_products: int = 5000

    def __post_init__(self) -> None:
        for name in ("dim", "block", "max_products"):
            check_range(f"spectral.{name}", getattr(self, name), 1)
        check_range("spectral.tolerance", self.tolerance, 0, above=True)


@dataclass(frozen=True, kw_only=True)
class SpectralNetConfig:
    """SpectralNet (Shaham et al., ICLR 2018) as SUE uses it; the paper's sizes are widths 4096-4096-1024, batch 4096.

    Attributes:
        dim: non-trivial eigenfunctions, K; the net has K + 1 outputs and the constant one is dropped.
        widths: hidden layers.
        batch: rows of the *global* batch; every worker takes its share of it.
        learning_rate: of Adam, at the start.
        epochs: at most; training stops earlier when the rate has fallen below ``min_learning_rate``.
        validation_fraction: rows kept out of training to steer the rate.
        patience: epochs without a better validation loss before the rate is cut.
        factor: by which it is cut.
        min_learning_rate: where training stops.
    """

    dim: int = 30
    widths: tuple[int, ...] = (512, 512, 256)
    batch: int = 1024
    learning_rate: float = 1e-3
    epochs: int = 30
    validation_fraction: float = 0.1
    patience: int = 10
    factor: float = 0.1
    min_learning_rate: float = 1e-8

    def __post_init__(self) -> None:
        net = "spectral.spectralnet"
        check_range("spectral.dim", self.dim, 1)
        for name in ("epochs", "patience"):
            check_range(f"{net}.{name}", getattr(self, name), 1)
        for name in ("learning_rate", "min_learning_rate"):
            check_range(f"{net}.{name}", getattr(self, name), 0, above=True)
        for name in ("validation_fraction", "factor"):
            check_range(f"{net}.{name}", getattr(self, name), 0, 1, above=True, below=True)
        if not self.widths or min(self.widths) < 1:
            raise UserError(f"widths are {self.widths}", where=f"{net}.widths", do="allowed: 1 or more each")
        if self.batch <= self.dim:
            raise UserError(
                f"batch {self.batch} cannot orthogonalise {self.dim} dimensions",
                where=f"{net}.batch",
                do=f"allowed: more than {self.dim}",
            )
