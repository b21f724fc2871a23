"""SimLAP (Wu et al., arXiv 2410.18200): pulls any two classes together, in a subspace that their labels open.

s_ij = cos(z_i ⊙ g_i, z'_j ⊙ g_i)/τ with the gate g_i of the anchor's class and its partner class; positives are the
partner's views, negatives those of all third classes. Joint form:
L = (a·L_arbitrary + b·L_identical + c·L_instance)/(a + b + c) + γ·entropy of the gates.
It is supervised: labels make the pairs and the gates. That it transfers better than SupCon is not established.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from components.checks import check_range
from components.errors import UserError
from components.objectives.class_pairs import ClassPairs, PairLoss, masks, pair_loss
from components.objectives.comparison import compare, cross_entropy
from components.objectives.gated_logits import gated_logits
from components.objectives.label_gate import LabelGate, gate_entropy
from components.objectives.protocol import (
    Criterion,
    GlobalBatch,
    Scored,
    check_batch,
    check_classes,
    check_num_classes,
)


@dataclass(frozen=True, kw_only=True)
class SimLAP:
    """Config of SimLAP.

    Attributes:
        epsilon: temperature τ.
        pairing, same_share: how partner classes are drawn, see :class:`ClassPairs`.
        arbitrary, identical, instance: weights of the pair loss, of the pair loss with each anchor's own class, and of
            InfoNCE without gates.
        gate_entropy: γ; makes gates open or closed.
        gate_width: of the label embedding.
        open_gate: the control without a gate.
    """

    epsilon: float = 0.1
    pairing: str = "arbitrary"
    same_share: float = 1 / 3
    arbitrary: float = 1.0
    identical: float = 0.0
    instance: float = 0.0
    gate_entropy: float = 0.0
    gate_width: int = 128
    open_gate: bool = False

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, above=True)
        for name in ("arbitrary", "identical", "instance", "gate_entropy"):
            check_range(name, getattr(self, name), 0)
        check_range("gate_width", self.gate_width, 1)
        self.pairs()
        if self.arbitrary + self.identical == 0:
            raise UserError("no pair loss is left", where="arbitrary", do="give arbitrary or identical a weight")

    def pairs(self) -> ClassPairs:
        """How partner classes are drawn."""
        return ClassPairs(pairing=self.pairing, same_share=self.same_share)

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        check_num_classes(num_classes, "simlap")
        return SimLAPCriterion(self, dim, num_classes)


class SimLAPCriterion(Criterion):
    """Holds the gate, which is trained with the encoder."""

    config: SimLAP
    labelled = True

    def __init__(self, config: SimLAP, dim: int, num_classes: int) -> None:
        super().__init__(config)
        self.num_classes = num_classes
        self.gate = None if config.open_gate else LabelGate(num_classes, dim, config.gate_width)

    def forward(self, batch: GlobalBatch) -> Scored:
        config = self.config
        z, classes = check_batch(batch), check_classes(batch, "simlap")
        known = classes >= 0
        views, classes = normed(z[:, known]), classes[known]
        partner = config.pairs().draw(classes, self.num_classes, batch.seed)
        parts, metrics = self._pair_losses(views, classes, partner)
        if config.instance:
            pairs = compare(batch, "all")
            parts.append((config.instance, cross_entropy(pairs.scores / config.epsilon, pairs.positives)))
        total = sum((w * value for w, value in parts), start=z.new_zeros(())) / sum(w for w, _ in parts)
        return Scored(loss=total + metrics.pop("penalty"), metrics=metrics | {"epsilon": config.epsilon})

    def _pair_losses(
        self, views: torch.Tensor, classes: torch.Tensor, partner: torch.Tensor
    ) -> tuple[list[tuple[float, torch.Tensor]], dict[str, Any]]:
        """Weighted losses of both kinds of pairs, and what to write down about them."""
        weights = [(self.config.arbitrary, partner), (self.config.identical, classes)]
        kinds = [(w, t) for w, t in weights if w]
        gates = self.gates(classes.repeat(len(kinds)), torch.cat([t for _, t in kinds]), views)
        parts, lost = [], views.new_zeros(())
        for (weight, wanted), opened in zip(kinds, gates.chunk(len(kinds)), strict=True):
            found = both_directions(views, opened, self.config.epsilon, classes, wanted)
            parts.append((weight, found.value))
            lost = lost + found.lost / len(kinds)
        entropy = gate_entropy(gates)
        facts = {"without_pairs": lost, "gate_entropy": entropy.detach(), "gate_open": gates.detach().mean()}
        return parts, {**facts, "penalty": self.config.gate_entropy * entropy}

    def gates(self, first: torch.Tensor, second: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Gates [B, D] of pairs of classes; ones in the control."""
        if self.gate is None:
            return like.new_ones(len(first), like.shape[-1])
        if len(first) == 1:  # one labelled row: batch norm has no statistics
            raise UserError("one labelled row is no batch for simlap", do="raise the batch size")
        return self.gate(first, second)

    def diagnose(self, batch: GlobalBatch) -> dict[str, Any]:
        return {} if self.gate is None else {"gates": self.gate.similarity().cpu().numpy()}


def normed(z: torch.Tensor) -> torch.Tensor:
    """Layer norm of outputs [..., D], with which the paper's head ends: a batch norm would hurt the worst pairs."""
    return torch.nn.functional.layer_norm(z, z.shape[-1:])


def both_directions(
    views: torch.Tensor, gates: torch.Tensor, epsilon: float, classes: torch.Tensor, partner: torch.Tensor
) -> PairLoss:
    """The pair loss of the first view's anchors against the second view's keys, and the other way round, averaged."""
    who = masks(classes, partner, classes)
    one, two = (
        pair_loss(gated_logits(q, k, gates, epsilon), who) for q, k in ((views[0], views[1]), (views[1], views[0]))
    )
    return PairLoss(value=(one.value + two.value) / 2, lost=one.lost)
