"""How the workers of Ray Train reach each other: nccl where each of them has a GPU of its own, else gloo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from ray.train.torch import TorchConfig


@dataclass
class ByDevice(TorchConfig):
    """As Ray's own, which takes nccl whenever GPUs are asked for: that fails for two workers on one GPU, and on nodes
    whose torch does not see the GPU that Ray counts."""

    @property
    def backend_cls(self) -> Any:
        return _Backend


class _Backend(TorchConfig().backend_cls):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        own = worker_group.get_resources_per_worker().get("GPU", 0) >= 1
        nccl = own and all(worker_group.execute(torch.cuda.is_available))
        super().on_start(worker_group, replace(backend_config, backend="nccl" if nccl else "gloo"))
