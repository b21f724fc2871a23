"""Who is compared with whom: cosines of a batch and the place of every row's positive.

Letters: ``B`` rows, ``N`` compared rows (B or 2B), ``K`` columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from components.checks import check_one_of, check_range
from components.objectives.protocol import GlobalBatch, check_batch, unit_rows
from components.transport.config import SinkhornConfig
from components.transport.plan import EntropicPlan
from components.transport.sinkhorn import sinkhorn

AMONG = ("all", "views")


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Cosines [N, N] and, for every row, the column of its positive [N].

    ``one_sided``: the matrix is symmetric, so a loss over its rows is a loss over its columns, too.
    """

    scores: torch.Tensor
    positives: torch.Tensor
    one_sided: bool

    def both_ways(
        self,
        loss: Callable[[torch.Tensor], torch.Tensor],
        rows: torch.Tensor,
        columns: Callable[[], torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Mean of the loss of logits over rows and the one over columns; over rows alone if one-sided.

        ``columns`` makes the logits with columns as rows; by default those of ``rows``, transposed.
        """
        of_rows = loss(rows)
        return of_rows if self.one_sided else (of_rows + loss(columns() if columns else rows.T)) / 2

    def cross_entropy(self, rows: torch.Tensor, columns: Callable[[], torch.Tensor] | None = None) -> torch.Tensor:
        """Cross-entropy of logits with the positives, :meth:`both_ways`."""
        return self.both_ways(lambda logits: cross_entropy(logits, self.positives), rows, columns)


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Settings that the contrastive objectives share.

    Attributes:
        epsilon: temperature; the ε of the transport.
        among: ``all`` compares each view with all other views of the batch (2B x 2B, itself left out; SimCLR),
            ``views`` the first view with the second (B x B, both directions; CLIP).
    """

    epsilon: float = 0.2
    among: str = "all"

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, above=True)
        check_one_of("among", self.among, AMONG)


@dataclass(frozen=True, kw_only=True)
class Projected(Contrast):
    """... and those whose similarities are projected by Sinkhorn first.

    Attributes:
        iterations: sweeps, always as many. Ten do for ε of .1 and more, fifty for .05.
        domain: of Sinkhorn; ``kernel`` never waits for a GPU and leaves out the bias of a batch that underflows.
    """

    iterations: int = 10
    domain: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sinkhorn()

    def sinkhorn(self, rho: float | None = None) -> SinkhornConfig:
        """Settings of the projection."""
        return SinkhornConfig(
            epsilon=self.epsilon,
            rho_rows=rho,
            rho_columns=rho,
            iterations=self.iterations,
            check_every=0,
            domain=self.domain,
        )


def compare(batch: GlobalBatch, among: str) -> Comparison:
    """Cosines between the views of a batch. A row that is all zero has the cosine 0 with every other.

    Raises:
        UserError: a batch of one row, not two views.
    """
    left, right = unit_rows(check_batch(batch))
    count = len(left)
    places = torch.arange(count, device=left.device)
    if among == "views":
        return Comparison(scores=left @ right.T, positives=places, one_sided=False)
    both = torch.cat([left, right])
    itself = torch.eye(2 * count, dtype=torch.bool, device=left.device)
    scores = (both @ both.T).masked_fill(itself, -torch.inf)
    return Comparison(scores=scores, positives=torch.cat([places + count, places]), one_sided=True)


def cross_entropy(logits: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Mean over the rows of −log softmax at their positives."""
    return torch.nn.functional.cross_entropy(logits, positives)


def project(comparison: Comparison, config: SinkhornConfig) -> EntropicPlan:
    """The plan of the similarities; only its potentials are made, without gradient."""
    return sinkhorn(comparison.scores, config=config)


def plan_metrics(plan: EntropicPlan) -> dict[str, float | torch.Tensor]:
    """What training writes down about a projection."""
    return {
        "epsilon": plan.epsilon,
        "marginal_error": plan.marginal_error,
        "iterations": float(plan.num_iterations),
        "used_log": plan.used_log.float(),
    }
