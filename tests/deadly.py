"""An ``emit`` that kills the worker it runs in: what a training does when it loses one."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Deadly:
    """Notes every epoch in ``folder/epochs``; kills its own process after epoch ``after``, once."""

    def __init__(self, folder: Path, after: int = 2) -> None:
        self.folder, self.after = folder, after

    def __call__(self, event: Mapping[str, Any]) -> None:
        if event["kind"] != "progress":
            return
        with (self.folder / "epochs").open("a") as log:
            log.write(f"{event['done']} ")
        if event["done"] == self.after and not (self.folder / "killed").exists():
            (self.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    @property
    def epochs(self) -> list[int]:
        """Those that were finished, in order."""
        return [int(text) for text in (self.folder / "epochs").read_text().split()]


def send_by_value() -> None:
    """Ray's workers do not see the tests: they get :class:`Deadly` itself instead of its name."""
    import sys

    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
