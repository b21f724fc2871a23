"""One of two processes that train one SpectralNet; test_spectralnet_training is the other one. Without Ray."""

from __future__ import annotations

import sys
from datetime import timedelta

import numpy as np
import torch.distributed as dist
from gloo_session import GlooSession

from components.graphs.build import build_graph
from components.graphs.config import GraphConfig
from components.spectral.config import SpectralNetConfig
from components.spectral.spectralnet_training import fit_spectralnet

CONFIG = SpectralNetConfig(dim=3, widths=(32, 32), batch=257, epochs=2)  # odd: shares of 128 and 129 rows


def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (2.5 * np.eye(4)[rng.integers(0, 4, 400)] + 0.7 * rng.standard_normal((400, 4))).astype(np.float32)


def main(rank: int, world: int, meeting: str, out: str) -> None:
    limit = timedelta(seconds=120)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world, timeout=limit)
    points = rows()
    fit = fit_spectralnet(points, build_graph(points, GraphConfig()).weights, CONFIG, GlooSession(rank, world))
    np.savez(f"{out}.{rank}.npz", **fit.net.state()[1], losses=fit.losses)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
