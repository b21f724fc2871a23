"""Requests and answers as they stand in the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Vector = Annotated[list[FiniteFloat], Field(max_length=65_536)]


class _Options(BaseModel):
    """What a search may say besides its query."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: str | None = Field(None, alias="from", description="Side of the query [the one of its kind].")
    to: str | None = Field(None, description="Side to search [the other one].")
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
    matches: list[Match]


class EncodeRequest(BaseModel):
    """Texts, or vectors for a side that was given as embeddings; pictures come as multipart/form-data instead."""

    model_config = ConfigDict(extra="forbid")

    items: list[str] | list[Vector]


class EncodeAnswer(BaseModel):
    side: str
    coordinates: list[list[float]]


class Problem(BaseModel):
    error: str = Field(description="One sentence.")


def picture_form(field: str, options: type[BaseModel] | None = None) -> dict[str, Any]:
    """OpenAPI schema of a form with pictures in ``field`` (several for ``/encode``)."""
    file = {"type": "string", "format": "binary"}
    several = {"type": "array", "items": file} if options is None else file
    properties = options.model_json_schema()["properties"] if options else {}
    return {"type": "object", "required": [field], "properties": {field: several, **properties}}
