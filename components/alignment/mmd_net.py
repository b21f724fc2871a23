"""The MMD net: moves the left side onto the right one until their distributions agree (SUE, arXiv 2505.21524 §3).

x' = x + MLP(x), trained to minimise the maximum mean discrepancy between moved left and right rows. All fits (one per
draw of the known pairs) are trained at once: parameters and data carry a leading axis.
Letters: ``E`` fits, ``B`` rows of a batch, ``N1, N2`` rows of the sides, ``P`` pairs, ``R`` shared dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from components.alignment.heads import Perceptron
from components.alignment.mmd import mmd2
from components.alignment.mmd_config import MMDConfig
from components.errors import UserError
from components.training import (
    Checkpoint,
    Session,
    arrays_of,
    gather,
    mean_gradients,
    own_columns,
    pack,
    run_to_end,
    unpack,
)
from components.transforms import below

MAX_HELD = 1024  # rows of a side that MMD is measured on

MIN_ROWS = 8


@dataclass(frozen=True)
class SharedRows:
    """Canonical coordinates of E fits: ``left`` [E, N1, R], ``right`` [E, N2, R], pairs [E, P, R] twice."""

    left: np.ndarray
    right: np.ndarray
    left_pairs: np.ndarray
    right_pairs: np.ndarray

    def __post_init__(self) -> None:
        for name, rows in vars(self).items():
            if rows.ndim != 3 or rows.shape[0] != self.left.shape[0] or rows.shape[2] != self.left.shape[2]:
                raise ValueError(f"{name} has shape {rows.shape}, left has {self.left.shape}")
            if not np.isfinite(rows).all():
                raise UserError(f"{name} has NaN or infinite values", where="mmd")
        if min(self.left.shape[1], self.right.shape[1]) < MIN_ROWS:
            raise UserError(f"an MMD net needs at least {MIN_ROWS} unpaired rows on each side", where="mmd")


@dataclass(frozen=True)
class MMDFit:
    """Trained nets of E fits.

    Attributes:
        nets: of each fit's best epoch.
        before, after: unbiased squared MMD before and after moving, on rows that were neither trained on nor used to
            choose the epoch. [E]
        best_epoch: by validation rows; 0 = the untouched space. [E]
    """

    nets: tuple[ResidualMLP, ...]
    before: np.ndarray
    after: np.ndarray
    best_epoch: np.ndarray


class ResidualMLP(Perceptron):
    """``x + MLP(x)`` with ReLU. [N, R] -> [N, R] float32."""

    kind = "residual-mlp"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x + super().__call__(x), np.float32)


def fit_mmd(rows: SharedRows, config: MMDConfig, session: Session, *, seed: int = 0) -> MMDFit:
    """Train all E nets; resumes from the session's newest checkpoint.

    The weights with the smallest MMD on the rows kept back are returned; the untouched space counts as one candidate.
    """
    training = _Training(rows, config, session, seed)
    run_to_end(training, session)
    return training.result()


class _Nets(nn.Module):
    """E residual MLPs side by side. The last layer starts at zero: training starts from the untouched space."""

    def __init__(self, fits: int, dim: int, widths: Sequence[int], seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = [dim, *widths, dim]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n, (inputs, outputs) in enumerate(pairwise(sizes)):
            last = n == len(widths)
            weight = torch.randn(fits, inputs, outputs, generator=generator) * (2.0 / inputs) ** 0.5
            self.weights.append(nn.Parameter(torch.zeros_like(weight) if last else weight))
            self.biases.append(nn.Parameter(torch.zeros(fits, 1, outputs)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = x
        for n, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            hidden = torch.relu(hidden) if n < len(self.weights) - 1 else hidden
        return x + hidden


class _Training:
    def __init__(self, rows: SharedRows, config: MMDConfig, session: Session, seed: int) -> None:
        self.config, self.session, self.seed = config, session, seed
        self.left, self.right, self.left_pairs, self.right_pairs = (
            torch.from_numpy(np.ascontiguousarray(r, np.float32)).to(session.device) for r in vars(rows).values()
        )
        fits, _, dim = rows.left.shape
        self.nets = _Nets(fits, dim, config.widths, seed).to(session.device)
        self.optimizer = torch.optim.AdamW(self.nets.parameters(), lr=config.learning_rate)
        rng = np.random.default_rng([seed, 0])
        self.train_left, self.held_left, self.test_left = self._split(rows.left.shape[1], rng)
        self.train_right, self.held_right, self.test_right = self._split(rows.right.shape[1], rng)
        self.steps = max(1, min(len(self.train_left), len(self.train_right)) // config.batch)
        self.epoch = 0
        self.best = self._validate()
        self.best_epoch = torch.zeros(fits, dtype=torch.int64, device=session.device)
        self.best_state = self._state()

    def _split(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows to train on, to choose the epoch by, and to report on."""
        order = rng.permutation(count)
        held = min(max(2, round(self.config.validation_fraction * count)), MAX_HELD)
        return np.sort(order[2 * held :]), np.sort(order[:held]), np.sort(order[held : 2 * held])

    @property
    def finished(self) -> bool:
        return self.epoch >= self.config.epochs

    def run_epoch(self) -> None:
        losses = [self._step(step) for step in range(self.steps)]
        self.epoch += 1
        now = self._validate()
        better = now < self.best
        self.best = torch.where(better, now, self.best)
        self.best_epoch = torch.where(better, self.epoch, self.best_epoch)
        for name, value in self._state().items():
            self.best_state[name][better] = value[better]
        metrics = {"loss": float(np.mean(losses)), "validation_loss": float(now.mean())}
        self.session.save(self._checkpoint(), metrics)

    def _step(self, step: int) -> float:
        """The loss of the global batch; each worker moves its share of the rows and sees the others' moved rows."""
        rng = np.random.default_rng([self.seed, 1, self.epoch, step])
        left = rng.choice(self.train_left, min(self.config.batch, len(self.train_left)), replace=False)
        right = rng.choice(self.train_right, min(self.config.batch, len(self.train_right)), replace=False)
        loss = mmd2(self._moved(self.left, left), self.right[:, right], bandwidths=self.config.bandwidths).sum()
        if self.config.pair_weight:
            moved = self._moved(self.left_pairs, np.arange(self.left_pairs.shape[1]))
            loss = loss + self._pair_term(moved).sum()
        self.optimizer.zero_grad()
        # each worker holds the gradient of its own rows only; the average over workers times their number is the sum
        (loss * self.session.world).backward()
        mean_gradients(list(self.nets.parameters()), self.session)
        self.optimizer.step()
        return float(loss.detach()) / len(self.left)

    def _moved(self, rows: torch.Tensor, chosen: np.ndarray) -> torch.Tensor:
        """Moved rows of the global batch: this worker's share with its gradient, the others' as constants."""
        mine = own_columns(len(chosen), self.session)
        own = self.nets(rows[:, chosen[mine.start : mine.stop]])
        return gather(own, mine, len(chosen), self.session)

    def _pair_term(self, moved: torch.Tensor) -> torch.Tensor:
        """Weighted mean squared distance of moved pair rows [E, P, R] to their partners. [E]"""
        return self.config.pair_weight * (moved - self.right_pairs).square().sum(-1).mean(1)

    @torch.no_grad()
    def _validate(self) -> torch.Tensor:
        """The objective on rows kept back (there are too few pairs to keep some back). [E]"""
        moved = self.nets(self.left[:, self.held_left])
        value = mmd2(moved, self.right[:, self.held_right], bandwidths=self.config.bandwidths)
        return value + self._pair_term(self.nets(self.left_pairs)) if self.config.pair_weight else value

    @torch.no_grad()
    def _reported(self, *, moved: bool) -> np.ndarray:
        left, right = self.left[:, self.test_left], self.right[:, self.test_right]
        left = self.nets(left) if moved else left
        return mmd2(left, right, bandwidths=self.config.bandwidths, unbiased=True).cpu().numpy()

    def _state(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.nets.state_dict().items()}

    def _checkpoint(self) -> Checkpoint:
        best = {f"best.{n}": v.cpu().numpy().copy() for n, v in self.best_state.items()}
        facts = {"best": self.best.tolist(), "best_epoch": self.best_epoch.tolist()}
        return Checkpoint(self.epoch, pack(self.nets, self.optimizer) | best, facts)

    def restore(self, found: Checkpoint) -> None:
        unpack(found.arrays, self.nets, self.optimizer)
        device = self.session.device
        best = below(found.arrays, "best.")
        self.best_state = {n: torch.from_numpy(v.copy()).to(device) for n, v in best.items()}
        self.best = torch.tensor(found.facts["best"], device=device)
        self.best_epoch = torch.tensor(found.facts["best_epoch"], device=device)
        self.epoch = found.epoch

    def result(self) -> MMDFit:
        self.nets.load_state_dict(self.best_state)
        state = arrays_of(self.nets)
        layers = range(len(self.nets.weights))
        nets = tuple(
            ResidualMLP([state[f"weights.{n}"][fit] for n in layers], [state[f"biases.{n}"][fit, 0] for n in layers])
            for fit in range(len(self.left))
        )
        before, after = self._reported(moved=False), self._reported(moved=True)
        return MMDFit(nets, before, after, self.best_epoch.cpu().numpy())
