"""Models that can be served: pictures of coloured squares and names of the colours, in one language or in two."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from components.bridge_model import BridgeModel
from components.bridging.bridge import Bridge
from components.bridging.critic import Critic, CriticPair
from components.bridging.prepared import PreparedBridge
from components.embeddings import Embeddings
from components.encoders.protocol import LoadOptions
from components.encoders.registry import fingerprint, load
from components.evaluation.confidence import Confidence
from components.judge import Judge
from components.model import ModelSide, SharedSpace
from components.model_views import ModelView
from components.transforms import Chain, Linear, UnitRows

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 70, 210),
    "yellow": (240, 210, 40),
    "black": (15, 15, 15),
    "violet": (140, 50, 170),
    "orange": (245, 140, 20),
    "grey": (128, 128, 128),
}
CONFIDENCE = Confidence(temperature=3.0, spread=0.3, constant=0.0, row=1.0, column=1.0, num_pairs=50, gallery=8.0)


def png(colour: str, size: tuple[int, int] = (64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, COLOURS[colour]).save(out, "PNG")
    return out.getvalue()


NAMES = sorted(COLOURS)
GERMAN = dict(zip(NAMES, ["schwarz", "blau", "grün", "grau", "orange", "rot", "violett", "gelb"], strict=True))
TEXTS = {"en": [f"a {name} square" for name in NAMES], "de": [f"ein Quadrat in {GERMAN[name]}" for name in NAMES]}


def colour_space() -> SharedSpace:
    """Every colour's picture and name meet in one corner of a cube."""
    axes = np.eye(len(COLOURS), dtype=np.float32)
    sides: dict[Any, ModelSide] = {"left": _pictures(axes, "left"), "right": _texts(axes, "right", "en")}
    judge = Judge(CONFIDENCE, {"left": frozenset({"left/grey"}), "right": frozenset({"right/grey"})})
    return SharedSpace(sides, {"name": "colours", "aligner": "by hand"}, judge=judge)


def colour_bridge(*, scale: float = 6.0, same_space: bool = False) -> BridgeModel:
    """Pictures and English names meet in one cube, English and German names in another one."""
    axes = np.eye(len(COLOURS), dtype=np.float32)
    turned = axes if same_space else np.roll(axes, 3, axis=1)
    spaces: dict[Any, SharedSpace] = {
        "ab": SharedSpace({"left": _pictures(axes, "image"), "right": _texts(axes, "en", "en")}, {"name": "ab"}),
        "bc": SharedSpace({"left": _texts(turned, "en", "en"), "right": _texts(turned, "de", "de")}, {"name": "bc"}),
    }
    critic = Critic(kind="cosine", scale=scale, dim=len(NAMES))
    bridge = Bridge([f"en/{name}" for name in NAMES], axes, turned, np.zeros(len(NAMES)), same_space)
    nothing = np.zeros(len(NAMES))
    prepared = PreparedBridge(bridge, CriticPair(critic, critic, same_space), nothing, nothing, False)
    options = {"memory_budget": 1 << 24, "ess_floor": 1.5, "top": None, "bandwidth": None, "seed": 0}
    names = {"a": "image", "b": "en", "c": "de"}
    about = {"name": "colours", "names": names, "way": "aligned", "estimator": "monte-carlo", "options": options}
    return BridgeModel(spaces, prepared, about)


def _pictures(axes: np.ndarray, side: str) -> ModelSide:
    found = _side(side, "hog-color", [png(name) for name in NAMES], axes, "picture")
    return replace(found, modality="image", thumbnails={f"{side}/{name}": png(name) for name in NAMES})


def _texts(axes: np.ndarray, side: str, language: str) -> ModelSide:
    return _side(side, "hashed-tfidf", TEXTS[language], axes, "words")


def _side(side: str, encoder: str, items: list[Any], axes: np.ndarray, called: str) -> ModelSide:
    """Item n of ``items`` is mapped to row n of ``axes``."""
    rows = load(encoder, LoadOptions()).encode(items)
    return ModelSide(
        modality="text",
        views=(ModelView(encoder=encoder, dim=rows.shape[1], fingerprint=fingerprint(encoder)),),
        transform=Chain([Linear(np.zeros(rows.shape[1]), np.linalg.pinv(rows) @ axes), UnitRows()]),
        index=Embeddings([f"{side}/{name}" for name in NAMES], axes),
        titles={f"{side}/{name}": f"{name} {called}" for name in NAMES},
        thumbnails={},
    )
