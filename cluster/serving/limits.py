"""How much a client may ask for, and how much may wait."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of the service.

    Attributes:
        body_bytes: of a request.
        pixels: of a picture, looked up in its header before it is decoded.
        text_chars: of a query.
        k: matches of a search.
        items: of one call of ``/encode``.
        pending: requests that are being read, wait or are worked on; the next one gets 503 and ``Retry-After``.
        body_s: seconds to send a request.
        answer_s: seconds until a request without an answer gets 503.
        retry_after_s: what ``Retry-After`` says.
        batch: requests that a replica encodes at once.
    """

    body_bytes: int = 8 << 20
    pixels: int = 25_000_000
    text_chars: int = 2000
    k: int = 100
    items: int = 64
    pending: int = 128
    body_s: float = 10.0
    answer_s: float = 30.0
    retry_after_s: int = 1
    batch: int = 8
