"""Replicas of a model under Ray Serve, and the backend that asks them.

Serve's own HTTP proxy is left out: it answers 500 for a request whose replica dies while it works on it, for it cannot
know that asking twice does no harm. Here it does none, so the front door, which lives in the driver's process, asks
another replica.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.runtime import RaySession
from cluster.serving.app import Unavailable
from cluster.serving.asking import Answer, Ask, Worker
from cluster.serving.limits import Limits
from cluster.serving.served import load_served
from components.errors import UserError

APP = "isthmus"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
STATUS_S = 1.0  # an answer about health is as old as this at most
_HEALTH_EVERY_S = 1.0  # Serve looks for dead replicas this often


class Replicas:
    """Serve with one application, from :meth:`start` to :meth:`stop`.

    A local Ray is started for it and ends with it, and with this process in any case. Inside a process that is
    connected to Ray already that one is used; a cluster that others use is never looked for.

    Args:
        folder: of the model.
        home: of Ray's token.
        cache_dir: of converted encoders.
        num: replicas; each holds the model in memory.
        limits: of the service.
    """

    def __init__(self, folder: Path, *, home: Path, cache_dir: Path | None, num: int, limits: Limits) -> None:
        self._folder, self._cache_dir, self._num, self._limits = folder, cache_dir, num, limits
        self._session = RaySession(home=home)
        self._session.address = None  # whatever RAY_ADDRESS says

    def start(self) -> ServeBackend:
        """Start everything and wait until it answers. Raises UserError if it does not."""
        os.environ.setdefault("RAY_worker_niceness", "0")  # 15 by default: whoever else works here would come first
        self._session.start()
        from ray import serve

        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(proxy_location="Disabled")
        try:
            handle = serve.run(self._application(), name=APP, route_prefix=None)
        except RuntimeError as error:
            told = str(error).splitlines()[0][:300]
            raise UserError(f"the replicas did not start: {told}", where=str(self._folder)) from error
        return ServeBackend(handle, self._limits)

    def stop(self) -> None:
        """End Serve, and Ray if it was started here."""
        from ray import serve

        serve.shutdown()  # type: ignore[no-untyped-call]
        self._session.stop()

    def _application(self) -> Any:
        from ray import serve

        limits = self._limits

        class Replica:
            """One copy of the model. A batch is worked on at a time; what comes meanwhile makes the next one."""

            def __init__(self, folder: str, cache_dir: str | None) -> None:
                model = load_served(Path(folder), Path(cache_dir) if cache_dir else None)
                model.prepare()
                self._worker = Worker(model)

            @serve.batch(max_batch_size=limits.batch, batch_wait_timeout_s=0.0)
            async def ask(self, asks: list[Ask]) -> list[Answer]:
                return self._worker.answer(asks)

        deployment = serve.deployment(
            name="Replica",
            num_replicas=self._num,
            max_ongoing_requests=limits.pending,
            max_constructor_retry_count=1,
            health_check_period_s=_HEALTH_EVERY_S,
            graceful_shutdown_timeout_s=1.0,
            ray_actor_options={"num_cpus": 0, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}}},
            logging_config={"enable_access_log": False, "log_level": "WARNING"},
        )(Replica)
        return deployment.bind(str(self._folder), str(self._cache_dir) if self._cache_dir else None)


class ServeBackend:
    """Asks the replicas; a question whose replica died is asked again."""

    def __init__(self, handle: Any, limits: Limits) -> None:
        self._handle, self._limits = handle, limits
        self._status: tuple[float, dict[str, Any]] = (0.0, {})
        self.asked_again = 0

    async def ask(self, ask: Ask) -> Answer:
        """See :class:`cluster.serving.app.Backend`."""
        try:
            return await asyncio.wait_for(self._ask(ask), self._limits.answer_s)
        except TimeoutError:
            raise Unavailable(f"no answer within {self._limits.answer_s:.0f} seconds; try again") from None

    async def _ask(self, ask: Ask) -> Answer:
        from ray.exceptions import RayActorError
        from ray.serve.exceptions import ReplicaUnavailableError

        pause = FIRST_PAUSE_S
        while True:
            try:
                answer: Answer = await self._handle.ask.remote(ask)
                return answer
            except (RayActorError, ReplicaUnavailableError):
                self.asked_again += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def health(self) -> Mapping[str, Any]:
        """Replicas that run, as Serve's controller counts them, and questions that had to be asked again."""
        at, known = self._status
        if time.monotonic() - at > STATUS_S:
            known = await asyncio.to_thread(_replica_states)
            self._status = (time.monotonic(), known)
        running = known.get("RUNNING", 0)
        return {"ready": running > 0, "replicas": running, "asked_again": self.asked_again}


def _replica_states() -> dict[str, Any]:
    from ray import serve

    apps = serve.status().applications
    deployments = apps[APP].deployments.values() if APP in apps else ()
    return {str(state): count for d in deployments for state, count in d.replica_states.items()}
