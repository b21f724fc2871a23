"""InfoNCE heads on the known pairs: what a practitioner would try first, and the baseline of the SUE paper.

Symmetric InfoNCE (van den Oord et al. 2018; CLIP, Radford et al. 2021) over all pairs at once, AdamW, early stopping on
held-back pairs, then a refit on all pairs for the number of steps that was best. Many fits (pair draws) train together
as one batched problem. Linear heads may start from the CSA map of the pairs: then no step at all is a choice, too.

Letters: ``E`` fits, ``P`` pairs, ``D`` input, ``H`` hidden and ``K`` shared dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from components.alignment.checks import check_fit
from components.alignment.heads import MLPHead
from components.alignment.protocol import Alignment, Pairs
from components.alignment.ridge_cca import RidgeCCA, canonical_parts
from components.alignment.selection import at_most
from components.checks import check_one_of, check_range
from components.transforms import Linear

if TYPE_CHECKING:
    import torch

    Params = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Contrastive:
    """Config of the InfoNCE heads.

    Attributes:
        dim: shared dimensions K.
        hidden: width of the one hidden layer; None for linear heads.
        start: ``random`` weights, or ``csa`` for the CSA map of the pairs that are trained on (linear heads only).
        temperature: of the softmax over cosines, fixed.
        lr, weight_decay: of AdamW.
        max_steps: full-batch steps at most.
        patience: steps without a better held-back loss after which a fit stops.
        holdout: fraction of the pairs held back to choose the number of steps.
        max_pairs: of more pairs a seeded sample is used, as every step compares all with all.
        seed: of initial weights, held-back pairs and that sample.
    """

    dim: int = 128
    hidden: int | None = None
    start: Literal["random", "csa"] = "random"
    temperature: float = 0.2
    lr: float = 0.003
    weight_decay: float = 0.1
    max_steps: int = 200
    patience: int = 30
    holdout: float = 0.2
    max_pairs: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "max_steps", "patience"):
            check_range(name, getattr(self, name), 1)
        check_range("hidden", self.hidden, 1, optional=True)
        check_range("temperature", self.temperature, 0, above=True)
        check_range("lr", self.lr, 0, 1, above=True)
        check_range("weight_decay", self.weight_decay, 0)
        check_range("holdout", self.holdout, 0.05, 0.5)
        check_range("max_pairs", self.max_pairs, 10)
        check_one_of("start", self.start, ("random",) if self.hidden else ("random", "csa"))

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """Fit on the pairs alone.

        Raises:
            UserError: fewer than 10 pairs, non-finite or all-equal rows.
        """
        check_fit(left, right, pairs, needed=10, why="contrastive heads with early stopping")
        return self.fit_many([pairs])[0]

    def fit_many(self, tasks: Sequence[Pairs], offsets: Sequence[int] | None = None) -> list[Alignment]:
        """One alignment per task; tasks of equal shape train as one batch and give what they would give alone.

        ``offsets`` are added to the seed task by task: draws that share their initial weights would share their luck,
        and an interval over them would be too narrow.

        Raises UserError as :meth:`fit`.
        """
        for pairs in tasks:
            none = np.zeros((0, 0))
            check_fit(none, none, pairs, needed=10, why="contrastive heads with early stopping")
        tasks = [at_most(pairs, self.max_pairs, self.seed) for pairs in tasks]
        seeds = [self.seed + n for n in offsets or [0] * len(tasks)]
        shapes = [(p.left.shape, p.right.shape) for p in tasks]
        fitted: dict[int, Alignment] = {}
        for shape in dict.fromkeys(shapes):
            members = [n for n, s in enumerate(shapes) if s == shape]
            fitted.update(zip(members, self._fit_batch([(tasks[n], seeds[n]) for n in members]), strict=True))
        return [fitted[n] for n in range(len(tasks))]

    def _fit_batch(self, tasks: list[tuple[Pairs, int]]) -> list[Alignment]:
        # Shuffled, so that the last ones are a random sample to hold back.
        shuffled = [p.take(np.random.default_rng(seed).permutation(len(p))) for p, seed in tasks]
        seeds = [seed for _, seed in tasks]
        sides = [_stack([getattr(p, side) for p in shuffled]) for side in SIDES]
        kept = sides[0].shape[1] - max(2, round(self.holdout * sides[0].shape[1]))
        steps, losses = self._choose_steps([x[:, :kept] for x in sides], [x[:, kept:] for x in sides], seeds)
        weights = self._train(sides, seeds, snapshots=steps)
        facts = [{"steps": int(n), "held_back_loss": float(v)} for n, v in zip(steps, losses, strict=True)]
        return [_alignment(weights, e, facts[e]) for e in range(len(tasks))]

    def _choose_steps(
        self, train: list[torch.Tensor], test: list[torch.Tensor], seeds: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Number of steps [E] with the least held-back loss [E] per fit."""
        import torch

        run = _Run(self, train, seeds)
        informed = self.start == "csa"  # random heads are no candidate
        with torch.no_grad():
            best = run.losses(test) if informed else torch.full((len(train[0]),), torch.inf)
        steps = torch.full((len(best),), 0 if informed else 1)
        for step in range(1, self.max_steps + 1):
            run.step()
            with torch.no_grad():
                loss = run.losses(test)
            better = (loss < best) & (step - steps <= self.patience)
            best, steps = torch.where(better, loss, best), torch.where(better, step, steps)
            if bool((step - steps > self.patience).all()):
                break
        return steps, best

    def _train(self, sides: list[torch.Tensor], seeds: list[int], snapshots: torch.Tensor) -> Params:
        """Weights of each fit as they were after ``snapshots`` [E] steps."""
        import torch

        run = _Run(self, sides, seeds)
        kept = {k: v.detach().clone() for k, v in run.params.items()}
        for step in range(1, int(snapshots.max()) + 1):
            run.step()
            for name, value in run.params.items():
                now = (snapshots == step).view(-1, 1, 1)
                kept[name] = torch.where(now, value.detach(), kept[name])
        return kept


SIDES = ("left", "right")


class _Run:
    """Batched heads, their optimiser and loss. The fits never mix: the summed loss has no cross terms."""

    def __init__(self, config: Contrastive, sides: list[torch.Tensor], seeds: list[int]) -> None:
        import torch

        self.config, self.sides = config, sides
        start = _csa_start(config, sides) if config.start == "csa" else _random_start(config, sides, seeds)
        self.params: Params = {name: _stack(arrays).requires_grad_() for name, arrays in start.items()}
        self.optimizer = torch.optim.AdamW(self.params.values(), lr=config.lr, weight_decay=config.weight_decay)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.losses(self.sides).sum().backward()
        self.optimizer.step()

    def losses(self, sides: list[torch.Tensor]) -> torch.Tensor:
        """Symmetric InfoNCE of each fit on rows [E, P, D] of both sides. [E]"""
        f, g = (self._head(name, x) for name, x in zip(SIDES, sides, strict=True))
        return symmetric_info_nce(f, g, self.config.temperature)

    def _head(self, side: str, x: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        out = x @ self.params[f"{side}.w1"]
        if f"{side}.b1" in self.params:
            out = out + self.params[f"{side}.b1"]
        if self.config.hidden:
            out = F.gelu(out) @ self.params[f"{side}.w2"]
        return F.normalize(out, dim=2)


def symmetric_info_nce(f: torch.Tensor, g: torch.Tensor, temperature: float) -> torch.Tensor:
    """Of unit rows f, g [E, P, K], of which row p belongs to row p: mean over the pairs and both directions. [E]"""
    import torch

    logits = torch.einsum("epk,eqk->epq", f, g) / temperature
    truth = logits.diagonal(dim1=1, dim2=2)
    return (logits.logsumexp(2) + logits.logsumexp(1) - 2 * truth).mean(1) / 2


def _random_start(config: Contrastive, sides: list[torch.Tensor], seeds: list[int]) -> dict[str, list[np.ndarray]]:
    """Weights of each fit by name."""
    rngs = [np.random.default_rng([seed, 1]) for seed in seeds]
    params: dict[str, list[np.ndarray]] = {}
    for side, x in zip(SIDES, sides, strict=True):
        widths = [x.shape[2], *([config.hidden] if config.hidden else []), config.dim]
        for n, (rows, columns) in enumerate(pairwise(widths), 1):
            params[f"{side}.w{n}"] = [rng.normal(0, rows**-0.5, (rows, columns)) for rng in rngs]
        if config.hidden:
            params[f"{side}.b1"] = [np.zeros((1, config.hidden)) for _ in rngs]
    return params


def _csa_start(config: Contrastive, sides: list[torch.Tensor]) -> dict[str, list[np.ndarray]]:
    """Weights and offsets of the CSA map of each fit's own pairs, by name."""
    params: dict[str, list[np.ndarray]] = {f"{side}.{kind}": [] for side in SIDES for kind in ("w1", "b1")}
    for rows in zip(*(x.numpy() for x in sides), strict=True):
        fitted = RidgeCCA().fit(rows[0][:0], rows[1][:0], Pairs(*rows))
        for side, part in zip(SIDES, canonical_parts(fitted), strict=True):
            assert isinstance(part, Linear)
            weight = start_weight(part, config.dim)
            params[f"{side}.w1"].append(weight)
            params[f"{side}.b1"].append(-part.mean[None] @ weight)
    return params


def start_weight(part: Linear, dim: int) -> np.ndarray:
    """The leading ``dim`` columns of a map, of the size that random weights would have; zero columns where it has
    fewer (they get no gradient and stay zero). [D, dim]"""
    weight = part.weight[:, :dim]
    scale = np.sqrt(weight.size / len(weight)) / max(float(np.linalg.norm(weight)), 1e-30)
    padded = np.zeros((len(weight), dim), np.float32)
    padded[:, : weight.shape[1]] = weight * np.float32(scale)
    return padded


def _stack(arrays: list[np.ndarray]) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.stack(arrays).astype(np.float32))


def _alignment(weights: Params, fit: int, facts: dict[str, Any]) -> Alignment:
    left, right = (
        MLPHead({k.removeprefix(f"{side}."): v[fit].numpy() for k, v in weights.items() if k.startswith(side)})
        for side in SIDES
    )
    return Alignment(left, right, facts)
