"""Settings of the generators. Fast to import: recipes and steps need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.checks import check_range
from components.errors import UserError

KINDS = ("vae", "gan")


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """One generator.

    Attributes:
        kind: ``vae`` (conditional variational autoencoder, Sohn et al. 2015) or ``gan`` (conditional GAN with a
            projection critic, Miyato & Koyama 2018).
        side: pixels of a picture's edge; a multiple of 8.
        condition_dim: principal components of the shared space that the generator is told.
        noise_dim: length of its random input.
        width: channels at the coarsest grid; halved at every finer one.
        epochs, batch, learning_rate: of Adam; the rate falls to zero by a cosine.
        blended: share of the rows of a batch whose condition is made from their neighbours, as that of a text is.
        sharpness: how much more the nearest of the neighbours count; None: chosen on the pictures, see
            :class:`Conditioner`.
        jitter: standard deviation of the noise on conditions, in units of their spread.
        kl_weight: of the VAE's divergence from the prior against the error per picture.
        pixel_weight: of the GAN's mean absolute error against its critic's score.
        average: decay per step of the weights' running mean, which is what generates.
    """

    kind: str = "vae"
    side: int = 32
    condition_dim: int = 64
    noise_dim: int = 16
    width: int = 128
    epochs: int = 60
    batch: int = 32
    learning_rate: float = 1e-3
    blended: float = 0.5
    sharpness: float | None = None
    jitter: float = 0.1
    kl_weight: float = 1.0
    pixel_weight: float = 10.0
    average: float = 0.98

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"{self.kind!r} is no generator", where="kind", do=f"use one of {', '.join(KINDS)}")
        if self.side < 16 or self.side % 8:
            raise UserError(f"{self.side} is not allowed", where="side", do="give a multiple of 8, at least 16")
        for name in ("condition_dim", "noise_dim", "epochs"):
            check_range(name, getattr(self, name), 1)
        check_range("width", self.width, 8)
        check_range("batch", self.batch, 2)
        for name in ("jitter", "kl_weight", "pixel_weight"):
            check_range(name, getattr(self, name), 0)
        check_range("learning_rate", self.learning_rate, 0, above=True)
        if self.sharpness is not None:
            check_range("sharpness", self.sharpness, 0, above=True)
        check_range("blended", self.blended, 0, 1)
        check_range("average", self.average, 0, 0.9999)

    @classmethod
    def of(cls, settings: dict[str, Any]) -> GeneratorConfig:
        """From JSON. Raises UserError for an unknown name."""
        unknown = sorted(set(settings) - set(cls.__dataclass_fields__))
        if unknown:
            raise UserError(f"{unknown[0]!r} is no setting of a generator", where="generator", do="see GeneratorConfig")
        return cls(**settings)
