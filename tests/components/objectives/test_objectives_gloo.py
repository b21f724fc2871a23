"""One worker with 2B rows and two with B: the same loss and the same gradients, over a real process group."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.objectives.registry import OBJECTIVES

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def run(folder: Path, world: int, rows: int) -> list[dict[str, np.ndarray]]:
    """What each of ``world`` workers saved."""
    outputs = [folder / f"{world}-{rank}-{rows}.npz" for rank in range(world)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(HERE)])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, str(HERE / "gloo_worker.py"), str(rank), str(world), str(folder / f"meet-{rows}"),
             str(output), str(rows)],
            env=environment,
        )
        for rank, output in enumerate(outputs)
    ]  # fmt: skip
    assert [worker.wait(300) for worker in workers] == [0] * world
    return [dict(np.load(output)) for output in outputs]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [16, 13])  # 13: the workers' shares differ
def test_two_workers_make_the_step_of_one(tmp_path: Path, rows: int) -> None:
    (alone,) = run(tmp_path, 1, rows)
    together = run(tmp_path, 2, rows)
    assert {key.rsplit(".", 1)[0] for key in alone} == set(OBJECTIVES)
    for worker in together:
        assert worker.keys() == alone.keys()
        for key, value in alone.items():
            np.testing.assert_allclose(worker[key], value, rtol=1e-4, atol=2e-6, err_msg=key)
