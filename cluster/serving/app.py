"""The HTTP application, by itself: it runs on any backend, so it can be tested without Ray or a socket."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Protocol

from fastapi import FastAPI, Path
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cluster.serving.asking import Answer, Ask, Refused
from cluster.serving.gate import Gate
from cluster.serving.limits import Limits
from cluster.serving.reading import FORM, JSON, Reader
from cluster.serving.schema import (
    EncodeAnswer,
    EncodeOptions,
    EncodeRequest,
    Problem,
    SearchAnswer,
    SearchRequest,
    UploadOptions,
    json_body,
    picture_form,
)

HOSTS = ["127.0.0.1", "localhost", "[::1]"]  # no page of another host can reach us through a name of its own
PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 404, 408, 413, 415, 422, 500, 503)
}


class Unavailable(Exception):
    """No answer in time, though the question is fine."""


class Backend(Protocol):
    """Whoever answers."""

    async def ask(self, ask: Ask) -> Answer:
        """Raises Unavailable."""
        ...

    async def health(self) -> Mapping[str, Any]:
        """``ready`` and whatever else is worth knowing."""
        ...


def make_app(backend: Backend, model: Mapping[str, Any], limits: Limits | None = None) -> FastAPI:
    """The application for a model that says of itself ``model`` (:meth:`cluster.serving.served.Served.describe`)."""
    limits = limits or Limits()
    app = FastAPI(
        title="Isthmus",
        description=f"Search in the shared space of {model['name'] or 'two corpora'}.",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(Gate, limits=limits)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    _add_handlers(app, limits)
    _add_routes(app, backend, model, Reader(model, limits))
    _add_page(app)
    return app


def _add_routes(app: FastAPI, backend: Backend, model: Mapping[str, Any], reader: Reader) -> None:
    sides = list(model["sides"])
    one_of = Path(json_schema_extra={"enum": sides})
    searched = {
        JSON: json_body(SearchRequest, sides),
        FORM: picture_form("image", UploadOptions, sides, several=False),
    }
    encoded = {
        JSON: json_body(EncodeRequest, sides),
        FORM: picture_form("images", EncodeOptions, sides, several=True),
    }

    @app.post("/search", response_model=SearchAnswer, responses=PROBLEMS, openapi_extra=_body(searched))
    async def search(request: Request) -> Any:
        """The rows of one side that are closest to a text, a vector, a picture or a row of another side."""
        ask = await reader.search(request)
        answer = _good(await backend.ask(ask))
        return JSONResponse({"from": ask.side, "to": ask.to, **(answer.found or {})})

    @app.post("/encode/{side}", response_model=EncodeAnswer, responses=PROBLEMS, openapi_extra=_body(encoded))
    async def encode(request: Request, side: str = one_of) -> Any:
        """Coordinates of items of a side in the space that it shares with others."""
        ask = await reader.encode(side, request)
        answer = _good(await backend.ask(ask))
        return JSONResponse({"side": ask.side, "coordinates": answer.coordinates})

    @app.get("/healthz", responses={503: {"description": "Nobody answers now."}})
    async def healthz() -> JSONResponse:
        """Whether questions are answered, by which model, and the recall and memory of its indexes."""
        health = dict(await backend.health())
        return JSONResponse({**health, "model": model}, status_code=200 if health.get("ready") else 503)


def _body(content: Mapping[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {kind: {"schema": s} for kind, s in content.items()}}}


def _good(answer: Answer) -> Answer:
    if answer.refused:
        raise Refused(answer.refused, answer.told)
    return answer


def _add_handlers(app: FastAPI, limits: Limits) -> None:
    """Every problem is one sentence; what we did not foresee goes to the log under a number."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"error": error.told}, status_code=error.status)

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, error: Unavailable) -> JSONResponse:
        headers = {"Retry-After": str(limits.retry_after_s)}
        return JSONResponse({"error": str(error)}, status_code=503, headers=headers)

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        number = uuid.uuid4().hex[:8]
        logging.getLogger("isthmus.serving").error("problem %s at %s", number, request.url.path, exc_info=error)
        return JSONResponse({"error": f"something went wrong here; the log has it as {number}"}, status_code=500)


def _add_page(app: FastAPI) -> None:
    """Three files of the package by fixed names: nothing in a request becomes a path."""
    folder = files("cluster.serving") / "page"
    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _static((folder / name).read_bytes(), kind), include_in_schema=False)


def _static(content: bytes, kind: str) -> Any:
    async def page() -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

    return page
