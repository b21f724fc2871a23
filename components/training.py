"""What a training loop needs from where it runs, so that loops stay free of Ray and of process groups.

A loop is given a :class:`Session`: :class:`LocalSession` is one process, :mod:`cluster.training` has the other one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from components.files import Folder
from components.transforms import below

Report = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Checkpoint:
    """All that a loop needs to go on after ``epoch``: named arrays and JSON facts."""

    epoch: int
    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Session(Protocol):
    """Where a loop runs: which share of each global batch is its own, and how workers agree."""

    @property
    def rank(self) -> int: ...
    @property
    def world(self) -> int: ...
    @property
    def device(self) -> torch.device: ...

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """Average over the workers; every worker gets it."""
        ...

    def resume(self) -> Checkpoint | None:
        """The newest complete checkpoint of this run, if there is one."""
        ...

    def save(self, checkpoint: Checkpoint, metrics: Mapping[str, float]) -> None:
        """Called by every worker once after every epoch: keeps the checkpoint and publishes the metrics."""
        ...


class Resumable(Protocol):
    """A training that advances by epochs, each of which ends with :meth:`Session.save`."""

    @property
    def finished(self) -> bool: ...
    def run_epoch(self) -> None: ...
    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        ...


def run_to_end(training: Resumable, session: Session) -> None:
    """All epochs that are left after the session's newest checkpoint."""
    found = session.resume()
    if found:
        training.restore(found)
    while not training.finished:
        training.run_epoch()


class LocalSession:
    """One process. ``folder`` keeps checkpoints (none if it is not given), ``report`` is told each epoch's metrics."""

    rank, world = 0, 1

    def __init__(self, folder: Folder | None = None, report: Report | None = None) -> None:
        self.device = torch.device("cpu")
        self._store = None if folder is None else CheckpointStore(folder)
        self._report = report

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def resume(self) -> Checkpoint | None:
        return self._store.newest() if self._store else None

    def save(self, checkpoint: Checkpoint, metrics: Mapping[str, float]) -> None:
        if self._store:
            self._store.write(checkpoint)
        if self._report:
            self._report(checkpoint.epoch, metrics)


class CheckpointStore:
    """Checkpoints in a folder of any filesystem: ``epoch-000003.safetensors`` and, written last, ``epoch-000003.json``.

    The JSON file holds the other one's digest: a checkpoint that was cut off while it was written does not count.
    """

    def __init__(self, folder: Folder, *, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep

    def write(self, checkpoint: Checkpoint) -> None:
        """Keep this checkpoint, and of the older ones only the newest; orphans of killed workers are removed."""
        name = _name(checkpoint.epoch)
        self.folder.make()
        self.folder.write_tensors(f"{name}.safetensors", checkpoint.arrays)
        digest = hashlib.sha256(self.folder.read_bytes(f"{name}.safetensors")).hexdigest()
        self.folder.write_json(f"{name}.json", {"sha256": digest, "facts": dict(checkpoint.facts)})
        self._sweep(name)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that is complete."""
        for name in reversed(self._names()):
            found = self._read(name)
            if found is not None:
                return found
        return None

    def at(self, epoch: int) -> Checkpoint | None:
        """The checkpoint of one epoch, if it is complete."""
        return self._read(_name(epoch))

    def _read(self, name: str) -> Checkpoint | None:
        from safetensors.numpy import load

        try:
            head = json.loads(self.folder.read_bytes(f"{name}.json"))
            data = self.folder.read_bytes(f"{name}.safetensors")
        except (OSError, ValueError):
            return None
        if hashlib.sha256(data).hexdigest() != head.get("sha256"):
            return None
        return Checkpoint(int(name.rsplit("-", 1)[1]), load(data), head["facts"])

    def _names(self) -> list[str]:
        return sorted({f.name.split(".")[0] for f in self.folder.files("epoch-")})

    def _sweep(self, newest: str) -> None:
        older = [n for n in self._names() if n < newest]
        ahead = [n for n in self._names() if n > newest]  # of an attempt that had got farther but was not complete
        for name in older[: max(0, len(older) - self.keep + 1)] + ahead:
            for suffix in ("json", "safetensors"):
                if self.folder.exists(f"{name}.{suffix}"):
                    self.folder.fs.delete_file(f"{self.folder.path}/{name}.{suffix}")


def _name(epoch: int) -> str:
    return f"epoch-{epoch:06d}"


def arrays_of(module: nn.Module, prefix: str = "") -> dict[str, np.ndarray]:
    """Parameters and buffers, by their names behind ``prefix``."""
    return {f"{prefix}{name}": value.detach().cpu().numpy().copy() for name, value in module.state_dict().items()}


def load_arrays(module: nn.Module, arrays: Mapping[str, np.ndarray], prefix: str = "") -> None:
    """The inverse of :func:`arrays_of`; arrays with other names are passed over."""
    module.load_state_dict({n: torch.from_numpy(v.copy()) for n, v in below(arrays, prefix).items()})


def pack(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """Parameters and the optimizer's moments as named arrays."""
    arrays = arrays_of(module, "model.")
    for number, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            arrays[f"optimizer.{number}.{name}"] = torch.as_tensor(value).detach().cpu().numpy().copy()
    return arrays


def unpack(arrays: Mapping[str, np.ndarray], module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """The inverse of :func:`pack`; the learning rate stays as it is."""
    load_arrays(module, arrays, "model.")
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in arrays.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            state.setdefault(int(number), {})[key] = torch.from_numpy(value.copy())
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def mean_gradients(parameters: Sequence[torch.Tensor], session: Session) -> None:
    """Replace every gradient by its average over the workers, in one message."""
    if session.world == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = session.mean(torch.cat([g.reshape(-1) for g in gradients]))
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def share(rows: np.ndarray, session: Session) -> np.ndarray:
    """This worker's contiguous part of a global batch; the parts of all workers are the batch."""
    edges = np.linspace(0, len(rows), session.world + 1).round().astype(int)
    return rows[edges[session.rank] : edges[session.rank + 1]]


def gather(own: torch.Tensor, columns: range, total: int, session: Session) -> torch.Tensor:
    """Outputs of all workers [V, B, K]: this one's [V, n, K] with its gradient at ``columns``, the others' constant."""
    if session.world == 1:
        return own
    with torch.no_grad():
        everything = own.new_zeros(own.shape[0], total, own.shape[2])
        everything[:, columns.start : columns.stop] = own
        everything = session.mean(everything) * session.world
    return torch.cat([everything[:, : columns.start], own, everything[:, columns.stop :]], dim=1)


def own_columns(total: int, session: Session) -> range:
    """Which rows of a global batch of ``total`` are this worker's."""
    mine = share(np.arange(total), session)
    return range(int(mine[0]), int(mine[-1]) + 1) if len(mine) else range(0)
