"""Settings of the two spectral solvers. Imports nothing heavy: recipes read it."""

from __future__ import annotations

from dataclasses import dataclass

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
        _at_least("spectral.dim", self.dim, 1)
        _at_least("spectral.block", self.block, 1)
        _at_least("spectral.max_products", self.max_products, 1)
        _positive("spectral.tolerance", self.tolerance)


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
        _at_least("spectral.dim", self.dim, 1)
        _at_least("spectral.spectralnet.epochs", self.epochs, 1)
        _at_least("spectral.spectralnet.patience", self.patience, 1)
        _positive("spectral.spectralnet.learning_rate", self.learning_rate)
        _positive("spectral.spectralnet.min_learning_rate", self.min_learning_rate)
        if not self.widths or min(self.widths) < 1:
            where = "spectral.spectralnet.widths"
            raise UserError(f"widths are {self.widths}", where=where, do="allowed: 1 or more each")
        if self.batch <= self.dim:
            raise UserError(
                f"batch {self.batch} cannot orthogonalise {self.dim} dimensions",
                where="spectral.spectralnet.batch",
                do=f"allowed: more than {self.dim}",
            )
        for name in ("validation_fraction", "factor"):
            if not 0.0 < getattr(self, name) < 1.0:
                where = f"spectral.spectralnet.{name}"
                raise UserError(f"{name} is {getattr(self, name)}", where=where, do="allowed: between 0 and 1")


def _at_least(where: str, value: int, low: int) -> None:
    if value < low:
        raise UserError(f"{where.rsplit('.', 1)[-1]} is {value}", where=where, do=f"allowed: {low} or more")


def _positive(where: str, value: float) -> None:
    if not value > 0.0:
        raise UserError(f"{where.rsplit('.', 1)[-1]} is {value}", where=where, do="allowed: above 0")
