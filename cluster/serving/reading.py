"""From an HTTP request to a question, or one sentence that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from cluster.serving.asking import Ask, Refused
from cluster.serving.limits import Limits
from cluster.serving.schema import EncodeOptions, EncodeRequest, SearchRequest, UploadOptions
from components.corpora.images import BadImage, picture_size
from components.model_views import Item

JSON, FORM = "application/json", "multipart/form-data"
M = TypeVar("M", bound=BaseModel)


class Reader:
    """Reads requests to one model.

    Args:
        model: as :meth:`cluster.serving.served.Served.describe` says it.
        limits: of the service.
    """

    def __init__(self, model: Mapping[str, Any], limits: Limits) -> None:
        self._sides: Mapping[str, Any] = model["sides"]
        self._letters = {side["letter"]: name for name, side in self._sides.items() if side["letter"]}
        self._limits = limits

    async def search(self, request: Request) -> Ask:
        """The question of ``POST /search``. Raises Refused."""
        if _kind(request) == FORM:
            form = await self._form(request, files=1)
            options = _checked(UploadOptions, _fields(form))
            (picture,) = await self._pictures(form, "image")
            return self._search(options, "image", picture)
        asked = _checked(SearchRequest, await request.body())
        given = [name for name in ("text", "vector", "id") if getattr(asked, name) is not None]
        if len(given) != 1:
            raise Refused(422, "give one of text, vector, id, or upload a picture as image")
        if asked.id is not None:
            return self._stored(asked, asked.id)
        if asked.vector is not None:
            return self._search(asked, "embedding", asked.vector)
        return self._search(asked, "text", self._text(asked.text or ""), asked.language)

    async def encode(self, side: str, request: Request) -> Ask:
        """The question of ``POST /encode/{side}``. Raises Refused."""
        side = self._named(side, 404)
        modality = self._sides[side]["modality"]
        if _kind(request) == FORM:
            if modality != "image":
                raise Refused(422, f"the {side} side takes {modality}s")
            form = await self._form(request, files=self._limits.items)
            to = self._compared(side, _checked(EncodeOptions, _fields(form)).to)
            return Ask(side=side, items=tuple(await self._pictures(form, "images")), to=to, search=False)
        asked = _checked(EncodeRequest, await request.body())
        if not 1 <= len(asked.items) <= self._limits.items:
            raise Refused(422, f"{len(asked.items)} items; between 1 and {self._limits.items} at once")
        if modality == "image":
            raise Refused(422, f"the {side} side takes images: upload them as multipart/form-data in the field images")
        to = self._compared(side, asked.to)
        return Ask(side=side, items=tuple(self._item(side, item) for item in asked.items), to=to, search=False)

    def _compared(self, side: str, to: str | None) -> str | None:
        """A side in two spaces has coordinates in each."""
        several = self._sides[side]["spaces"]
        if to is None and several:
            ways = " or ".join(several)
            raise Refused(422, f"the {side} side is in two spaces; say as to what it is to be compared with: {ways}")
        return None if to is None else self._named(to, 422)

    def _item(self, side: str, item: str | list[float]) -> Item:
        modality = self._sides[side]["modality"]
        if modality == "text" and isinstance(item, str):
            return self._text(item)
        if modality == "embedding" and not isinstance(item, str):
            return self._vector(side, item)
        raise Refused(422, f"the {side} side takes {modality}s")

    def _search(self, options: Any, modality: str, item: Item, language: str | None = None) -> Ask:
        side = self._side_of(options.from_, modality)
        if modality == "embedding":
            item = self._vector(side, item)
        if language is not None:
            item = self._in_language(side, str(item), language)
        return self._ask(options, side, items=(item,))

    def _stored(self, options: SearchRequest, row: str) -> Ask:
        if options.from_ is None:
            raise Refused(422, "say which side the id is of: from")
        return self._ask(options, self._named(options.from_, 422), row=row)

    def _ask(self, options: Any, side: str, **more: Any) -> Ask:
        to = self._named(options.to or self._sides[side]["opposite"], 422)
        if not 1 <= options.k <= self._limits.k:
            raise Refused(422, f"k is {options.k}; allowed: 1 to {self._limits.k}")
        return Ask(side=side, to=to, k=options.k, thumbnails=options.thumbnails, **more)

    def _named(self, name: str, status: int) -> str:
        """The side's name; a bridge's sides go by their letters too."""
        known: str = self._letters.get(name, name)
        if known not in self._sides:
            raise Refused(status, f"no side {name[:40]!r}; there are {_listed(self._sides)}")
        return known

    def _side_of(self, wanted: str | None, modality: str) -> str:
        """The side that a query is of: as asked for, else the only one of its kind."""
        if wanted is not None:
            side = self._named(wanted, 422)
            if self._sides[side]["modality"] != modality:
                raise Refused(422, f"the {side} side takes {self._sides[side]['modality']}s")
            return side
        fitting = [name for name, side in self._sides.items() if side["modality"] == modality]
        if not fitting:
            has = _listed([f"{name}: {side['modality']}s" for name, side in self._sides.items()])
            raise Refused(422, f"this model has no side of {modality}s ({has})")
        if len(fitting) > 1:
            raise Refused(422, f"the query may be of {' or '.join(fitting)}; say which: from")
        return fitting[0]

    def _text(self, text: str) -> str:
        text = text.strip()
        if not text:
            raise Refused(422, "the query is empty")
        if len(text) > self._limits.text_chars:
            raise Refused(413, f"the text has {len(text):,} characters; at most {self._limits.text_chars:,}")
        return text

    def _in_language(self, side: str, text: str, language: str) -> Item:
        columns = self._sides[side]["columns"]
        if language not in columns:
            there = f"there are {', '.join(columns)}" if columns else f"the {side} side has texts of one kind only"
            raise Refused(422, f"no texts in {language[:40]!r}; {there}")
        return {language: text}

    def _vector(self, side: str, vector: Any) -> Item:
        wanted = self._sides[side]["vector"]
        if wanted is not None and len(vector) != wanted:
            raise Refused(422, f"the vector has {len(vector)} numbers; the {side} side takes {wanted}")
        item: Item = list(vector)
        return item

    async def _form(self, request: Request, *, files: int) -> FormData:
        try:
            return await request.form(max_files=files, max_fields=8, max_part_size=4096)
        except HTTPException as error:
            raise Refused(400, f"the form cannot be read: {error.detail}") from None
        except Exception:  # whatever a broken form makes the parser raise
            raise Refused(400, "the form cannot be read") from None

    async def _pictures(self, form: FormData, field: str) -> list[bytes]:
        uploads = [value for value in form.getlist(field) if isinstance(value, UploadFile)]
        if not uploads:
            raise Refused(422, f"the form has no file in the field {field}")
        return [self._picture(await upload.read()) for upload in uploads]

    def _picture(self, data: bytes) -> bytes:
        """The bytes, if their header is that of a picture of bearable size."""
        try:
            width, height = picture_size(data)
        except BadImage:
            raise Refused(415, "the upload is no picture that can be read") from None
        if width * height > self._limits.pixels:
            raise Refused(413, f"the picture has {width} × {height} pixels; at most {self._limits.pixels:,}")
        return data


def _kind(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {JSON, FORM}:
        raise Refused(415, f"send {JSON}, or {FORM} with a picture")
    return kind


def _fields(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}"


def _checked(model: type[M], body: bytes | Mapping[str, Any]) -> M:
    try:
        return model.model_validate_json(body) if isinstance(body, bytes) else model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        raise Refused(422, f"{place}: {first['msg']}" if place else str(first["msg"])) from None
