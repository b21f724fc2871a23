"""A transport problem as the domains want it: shifted logits, marginals, what the optimum must have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from components.errors import UserError
from components.transport.config import SinkhornConfig


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One problem or a batch of them.

    Attributes:
        scores: [..., N, M].
        row_max: maxima of the rows, [..., N]; 0 for a row that is masked altogether.
        rows, columns: marginals a [..., N] and b [..., M].
        config: of the solver.
        has_empty: some marginals may be zero.
    """

    scores: torch.Tensor
    row_max: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    config: SinkhornConfig
    has_empty: bool = False

    @property
    def shift(self) -> torch.Tensor:
        """Row maximum/ε [..., N]; f̃ = f + shift is the potential that goes with X."""
        return self.row_max / self.config.epsilon

    def logits(self) -> torch.Tensor:
        """X = (scores − row maximum)/ε, [..., N, M], at most 0; a new tensor that the caller may overwrite.

        Subtracted before the division: float32 keeps the digits that count.
        """
        return (self.scores - self.row_max.unsqueeze(-1)).div_(self.config.epsilon)

    def take(self, which: torch.Tensor) -> Problem:
        """The problems [B'] of a batch [B] that ``which`` names."""
        names = ("scores", "row_max", "rows", "columns")
        return replace(self, **{name: getattr(self, name)[which] for name in names})

    def wanted_rows(self, f_shifted: torch.Tensor) -> torch.Tensor:
        """Row sums that the optimum has: a, or a·exp(−εf/ρ) on a soft side. [..., N]"""
        return _wanted(self.rows, f_shifted - self.shift, self.config.rho_rows, self.config.epsilon)

    def wanted_columns(self, g: torch.Tensor) -> torch.Tensor:
        """Column sums that the optimum has. [..., M]"""
        return _wanted(self.columns, g, self.config.rho_columns, self.config.epsilon)

    def error(
        self, rows: torch.Tensor, columns: torch.Tensor, f_shifted: torch.Tensor, g: torch.Tensor
    ) -> torch.Tensor:
        """Distance of the sums from those of the optimum, as a share of the mass. [...]"""
        wanted = self.wanted_rows(f_shifted)
        off = (rows - wanted).abs().sum(-1) + (columns - self.wanted_columns(g)).abs().sum(-1)
        return off / wanted.sum(-1)

    def translation(self, f_shifted: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """τ [..., 1] that makes f + τ, g − τ the best of their line (translation-invariant Sinkhorn, Séjourné et al.
        2022). Without it the number of sweeps grows with ρ/ε.

        For two soft sides τ = ρ₁ρ₂/((ρ₁+ρ₂)ε) · (log Σ a e^{−εf/ρ₁} − log Σ b e^{−εg/ρ₂}); a hard side is its limit.
        """
        one, two = self.config.rho_rows, self.config.rho_columns
        if one is None and two is None:
            return torch.zeros_like(f_shifted[..., :1])
        if one is None or two is None:
            rate = two if one is None else one
        else:
            rate = one * two / (one + two)
        assert rate is not None
        mass = _log_sum(self.rows, f_shifted - self.shift, one, self.config.epsilon)
        other = _log_sum(self.columns, g, two, self.config.epsilon)
        return rate / self.config.epsilon * (mass - other)


def _wanted(weights: torch.Tensor, potential: torch.Tensor, rho: float | None, epsilon: float) -> torch.Tensor:
    if rho is None:
        return weights
    return torch.where(weights > 0, weights * (-epsilon / rho * potential).exp(), 0)  # 0 · inf at empty rows


def _log_sum(weights: torch.Tensor, potential: torch.Tensor, rho: float | None, epsilon: float) -> torch.Tensor:
    if rho is None:
        return weights.sum(-1, keepdim=True).log()
    exponent = torch.where(weights > 0, weights.log() - epsilon / rho * potential, -torch.inf)
    return exponent.logsumexp(-1, keepdim=True)


def make_problem(
    scores: torch.Tensor,
    config: SinkhornConfig,
    row_weights: torch.Tensor | None,
    column_weights: torch.Tensor | None,
) -> Problem:
    """Shift the scores and complete the marginals (1/N and 1/M by default).

    Raises:
        UserError: no matrix, weights of another length, negative or not finite, masses that differ in a balanced
            problem.
    """
    if scores.ndim < 2 or scores.numel() == 0:
        raise UserError(f"the scores have the shape {list(scores.shape)}", do="give a non-empty matrix or a batch")
    if scores.dtype not in (torch.float32, torch.float64):
        scores = scores.float()
    row_max = scores.amax(-1)
    row_max = torch.where(row_max == -torch.inf, 0, row_max)
    rows = _weights(row_weights, scores, -2, "row_weights")
    columns = _weights(column_weights, scores, -1, "column_weights")
    weighted = row_weights is not None or column_weights is not None
    if weighted:
        _check_masses(rows, columns, config)
    return Problem(scores=scores, row_max=row_max, rows=rows, columns=columns, config=config, has_empty=weighted)


def _weights(given: torch.Tensor | None, scores: torch.Tensor, axis: int, name: str) -> torch.Tensor:
    length, batch = scores.shape[axis], scores.shape[:-2]
    if given is None:
        return scores.new_full((*batch, length), 1 / length)
    given = given.detach().to(scores)
    if given.shape[-1:] != (length,):
        raise UserError(f"{list(given.shape)} weights for {length} items", where=name)
    if not bool((given.isfinite() & (given >= 0)).all()) or not bool((given.sum(-1) > 0).all()):
        raise UserError("weights must be finite, not negative and not all zero", where=name)
    return given.expand(*batch, length)


def _check_masses(rows: torch.Tensor, columns: torch.Tensor, config: SinkhornConfig) -> None:
    one, two = rows.sum(-1), columns.sum(-1)
    if config.balanced and not bool(((one - two).abs() <= 1e-4 * one).all()):
        raise UserError(
            f"rows weigh {float(one.flatten()[0]):g}, columns {float(two.flatten()[0]):g}",
            do="give equal masses, or rho_rows or rho_columns",
        )


def check_scores(scores: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> None:
    """Say what is wrong with scores [..., N, M] from which no finite potentials came.

    Raises:
        UserError: NaN, +inf, or a row or column of positive weight without any finite score.
    """
    if bool(scores.isnan().any()) or bool((scores == torch.inf).any()):
        raise UserError("the scores have NaN or +inf values", do="check the embeddings; only -inf may mask a pair")
    finite = scores.isfinite()
    for axis, weights, name in ((-1, rows, "row"), (-2, columns, "column")):
        if not bool((finite.any(axis) | (weights == 0)).all()):
            raise UserError(f"a {name} has no finite score", do="give it weight 0 or leave it out")
