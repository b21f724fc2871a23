"""Training of the critics A–B and B–C on frozen embeddings: symmetric InfoNCE of each pair, averaged (LUCL, §4).

Each critic has its own learnable scale: optimal InfoNCE fixes exp f to p(y|x)/p(y) only with it. Encoders of B may be
one (``shared``) or two that know nothing of each other. Letters: ``P`` pairs, ``D`` input and ``K`` critic dimension.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import nn

from components.alignment.checks import check_rows
from components.alignment.heads import Perceptron
from components.alignment.protocol import Pairs
from components.bridging.bridge import Bridge
from components.bridging.critic import KINDS, Critic, CriticPair, Kind
from components.checks import check_range
from components.errors import UserError
from components.objectives.comparison import cross_entropy
from components.training import Checkpoint, LocalSession, Session, pack, run_to_end, unpack
from components.transforms import Transform

_WARM_UP = 0.1  # share of the steps until the learning rate is at its height


@dataclass(frozen=True, kw_only=True)
class CriticTraining:
    """How both critics are trained.

    Attributes:
        kind: of the critics.
        dim: K, outputs of the encoders.
        hidden: widths of hidden layers; empty for linear heads.
        batch_norm: after each hidden layer; folded into the weights of the result.
        shared: one encoder of B for both critics, or two separate models.
        epochs: passes over the larger set of pairs.
        batch: pairs of each kind in a step.
        learning_rate: of AdamW at its height, a tenth of the steps in; then it falls to 0 as a cosine.
        weight_decay: of AdamW, on matrices.
        scale: that training starts from; None for 10 (cosine) or 1.
        seed: of weights and batches.
    """

    kind: Kind = "cosine"
    dim: int = 32
    hidden: tuple[int, ...] = (128, 128)
    batch_norm: bool = True
    shared: bool = True
    epochs: int = 16
    batch: int = 256
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    scale: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"there is no critic {self.kind!r}", where="kind", do=f"use one of {', '.join(KINDS)}")
        for name in ("dim", "epochs"):
            check_range(name, getattr(self, name), 1)
        for width in self.hidden:
            check_range("hidden", width, 1)
        check_range("batch", self.batch, 2)
        check_range("learning_rate", self.learning_rate, 0, 1, above=True)
        check_range("weight_decay", self.weight_decay, 0)
        check_range("scale", self.scale, 0, above=True, optional=True)


@dataclass(frozen=True, kw_only=True)
class TrainedCritics:
    """Encoders [*, D] -> [*, K] and the critics that compare what they return.

    Attributes:
        a, c: encoders of A and C.
        b_first, b_second: encoders of B for the critics A–B and B–C; one and the same if ``critics.same_space``.
        critics: with their trained scales.
        history: mean loss and scales of each epoch.
    """

    a: Transform
    b_first: Transform
    b_second: Transform
    c: Transform
    critics: CriticPair
    history: Sequence[Mapping[str, float]] = field(default_factory=tuple)

    def bridge(self, ids: Sequence[str], rows: np.ndarray, log_weights: np.ndarray | None = None) -> Bridge:
        """Items of B, ``rows`` [M, D] in the order of ``ids``, embedded by both models."""
        first = self.b_first(rows)
        second = first if self.critics.same_space else self.b_second(rows)
        return Bridge(ids, first, second, log_weights, self.critics.same_space)


def train_critics(ab: Pairs, bc: Pairs, config: CriticTraining, session: Session | None = None) -> TrainedCritics:
    """Train on pairs of A and B and on pairs of B and C, which may be of different items.

    Args:
        ab: rows of A [P1, DA] and B [P1, DB].
        bc: rows of B [P2, DB] and C [P2, DC].
        session: where checkpoints and metrics go; one process.

    Raises:
        UserError: fewer than 2 pairs, rows of B of different dimensions, rows that are not finite, a loss that is not.
    """
    session = session or LocalSession()
    if session.world > 1:
        raise ValueError("critics are trained by one worker")
    for name, pairs in (("A–B", ab), ("B–C", bc)):
        if len(pairs) < 2:
            raise UserError(f"{len(pairs)} pairs {name} are too few to train a critic", do="give at least 2")
        check_rows(pairs.left, f"the left side of the pairs {name}")
        check_rows(pairs.right, f"the right side of the pairs {name}")
    if ab.right.shape[1] != bc.left.shape[1]:
        raise UserError(f"B has {ab.right.shape[1]} dimensions in the pairs A–B, {bc.left.shape[1]} in the pairs B–C")
    training = _Training(ab, bc, config, session)
    run_to_end(training, session)
    return training.result()


class _Encoder(nn.Module):
    def __init__(self, rows: np.ndarray, config: CriticTraining) -> None:
        super().__init__()
        self.mean = torch.from_numpy(rows.mean(0, dtype=np.float64).astype(np.float32))
        spread = float(rows.std(0, dtype=np.float64).mean()) or 1.0  # one number: a rare column stays rare
        self.spread = spread
        widths = [rows.shape[1], *config.hidden, config.dim]
        self.layers = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(w) if config.batch_norm else nn.Identity() for w in config.hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - self.mean) / self.spread
        for layer, norm in zip(self.layers, self.norms, strict=False):
            x = torch.relu(norm(layer(x)))
        return self.layers[-1](x)

    @torch.no_grad()
    def exported(self) -> Perceptron:
        """The same without torch; input scaling and batch norms are folded into the layers."""
        weights, biases = [], []
        for n, layer in enumerate(cast(Sequence[nn.Linear], self.layers)):
            weight, bias = layer.weight.double().T, layer.bias.double()
            if n == 0:
                weight = weight / self.spread
                bias = bias - self.mean.double() @ weight
            norm = self.norms[n] if n < len(self.norms) else None
            if isinstance(norm, nn.BatchNorm1d):
                assert norm.running_var is not None and norm.running_mean is not None
                gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
                weight, bias = weight * gain, (bias - norm.running_mean.double()) * gain + norm.bias.double()
            weights.append(weight.numpy())
            biases.append(bias.numpy())
        return Perceptron(weights, biases)


class _Networks(nn.Module):
    def __init__(self, ab: Pairs, bc: Pairs, config: CriticTraining) -> None:
        super().__init__()
        rows = {"a": ab.left, "b_first": ab.right, "b_second": bc.left, "c": bc.right}
        if config.shared:
            rows["b_first"] = np.concatenate([ab.right, bc.left])
            del rows["b_second"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.encoders = nn.ModuleDict({side: _Encoder(x, config) for side, x in rows.items()})
        start = config.scale or (10.0 if config.kind == "cosine" else 1.0)
        self.log_scales = nn.Parameter(torch.full((2,), math.log(start)))
        self.kind = config.kind

    def encoder(self, side: str) -> _Encoder:
        return cast(_Encoder, self.encoders[side if side in self.encoders else "b_first"])

    def loss(self, left: torch.Tensor, right: torch.Tensor, number: int) -> torch.Tensor:
        """Symmetric InfoNCE of a batch of one kind of pairs."""
        scale = self.log_scales[number].exp()
        if self.kind == "cosine":
            left, right = (nn.functional.normalize(x, dim=1) for x in (left, right))
        logits = left @ right.T
        if self.kind == "l2":
            logits = logits - 0.5 * left.square().sum(1)[:, None] - 0.5 * right.square().sum(1)
        logits, truth = scale * logits, torch.arange(len(left))
        return (cross_entropy(logits, truth) + cross_entropy(logits.T, truth)) / 2


class _Training:
    def __init__(self, ab: Pairs, bc: Pairs, config: CriticTraining, session: Session) -> None:
        self.config, self.session = config, session
        self.pairs = [
            tuple(torch.from_numpy(np.ascontiguousarray(x, np.float32)) for x in (p.left, p.right)) for p in (ab, bc)
        ]
        self.networks = _Networks(ab, bc, config)
        matrices = [p for p in self.networks.parameters() if p.ndim > 1]
        others = [p for p in self.networks.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=config.learning_rate,
        )
        self.steps = math.ceil(max(len(ab), len(bc)) / config.batch)
        self.epoch, self.history = 0, list[dict[str, float]]()

    @property
    def finished(self) -> bool:
        return self.epoch >= self.config.epochs

    def run_epoch(self) -> None:
        self.networks.train()
        batches = [self._batches(number) for number in range(2)]
        loss = float(np.mean([self._step(step, [b[step] for b in batches]) for step in range(self.steps)]))
        if not math.isfinite(loss):
            raise UserError(f"the critics' loss is {loss} in epoch {self.epoch + 1}", do="lower the learning rate")
        self.epoch += 1
        first, second = (float(s) for s in self.networks.log_scales.detach().exp())
        self.history.append({"loss": loss, "scale_ab": first, "scale_bc": second})
        state = Checkpoint(self.epoch, pack(self.networks, self.optimizer), {"history": self.history})
        self.session.save(state, self.history[-1])

    def _batches(self, number: int) -> list[torch.Tensor]:
        """Equal batches of one kind of pairs, as many as the epoch has steps; the smaller set goes round."""
        size = len(self.pairs[number][0])
        batch = min(self.config.batch, size)
        rng, order = np.random.default_rng([self.config.seed, 1, self.epoch, number]), np.zeros(0, np.int64)
        while len(order) < batch * self.steps:
            order = np.concatenate([order, rng.permutation(size)])
        return list(torch.from_numpy(order[: batch * self.steps]).view(self.steps, batch))

    def _step(self, step: int, batches: Sequence[torch.Tensor]) -> float:
        done = (self.epoch + (step + 0.5) / self.steps) / self.config.epochs
        height = min(done / _WARM_UP, 0.5 + 0.5 * math.cos(math.pi * max(0.0, done - _WARM_UP) / (1 - _WARM_UP)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * height
        (a, b), (b2, c) = ((left[rows], right[rows]) for (left, right), rows in zip(self.pairs, batches, strict=True))
        encode = self.networks.encoder
        loss = self.networks.loss(encode("a")(a), encode("b_first")(b), 0)
        loss = (loss + self.networks.loss(encode("b_second")(b2), encode("c")(c), 1)) / 2
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def restore(self, found: Checkpoint) -> None:
        unpack(found.arrays, self.networks, self.optimizer)
        self.epoch, self.history = found.epoch, list(found.facts["history"])

    def result(self) -> TrainedCritics:
        done = {name: cast(_Encoder, e).exported() for name, e in self.networks.encoders.items()}
        ab, bc = (
            Critic(kind=self.config.kind, scale=float(s), dim=self.config.dim)
            for s in self.networks.log_scales.detach().double().exp()
        )
        return TrainedCritics(
            a=done["a"],
            b_first=done["b_first"],
            b_second=done.get("b_second", done["b_first"]),
            c=done["c"],
            critics=CriticPair(ab, bc, self.config.shared),
            history=tuple(self.history),
        )
