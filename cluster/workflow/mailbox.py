"""The way of events from Ray workers to the driver: an actor without CPUs, emptied five times a second."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from cluster.workflow.events import Event

_MOST_EVENTS = 200_000  # a driver that does not come by must not fill the memory


class Mailbox:
    """The actor's body."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        if len(self._events) < _MOST_EVENTS:
            self._events.append(event)

    def take(self) -> list[Event]:
        """All events since the last call."""
        taken, self._events = self._events, []
        return taken

    def flush(self) -> None:
        """Returns when everything that the caller put before is in."""


class MailboxEmit:
    """``emit`` of a step on Ray. Picklable: a body may hand it to its own Data, Train and Tune workers."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __call__(self, event: Mapping[str, Any]) -> None:
        with contextlib.suppress(Exception):  # a lost event never fails a step
            self._actor.put.remote(dict(event))

    def flush(self) -> None:
        """Wait until what this process emitted has arrived."""
        import ray

        with contextlib.suppress(Exception):
            ray.get(self._actor.flush.remote(), timeout=10)
