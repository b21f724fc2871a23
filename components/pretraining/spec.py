"""What a trained encoder is made of: enough to build the same network again. JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from components.checks import check_one_of, check_range
from components.errors import UserError

SMALL_RESNET = "small-resnet"
NORMS = ("group", "batch")
SMALL_SIDE = 72
"""Up to this side, in pixels, a ResNet of torchvision gets a stem that keeps the resolution."""


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """A picture network.

    Attributes:
        model: ``small-resnet``, or a classification model of torchvision by name, e.g. ``resnet18`` or ``vit_b_16``.
        side: pictures are squares of this many pixels.
        width: channels of the first stage of ``small-resnet``; its features are four times as wide.
        norm: of the convolutions: ``group`` (rows of a batch do not see each other: any number of workers gives the
            same result) or ``batch``. Models that cannot choose keep their own.
        small_stem: 3 x 3 convolution without pooling in front, for ResNets of torchvision; None: up to 72 px.
    """

    modality: ClassVar[str] = "image"

    model: str = SMALL_RESNET
    side: int = 32
    width: int = 32
    norm: str = "group"
    small_stem: bool | None = None

    def __post_init__(self) -> None:
        check_range("side", self.side, 8, 1024)
        check_range("width", self.width, 8, 512)
        if self.width % 8:
            raise UserError(f"{self.width} channels cannot be normed in groups of 8", where="width")
        check_one_of("norm", self.norm, NORMS)

    @property
    def has_small_stem(self) -> bool:
        return self.side <= SMALL_SIDE if self.small_stem is None else self.small_stem


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """A Transformer over the tokens of a tokenizer that was trained with it.

    Attributes:
        vocabulary: tokens that the tokenizer knows, padding included.
        max_tokens: longer texts are cut.
        width: of every layer, and of the features.
        layers, heads: of the Transformer.
    """

    modality: ClassVar[str] = "text"

    vocabulary: int
    max_tokens: int = 64
    width: int = 128
    layers: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        check_range("vocabulary", self.vocabulary, 2)
        check_range("max_tokens", self.max_tokens, 2, 4096)
        check_range("layers", self.layers, 1, 48)
        check_range("heads", self.heads, 1)
        check_range("width", self.width, 8, 4096)
        if self.width % self.heads:
            raise UserError(f"{self.width} does not divide by {self.heads} heads", where="width")


Spec = ImageSpec | TextSpec


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """The fields, and ``modality``."""
    return {"modality": spec.modality, **asdict(spec)}


def spec_from_json(data: Mapping[str, Any]) -> Spec:
    """The inverse of :func:`spec_to_json`. Raises UserError for what is none."""
    kinds: dict[str, type[ImageSpec | TextSpec]] = {"image": ImageSpec, "text": TextSpec}
    fields = {k: v for k, v in data.items() if k != "modality"}
    try:
        return kinds[str(data["modality"])](**fields)
    except (KeyError, TypeError) as error:
        raise UserError(f"this describes no encoder ({error})", do="train it again") from None
