"""The HTTP side of a Ray cluster: which token to send, whether somebody answers, and what is wrong if not."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from components.errors import UserError

TIMEOUT_S = 10.0
_REFUSED = (401, 403)
_WHERE_TOKENS_ARE = "give the cluster's token in the file that RAY_AUTH_TOKEN_PATH names"
# the token goes to the named cluster only: to no proxy, and not on to where the answer points
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(address: str, path: str, token: str | None) -> bytes:
    """The body of a GET. Raises what urllib raises."""
    request = urllib.request.Request(address + path)  # noqa: S310  # http(s) only, see checked_address
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    with _opener.open(request, timeout=TIMEOUT_S) as answer:
        return bytes(answer.read())


def answers(address: str, token: str | None) -> bool:
    """Whether the Jobs API is up."""
    try:
        get(address, "/api/jobs/", token)
    except (OSError, ValueError):
        return False
    return True


def checked_address(address: str) -> str:
    """The address without a slash at its end. Raises UserError for what is no http(s) address, or holds a password."""
    parts = urlsplit(address)
    try:
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UserError(f"{address!r} is no address of Ray's Jobs API", do="use http://HOST:PORT (Ray's port is 8265)")
    if parts.username or parts.password:
        raise UserError("the address holds a user or a password", do=_WHERE_TOKENS_ARE)
    return address.rstrip("/")


def token_of_user() -> str | None:
    """The user's token, from where Ray itself looks for it."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def check_cluster(address: str, token: str | None) -> None:
    """Whether the cluster answers, takes the token, and runs our version of Ray.

    Raises:
        UserError: it does not; the sentence names the address, and both versions if they differ.
    """
    try:
        get(address, "/api/jobs/", token)  # anybody may ask for the version
        found = str(json.loads(get(address, "/api/version", token))["ray_version"])
    except urllib.error.HTTPError as exc:
        raise _refused(address, exc.code, token) from None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        reason = getattr(exc, "reason", None) or exc
        told = reason.strerror or str(reason) if isinstance(reason, OSError) else "what answers there is not Ray"
        do = "check the address, and that the cluster runs (`isthmus cluster up --local` starts one here)"
        raise UserError(f"no Ray cluster answers ({told})", where=address, do=do) from None
    if found != (ours := version("ray")):
        do = f"install ray=={found} here, or ray=={ours} on the cluster"
        raise UserError(f"the cluster runs Ray {found}, this is Ray {ours}", where=address, do=do)


def _refused(address: str, code: int, token: str | None) -> UserError:
    if code in _REFUSED:
        told = "the cluster does not take this token" if token else "the cluster asks for a token"
        return UserError(f"{told} (HTTP {code})", where=address, do=_WHERE_TOKENS_ARE)
    return UserError(
        f"the Jobs API answers with HTTP {code}", where=address, do="is it the address of Ray's dashboard?"
    )
