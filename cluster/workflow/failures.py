"""From an exception to the one sentence that the user reads first. The traceback goes into the log."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from components.errors import UserError

_LONGEST = 600
_STORAGE = {
    errno.ENOSPC: ("the disk is full", "free some space and run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run the same command again"),
    errno.EFBIG: (
        "a file grew beyond the size that this system allows",
        "raise the limit and run the same command again",
    ),
    errno.EROFS: ("the file system is read-only", "choose another home, or mount it for writing"),
    errno.EACCES: ("permission denied", "choose another home, or ask for the right to write"),
    errno.EPERM: ("operation not permitted", "choose another home, or ask for the right to write"),
}


@contextlib.contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Turns what a full or read-only disk raises into a UserError that names the place."""
    try:
        yield
    except OSError as exc:
        told = storage_sentence(exc)
        if told is None:
            raise
        raise UserError(told[0], where=str(exc.filename or where), do=told[1]) from exc


def storage_sentence(exc: BaseException) -> tuple[str, str] | None:
    """(what, what to do) for an OSError that means "cannot write here", else None."""
    return _STORAGE.get(exc.errno or 0) if isinstance(exc, OSError) else None


def sentence(exc: BaseException) -> str:
    """One line with the root cause: a UserError's own text, a full disk in words, else ``Type: message``.

    Follows ``__cause__``, Ray's ``cause`` (RayTaskError) and Ray Train's ``worker_failures``: a failed worker of a
    failed trial of a step says what went wrong, not that something did. Ray's wrappers are never named if there is
    anything below them.
    """
    chain = list(causes(exc))
    chain = [e for e in chain if not _is_wrapper(e)] or chain[-1:]
    user = next((e for e in chain if isinstance(e, UserError)), None)
    if user is not None:
        return _one_line(str(user))
    outer, inner = chain[0], chain[-1]
    told = storage_sentence(inner)
    if told is not None:
        place = getattr(inner, "filename", None)
        return _one_line(f"{place}: {told[0]}; {told[1]}" if place else f"{told[0]}; {told[1]}")
    return _typed(inner) if inner is outer else f"{_typed(outer)} (because of {_typed(inner)})"


def _typed(exc: BaseException) -> str:
    text = _one_line(str(exc))
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def _is_wrapper(exc: BaseException) -> bool:
    return any(base.__module__.partition(".")[0] == "ray" for base in type(exc).__mro__)


def causes(exc: BaseException) -> Iterator[BaseException]:
    """An exception and what lies behind it, nearest first; of several failed workers the first."""
    seen: set[int] = set()
    todo: list[object] = [exc]
    while todo:
        current = todo.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        workers = getattr(current, "worker_failures", None)
        todo += [current.__cause__, getattr(current, "cause", None)]
        todo += list(workers.values())[:1] if isinstance(workers, dict) else []


def _one_line(text: str) -> str:
    """The last line of a text that holds a traceback, else all of it on one line, cut to 600 characters."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    whole = lines[-1] if any(line.startswith("Traceback (most recent") for line in lines) else " ".join(lines)
    return whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1] + "…"
