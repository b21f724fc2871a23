"""One worker of a gloo group: a training step of every objective on its share of a global batch; saves what came out.

Arguments: rank, world, rendezvous file, output file, rows of the global batch.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import torch
import torch.distributed as dist
from batches import CLASSES, DIM, criterion
from gloo_session import GlooSession
from torch import nn

from components.objectives.protocol import GlobalBatch, Scored
from components.objectives.registry import OBJECTIVES
from components.pretraining.gradients import share_out, step_gradients
from components.training import gather, own_columns

INPUTS = 12


def step(name: str, rows: int, session: GlooSession) -> dict[str, np.ndarray]:
    """Loss, gradients of the encoder's and of the criterion's parameters."""
    generator = torch.Generator().manual_seed(5)
    views = torch.randn(2, rows, INPUTS, generator=generator)
    plan = torch.rand(rows, rows, generator=generator) * (torch.rand(rows, 1, generator=generator) > 0.2)
    made = criterion(name).float()
    encoder = nn.Linear(INPUTS, CLASSES if OBJECTIVES[name].classifies else DIM)
    columns = own_columns(rows, session)
    mine = views[:, columns.start : columns.stop]
    with torch.no_grad():
        target = gather(encoder(mine) + 1, columns, rows, session)
    batch = GlobalBatch(z=target, target=target, classes=torch.arange(rows) % CLASSES, seed=1)
    if name == "target-plan":
        batch = replace(batch, plan=plan)

    def score(z: torch.Tensor) -> Scored:
        return made(replace(batch, z=z))

    scored = step_gradients(encoder, [mine.flatten(0, 1)], score, views=2, columns=columns, total=rows, session=session)
    parameters = [*encoder.parameters(), *made.parameters()]
    share_out(parameters, session)
    gradients = {f"{name}.{n}": p.grad.numpy() for n, p in enumerate(parameters) if p.grad is not None}
    return {f"{name}.loss": scored.loss.detach().numpy(), **gradients}


def main(rank: int, world: int, meeting: str, output: str, rows: int) -> None:
    torch.set_num_threads(1)
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    session = GlooSession(rank, world)
    found = [step(name, rows, session) for name in OBJECTIVES]
    np.savez(output, **{key: value for part in found for key, value in part.items()})
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
