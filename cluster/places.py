"""On which machine this process is: recorded, so that it can be seen how work was spread; never hashed."""

from __future__ import annotations

import platform
import sys


def here() -> str:
    """Id of the Ray node, or the host's name outside Ray."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return str(ray.get_runtime_context().get_node_id())
    return platform.node()
