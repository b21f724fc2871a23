"""Seeds side by side in processes of their own, and what they come to."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import torch

from components.evaluation.gallery_recall import recall_in_part
from components.evaluation.intervals import t_interval
from components.evaluation.retrieval import rank_scores

GALLERY = 32
PROCESSES = 2
NO_SHARES = ("scale", "over_oracle")  # may be above 1


def run_all(work: Callable[..., dict[str, float]], jobs: Sequence[tuple[Any, ...]]) -> list[dict[str, float]]:
    """``work(*job)`` of every job in order, two at a time on one thread each."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(work, *zip(*jobs, strict=True)))


def summary(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """``{name: mean, name_ci95: [low, high]}`` over runs; ``seeds`` says how many."""
    found: dict[str, Any] = {"seeds": len(runs)}
    for name in runs[0]:
        bounds = (0.0, np.inf if name.endswith(NO_SHARES) else 1.0)
        interval = t_interval(np.array([run[name] for run in runs]), bounds=bounds)
        found |= {name: interval.mean, f"{name}_ci95": [interval.low, interval.high]}
    return found


def recall_of_32(scores: np.ndarray) -> float:
    """Recall@1 among the partner and 31 random others; the partner of query t is in column t. [T, T]"""
    rank = rank_scores(scores).rank
    return float(recall_in_part(rank, min(GALLERY, len(scores)), len(scores)).mean())
