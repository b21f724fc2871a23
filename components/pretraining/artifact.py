"""A trained encoder as a folder: ``encoder.json``, ``backbone.safetensors`` and, for texts, ``tokenizer.json``.

What decides its vectors is the spec, the weights and the tokenizer; their digests are in ``encoder.json``, and together
they are its fingerprint. ``head.safetensors`` holds what was trained beside the backbone; encoding does not need it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.errors import UserError
from components.files import Folder
from components.pretraining.spec import Spec, spec_from_json, spec_to_json

ABOUT, BACKBONE, HEAD, TOKENIZER = "encoder.json", "backbone.safetensors", "head.safetensors", "tokenizer.json"
FORMAT = 1
REVISION = 1
"""Raised whenever the same weights would give other vectors."""


@dataclass(frozen=True, kw_only=True)
class TrainedEncoder:
    """An encoder's parts.

    Attributes:
        name: of the recipe that trained it.
        spec: of the network.
        dim: columns of its vectors.
        weights: of the backbone.
        head: of what was trained beside it; may be empty.
        tokenizer: bytes of a ``tokenizer.json``; None for pictures.
        licence: of the weights, as an SPDX expression; empty if unknown.
        about: how it was made and how good it is; for people.
    """

    name: str
    spec: Spec
    dim: int
    weights: Mapping[str, np.ndarray]
    head: Mapping[str, np.ndarray] = field(default_factory=dict)
    tokenizer: bytes | None = None
    licence: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Folder) -> None:
        """Write the folder, ``encoder.json`` last."""
        folder.make()
        folder.write_tensors(BACKBONE, self.weights)
        if self.head:
            folder.write_tensors(HEAD, self.head)
        if self.tokenizer is not None:
            folder.write_bytes(TOKENIZER, self.tokenizer)
        files = {name: _digest(folder, name) for name in (BACKBONE, TOKENIZER) if folder.exists(name)}
        facts = {"format": FORMAT, "name": self.name, "dim": self.dim, "licence": self.licence, "files": files}
        folder.write_json(ABOUT, {**facts, "spec": spec_to_json(self.spec), "about": dict(self.about)})

    @classmethod
    def load(cls, folder: Folder) -> TrainedEncoder:
        """Read a folder. Raises UserError as :func:`read_about`, or if a file is not the one that was written."""
        facts = read_about(folder)
        for name, digest in facts["files"].items():
            if not folder.exists(name) or _digest(folder, name) != digest:
                raise UserError(f"{name} is missing or damaged", where=folder.path, do="train the encoder again")
        return cls(
            name=facts["name"],
            spec=spec_from_json(facts["spec"]),
            dim=facts["dim"],
            weights=folder.read_tensors(BACKBONE),
            head=folder.read_tensors(HEAD) if folder.exists(HEAD) else {},
            tokenizer=folder.read_bytes(TOKENIZER) if TOKENIZER in facts["files"] else None,
            licence=facts["licence"],
            about=facts["about"],
        )


def read_about(folder: Folder) -> dict[str, Any]:
    """``encoder.json``. Raises UserError if there is none, or one of another format."""
    try:
        facts: dict[str, Any] = json.loads(folder.read_bytes(ABOUT))
    except (OSError, ValueError):
        raise UserError(
            "there is no trained encoder here",
            where=folder.path,
            do="name the folder that `isthmus run encode-images` or `encode-texts` exported, or their run's name",
        ) from None
    if facts.get("format") != FORMAT:
        raise UserError(f"encoder format {facts.get('format')} is not {FORMAT}", where=folder.path, do="train it again")
    return facts


def fingerprint_of(folder: Folder) -> str:
    """What decides the vectors: the spec, the digests of the weights and the tokenizer as they are now, our revision.

    The files are hashed, not believed: weights that were replaced by hand are another encoder.
    """
    facts = read_about(folder)
    files = {name: _digest(folder, name) for name in facts["files"] if folder.exists(name)}
    text = json.dumps([REVISION, facts["spec"], files], sort_keys=True)
    return f"trained@{REVISION} {hashlib.sha256(text.encode()).hexdigest()}"


def _digest(folder: Folder, name: str) -> str:
    return hashlib.sha256(folder.read_bytes(name)).hexdigest()
