"""Sinkhorn against POT's, closed-form gradients against unrolled ones, SimLAP's products against its tensor."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from components.objectives.class_pairs import masks, pair_loss
from components.objectives.comparison import Comparison, project
from components.objectives.gated_logits import gated_logits
from components.objectives.gca_ince import biased_cross_entropy
from components.transport.config import SinkhornConfig
from components.transport.sinkhorn import sinkhorn
from pipelines.bench.objectives.timing import cpu_seconds, one_thread, saved_bytes

SWEEPS, EPSILON, NARROW = {1024: 50, 4096: 20}, 0.05, 0.01
LOSS_ROWS, LOSS_SWEEPS, LOSS_EPSILON = 512, 100, 0.1
ANCHORS, KEYS, COLUMNS = 512, 1024, 256


def cosines(rows: int, columns: int, *, dim: int = 64, seed: int = 0) -> torch.Tensor:
    """Cosines [rows, columns] of random vectors, float32."""
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(n, dim, generator=generator) for n in (rows, columns))
    return torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(y, dim=1).T


def sinkhorn_speed(*, quick: bool) -> dict[str, Any]:
    """Plans of equal sweeps in float32 on one thread: how many times our processor time POT takes."""
    found: dict[str, Any] = {"speedup_vs_pot_log": {}, "speedup_vs_pot_kernel": {}, "milliseconds": {}, "sweeps": {}}
    for size, all_sweeps in SWEEPS.items():
        sweeps = all_sweeps // 2 if quick else all_sweeps
        rounds = {True: 5 if size < 2000 else 1, False: 9 if size < 2000 else 3}[quick]
        with one_thread():
            seconds = _plan_seconds(size, sweeps, rounds)
        found["speedup_vs_pot_log"][str(size)] = seconds["log"] / seconds["ours"]
        found["speedup_vs_pot_kernel"][str(size)] = seconds["kernel"] / seconds["ours"]
        found["milliseconds"][str(size)] = 1000 * seconds["ours"]
        found["sweeps"][str(size)] = sweeps
    return found | {"at_small_epsilon": _small_epsilon()}


def _plan_seconds(size: int, sweeps: int, rounds: int) -> dict[str, float]:
    import ot

    scores = cosines(size, size)
    cost, weights = 1 - scores, torch.full((size,), 1 / size)
    config = SinkhornConfig(epsilon=EPSILON, iterations=sweeps, check_every=0)

    def pot(method: str) -> Any:
        return ot.sinkhorn(weights, weights, cost, EPSILON, method=method, numItermax=sweeps, stopThr=0, warn=False)

    return cpu_seconds(
        {
            "ours": lambda: sinkhorn(scores, config=config).plan,
            "kernel": lambda: pot("sinkhorn"),
            "log": lambda: pot("sinkhorn_log"),
        },
        rounds,
    )


def _small_epsilon() -> dict[str, float]:
    """L1 distance from the float64 plan at ε = 0.01, where POT's float32 kernel underflows."""
    import ot

    size, sweeps = 512, 200
    scores = cosines(size, size, dim=512)  # no row is near any other, as between encoders that never met
    weights = torch.full((size,), 1 / size)
    config = SinkhornConfig(epsilon=NARROW, iterations=sweeps, check_every=0, domain="log")
    truth = sinkhorn(scores.double(), config=config).plan
    ours = sinkhorn(scores, config=SinkhornConfig(epsilon=NARROW, iterations=sweeps, check_every=0)).plan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # POT's sweep begins with the columns: transposed, it is ours
        theirs = ot.sinkhorn(weights, weights, 1 - scores.T, NARROW, numItermax=sweeps, stopThr=0, warn=False).T
    errors = {"error": ours, "pot_kernel_error": theirs}
    return {name: float((plan.double() - truth).abs().nan_to_num(nan=1.0).sum()) for name, plan in errors.items()}


def loss_speed(*, quick: bool) -> dict[str, float]:
    """GCA-INCE and its gradient, n = 512 and T = 100: closed form against the graph of all sweeps."""
    scores = cosines(LOSS_ROWS, LOSS_ROWS).requires_grad_()
    with one_thread():
        forms = {"ours": partial(closed_form, scores), "unrolled": partial(unrolled, scores)}
        steps = {name: partial(_gradient, form, scores) for name, form in forms.items()}
        seconds = cpu_seconds(steps, 3 if quick else 9)
    gradients = {name: step() for name, step in steps.items()}
    memory = {name: saved_bytes(form) for name, form in forms.items()}
    return {
        "speedup_vs_unrolled": seconds["unrolled"] / seconds["ours"],
        "memory_ratio_vs_unrolled": memory["unrolled"] / memory["ours"],
        "gradient_error": _relative(gradients["ours"], gradients["unrolled"]),
        "milliseconds": 1000 * seconds["ours"],
        "saved_mib": memory["ours"] / 2**20,
    }


def _gradient(form: Callable[[], torch.Tensor], scores: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(form(), scores)[0]


def _relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference over the largest entry."""
    return float((found - expected).abs().max() / expected.abs().max())


def closed_form(scores: torch.Tensor) -> torch.Tensor:
    """As training computes it."""
    pairs = Comparison(scores=scores, positives=torch.arange(len(scores)), one_sided=True)
    config = SinkhornConfig(epsilon=LOSS_EPSILON, iterations=LOSS_SWEEPS, check_every=0)
    return biased_cross_entropy(pairs, project(pairs, config))


def unrolled(scores: torch.Tensor) -> torch.Tensor:
    """As the paper's code does: every sweep in the graph, then one more row step."""
    logits, log_weight = scores / LOSS_EPSILON, -torch.log(torch.tensor(float(len(scores))))
    g = torch.zeros(len(scores))
    for _ in range(LOSS_SWEEPS):
        f = log_weight - torch.logsumexp(logits + g, 1)
        g = log_weight - torch.logsumexp(logits + f[:, None], 0)
    return -(logits + g).log_softmax(1).diagonal().mean()


def simlap_speed(*, quick: bool) -> dict[str, float]:
    """SimLAP's pair loss and gradient, 512 anchors x 1024 keys x 256 columns: products against the tensor."""
    generator = torch.Generator().manual_seed(0)
    q, k, raw = (torch.randn(n, COLUMNS, generator=generator) for n in (ANCHORS, KEYS, ANCHORS))
    classes, partner = torch.arange(ANCHORS) % 32, torch.randint(0, 32, (ANCHORS,), generator=generator)
    who = masks(classes, partner, torch.arange(KEYS) % 32)
    inputs = [x.requires_grad_() for x in (q, k, raw)]

    def run(form: Any) -> tuple[torch.Tensor, ...]:
        loss = pair_loss(form(q, k, raw.sigmoid(), 0.1), who).value
        return torch.autograd.grad(loss, inputs)

    with one_thread():
        forms = {"ours": lambda: run(gated_logits), "tensor": lambda: run(tensor_logits)}
        seconds = cpu_seconds(forms, 1 if quick else 3, warm=not quick)
    pairs = zip(run(gated_logits), run(tensor_logits), strict=True)
    return {
        "speedup_vs_tensor": seconds["tensor"] / seconds["ours"],
        "gradient_error": max(_relative(a, b) for a, b in pairs),
        "milliseconds": 1000 * seconds["ours"],
    }


def tensor_logits(q: torch.Tensor, k: torch.Tensor, gates: torch.Tensor, temperature: float) -> torch.Tensor:
    """The definition, with the tensor [B, N, D] written down."""
    gated = torch.nn.functional.normalize(q * gates, dim=1)
    keys = torch.nn.functional.normalize(k[None] * gates[:, None], dim=2)
    return (gated[:, None] * keys).sum(2) / temperature
