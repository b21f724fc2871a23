"""Requests and answers as they stand in the OpenAPI description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Vector = Annotated[list[FiniteFloat], Field(max_length=65_536)]


class _Options(BaseModel):
    """What a search may say besides its query."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: str | None = Field(None, alias="from", description="Side of the query [the only one of its kind].")
    to: str | None = Field(None, description="Side to search [its opposite].")
    k: int = Field(10, description="Matches wanted.")
    thumbnails: bool = Field(False, description="Send small pictures along, as data URIs.")


class SearchRequest(_Options):
    """One of ``text``, ``vector`` or ``id`` is the query; a picture comes as multipart/form-data instead."""

    text: str | None = Field(None, description="A text.")
    language: str | None = Field(None, description="Which of a side's several columns of texts it is [all of them].")
    vector: Vector | None = Field(None, description="For a side that was given as embeddings.")
    id: str | None = Field(None, description="A row of the model.")


class UploadOptions(_Options):
    """Fields beside the picture."""


class Match(BaseModel):
    """See ``components.model.Match``."""

    id: str
    title: str
    score: float
    confidence: float | None = Field(description="Probability that it is the query's own partner, if it has one here.")
    mutual: bool | None = Field(description="No other row of the query's side is closer to it.")
    paired: bool = Field(description="It has its partner already: one of the known pairs.")
    thumbnail: str | None = None


class SearchAnswer(BaseModel):
    from_: str = Field(alias="from")
    to: str
    meaning: str = Field(description="What the scores are.")
    ess: float | None = Field(description="Items of a bridge that the best match rests on; null without one.")
    warnings: list[str]
    matches: list[Match] = Field(description="Best first.")


class EncodeOptions(BaseModel):
    """Fields beside the pictures."""

    model_config = ConfigDict(extra="forbid")

    to: str | None = Field(None, description="Side to compare with; needed of the middle of a bridge of two spaces.")


class EncodeRequest(EncodeOptions):
    """Texts, or vectors for a side that was given as embeddings; pictures come as multipart/form-data instead."""

    items: list[str] | list[Vector]


class EncodeAnswer(BaseModel):
    side: str
    coordinates: list[list[float]]


class Problem(BaseModel):
    error: str = Field(description="One sentence.")


def json_body(request: type[BaseModel], sides: Sequence[str]) -> dict[str, Any]:
    """OpenAPI schema of a JSON body for a model with these sides."""
    return _with_sides(request.model_json_schema(), sides)


def picture_form(field: str, options: type[BaseModel], sides: Sequence[str], *, several: bool) -> dict[str, Any]:
    """OpenAPI schema of a form with one or several pictures in ``field``."""
    file = {"type": "string", "format": "binary"}
    schema = json_body(options, sides)
    properties = {field: {"type": "array", "items": file} if several else file, **schema["properties"]}
    return {**schema, "required": [field], "properties": properties}


def _with_sides(schema: dict[str, Any], sides: Sequence[str]) -> dict[str, Any]:
    """``from`` and ``to`` with the names that there are."""
    known = [{"type": "string", "enum": list(sides)}, {"type": "null"}]
    chosen = {n: {**schema["properties"][n], "anyOf": known} for n in ("from", "to") if n in schema["properties"]}
    return {**schema, "properties": {**schema["properties"], **chosen}}
