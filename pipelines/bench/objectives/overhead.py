"""What a training step costs more inside Ray Train than in a plain loop: processor time of the same work.

Both train the same network on the same batches with a checkpoint after every epoch. A plain run goes before and after
the one on Ray.
Ray asks its workers how they are by the clock, so on a machine that is busy with other work the share is larger.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cluster.runtime import RaySession
from cluster.training import train
from cluster.workflow.step import StepContext
from components.files import Folder
from components.objectives.protocol import GlobalBatch
from components.objectives.registry import make_objective
from components.training import Checkpoint, Session, mean_gradients, pack

LOOP = "pipelines.bench.objectives.overhead:loop"
RESULT = "seconds.json"
ROWS, COLUMNS, HIDDEN, OUTPUTS = 512, 256, 1024, 128


def loop(session: Session, work: Folder, config: Mapping[str, Any]) -> None:
    """GCA-INCE steps of a perceptron; leaves the seconds of a step (all epochs but the first, saving included)."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = (nn.Linear(COLUMNS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUTPUTS))
    net = nn.Sequential(*layers)
    criterion = make_objective("gca-ince").build(dim=OUTPUTS)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    rows = torch.randn(2, ROWS, COLUMNS)
    cpu = wall = 0.0
    for epoch in range(config["epochs"]):
        if epoch == 1:
            cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(config["steps"]):
            optimizer.zero_grad()
            loss = criterion(GlobalBatch(z=net(rows.flatten(0, 1)).view(2, ROWS, -1))).loss
            loss.backward()
            mean_gradients(list(net.parameters()), session)
            optimizer.step()
        session.save(Checkpoint(epoch + 1, pack(net, optimizer)), {"loss": float(loss.detach())})
    count = config["steps"] * (config["epochs"] - 1)
    seconds = {"cpu": (time.process_time() - cpu) / count, "wall": (time.perf_counter() - wall) / count}
    if session.rank == 0:
        work.make().write_json(RESULT, seconds)


def measure_overhead(*, quick: bool) -> dict[str, float]:
    """``train_overhead``: share of processor time that a step takes more on Ray Train (0.1 = 10 %)."""
    config = {"steps": 20, "epochs": 4 if quick else 8}
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as scratch:
        root = Path(scratch)
        plain = [_seconds("local", root / "before", config)]
        with RaySession(home=root):
            ray = _seconds("ray", root / "ray", config)
        plain.append(_seconds("local", root / "after", config))
    base = {kind: (plain[0][kind] + plain[1][kind]) / 2 for kind in ("cpu", "wall")}
    return {
        "train_overhead": ray["cpu"] / base["cpu"] - 1,
        "train_overhead_wall": ray["wall"] / base["wall"] - 1,
        "step_milliseconds": 1000 * base["cpu"],
    }


def _seconds(engine: str, folder: Path, config: Mapping[str, Any]) -> dict[str, float]:
    root = Folder.at(str(folder)).make()
    ctx = StepContext(
        name="overhead",
        key="0" * 16,
        inputs={},
        config=config,
        locations={},
        options={"engine": engine, "workers": 1},
        out=root.sub("out").make(),
        work=root.sub("work").make(),
        emit=_quiet,
    )
    threads = torch.get_num_threads()
    train(LOOP, ctx, config)
    torch.set_num_threads(threads)
    found: dict[str, float] = ctx.work.read_json(RESULT)
    return found


def _quiet(event: Mapping[str, Any]) -> None:
    """Epochs are reported to nobody, as in a plain loop."""
