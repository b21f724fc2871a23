"""Secrets never reach a record: passwords in URIs, tokens, keys, and values of secret environment variables.

Redaction happens before a record is written to the outbox, so nothing secret lies on disk either.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MASK = "***"

# Key names are judged by their last word, so that "max_tokens" or "token_count" stay readable.
_SECRET_KEY = re.compile(
    r"(?:^|[._\-/ ])(?:[a-z0-9]*[_-]?)?(?:token|passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key(?:[_-]?id)?"
    r"|private[_-]?key|secret[_-]?key|credentials?|authorization)$",
    re.IGNORECASE,
)
_IN_TEXT = (
    (re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.\-]*://)[^\s/@]+@"), rf"\1{MASK}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=\-]{8,}"), rf"\1 {MASK}"),
    (
        re.compile(
            r"(?i)\b([a-z_\-]*(?:token|passw(?:or)?d|secret|api[_-]?key|access[_-]?key|signature|\bsig))"
            r"(\"?\s*[=:]\s*\"?'?)(?!\d+\b)[^\s\"'&,;*]{4,}"
        ),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), MASK),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|sk-|xox[abprs]-)[A-Za-z0-9_\-]{10,}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"), MASK),
)


def is_secret_key(key: str) -> bool:
    """True if a parameter of this (dotted) name holds a secret, e.g. ``store.secret_key``."""
    return bool(_SECRET_KEY.search(key))


def redact_text(text: str) -> str:
    """The text with everything that looks like a credential replaced by ``***``."""
    if len(text) < 8:  # numbers, names of methods: most of a configuration
        return text
    for secret in _secret_environment(int(time.monotonic())):
        text = text.replace(secret, MASK)
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: Any, key: str = "") -> Any:
    """A JSON value with redacted strings; values under secret keys are replaced whole."""
    if key and is_secret_key(key) and value is not None and not isinstance(value, Mapping | bool):
        return MASK
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(k): redact_value(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(v) for v in value]
    return value


@lru_cache(maxsize=1)
def _secret_environment(second: int) -> list[str]:
    """Values of secret variables, longest first, read once a second; short ones would mask ordinary words."""
    values = {v for k, v in os.environ.items() if is_secret_key(k) and len(v) >= 8 and not v.startswith("/")}
    return sorted(values, key=len, reverse=True)
