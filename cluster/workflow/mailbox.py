"""The way of events from Ray workers to the driver: an actor without CPUs, emptied five times a second."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from cluster.workflow.events import Event

_MOST_EVENTS = 200_000  # a driver that does not come by must not fill the memory
_WAIT_S, _FLUSH_S = 10.0, 60.0


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
            ray.get(self._actor.flush.remote(), timeout=_FLUSH_S)


class Inbox:
    """The driver's end. The actor is on our own node: it then lives as long as we do.

    What it holds when it dies is lost, and nobody's work hangs on it.
    """

    def __init__(self) -> None:
        self.actor = _start_here()
        self._asked: Any = None

    def emit(self) -> MailboxEmit:
        """``emit`` for a worker."""
        return MailboxEmit(self.actor)

    def take(self, wait_s: float = _WAIT_S) -> list[Event] | None:
        """What has arrived since the last call; None: no answer within the time, and the next call waits for it."""
        import ray

        asked, self._asked = self._asked or self.actor.take.remote(), None
        try:
            return list(ray.get(asked, timeout=wait_s))
        except ray.exceptions.GetTimeoutError:  # a busy machine: asked anew, what this one brings would be lost
            self._asked = asked
            return None
        except Exception:  # its node died; Ray starts it again
            return []

    def close(self) -> None:
        """End the actor."""
        import ray

        with contextlib.suppress(Exception):
            ray.kill(self.actor)


def _start_here() -> Any:
    """The actor, on the node of this process.

    A soft affinity is not enough: an actor without CPUs is placed by any node, and one that has just joined does not
    know ours yet.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    body = ray.remote(num_cpus=0, max_restarts=-1)(Mailbox)
    if sum(node["Alive"] for node in ray.nodes()) == 1:  # type: ignore[no-untyped-call]
        return body.remote()
    here = ray.get_runtime_context().get_node_id()
    for soft in (False, False, False, True):
        strategy: Any = NodeAffinitySchedulingStrategy(here, soft=soft)
        actor: Any = body.options(scheduling_strategy=strategy).remote()
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(actor.flush.remote(), timeout=_FLUSH_S)
            break
    return actor
