"""The model in this process: for tests, for a debugger, and for machines without Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cluster.serving.asking import Answer, Ask, Worker
from cluster.serving.served import Served


class LocalBackend:
    """One thread answers one question after the other."""

    def __init__(self, model: Served) -> None:
        self._worker = Worker(model)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="isthmus-serving")

    async def ask(self, ask: Ask) -> Answer:
        """See :class:`cluster.serving.app.Backend`."""
        (answer,) = await asyncio.get_running_loop().run_in_executor(self._thread, self._worker.answer, [ask])
        return answer

    async def health(self) -> Mapping[str, Any]:
        """Always ready."""
        return {"ready": True, "replicas": 1}
