"""A model that can be served: pictures of coloured squares on the left, the names of the colours on the right."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

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


def colour_space() -> SharedSpace:
    """Every colour's picture and name meet in one corner of a cube."""
    names, axes = sorted(COLOURS), np.eye(len(COLOURS), dtype=np.float32)
    sides: dict[Any, ModelSide] = {}
    items: dict[str, tuple[str, list[Any]]] = {
        "left": ("hog-color", [png(name) for name in names]),
        "right": ("hashed-tfidf", [f"a {name} square" for name in names]),
    }
    for side, (encoder, raw) in items.items():
        rows = load(encoder, LoadOptions()).encode(raw)
        weight = np.linalg.pinv(rows) @ axes
        sides[side] = ModelSide(
            modality="image" if side == "left" else "text",
            views=(ModelView(encoder=encoder, dim=rows.shape[1], fingerprint=fingerprint(encoder)),),
            transform=Chain([Linear(np.zeros(rows.shape[1]), weight), UnitRows()]),
            index=Embeddings([f"{side}/{name}" for name in names], axes),
            titles={f"{side}/{name}": f"{name} {'picture' if side == 'left' else 'words'}" for name in names},
            thumbnails={f"left/{name}": png(name) for name in names} if side == "left" else {},
        )
    judge = Judge(CONFIDENCE, {"left": frozenset({"left/grey"}), "right": frozenset({"right/grey"})})
    return SharedSpace(sides, {"name": "colours", "aligner": "by hand"}, judge=judge)
