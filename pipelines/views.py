"""The views of one side: every encoder of every text, or every column of embeddings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from components.corpora.source_config import SourceConfig
from components.corpora.sources import open_source
from components.corpora.table import view_columns
from components.encoders.registry import TRAINED, fingerprint, resolve
from components.errors import UserError
from pipelines.recipe import Source


@dataclass(frozen=True, kw_only=True)
class View:
    """One encoding step.

    Attributes:
        encoder: name of the encoder, or auto.
        column: of the shards; empty if there is only one.
        label: what a user calls the view's content: its column, or the kind of content.
        suffix: of the step's name; empty for the first view, which keeps its result when others are added.
    """

    encoder: str
    column: str
    label: str
    suffix: str


def views_of(source: Source, side: str) -> list[View]:
    """All views of a source, the texts one after another and for each text the encoders in their order.

    Raises:
        UserError: an encoder that is unknown or takes another kind of content, encoders for embeddings, a source that
            cannot be opened.
    """
    columns = _columns(source)
    encoders = _listed(source.encoder)
    if encoders != ["auto"]:
        encoders = _checked(source, encoders, side)
    found = [(encoder, *column) for column in columns.items() for encoder in encoders]
    several = len(columns) > 1
    return [
        View(
            encoder=encoder,
            column=column if several else "",
            label=label or "content",
            suffix="" if n == 0 else _suffix(label if several else "", _called(encoder) if len(encoders) > 1 else ""),
        )
        for n, (encoder, column, label) in enumerate(found)
    ]


def _columns(source: Source) -> dict[str, str]:
    """Column of the shards -> column as the user calls it; one nameless column unless the source names several."""
    for payload in ("text", "embedding"):
        names = getattr(source, payload)
        if names is not None and not isinstance(names, str):
            return view_columns(payload, names)
    return {"": ""}


def _checked(source: Source, encoders: list[str], side: str) -> list[str]:
    """The encoders, if all of them take what the source holds. Refused here, before any row is read."""
    modality = open_source(SourceConfig.of(source.source, source.columns())).modality
    where = f"{side}.encoder"
    if modality == "embedding":
        raise UserError("the source has embeddings, which no encoder takes", where=where, do="leave encoder out")
    try:
        found = [resolve(name, modality) for name in encoders]
    except UserError as error:
        raise UserError(error.what, where=where, do=error.do) from None
    if len(set(found)) < len(found):
        raise UserError(f"{' and '.join(encoders)} are the same encoder", where=where, do="name it once")
    return encoders


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _called(encoder: str) -> str:
    """A trained encoder is called by its contents, not by its place."""
    return f"trained-{fingerprint(encoder).split()[1][:12]}" if encoder.startswith(TRAINED) else encoder


def _suffix(*parts: str) -> str:
    return "".join(f"-{_slug(part)}" for part in parts if part)


def _slug(name: str) -> str:
    """The name if a step may be called so, else what is left of it and a short hash."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}".strip("-")
