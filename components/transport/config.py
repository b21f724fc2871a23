"""Settings of Sinkhorn. Imports no torch: recipes are checked with it."""

from __future__ import annotations

from dataclasses import dataclass

from components.checks import check_one_of, check_range

DOMAINS = ("auto", "kernel", "log")


@dataclass(frozen=True, kw_only=True)
class SinkhornConfig:
    """Entropic transport: maximise <P, scores> + ε·entropy(P) − ρ₁ KL(P1 ‖ a) − ρ₂ KL(Pᵀ1 ‖ b).

    Attributes:
        epsilon: strength ε of the entropy, in units of the scores (the temperature of a contrastive loss).
        rho_rows, rho_columns: price ρ of mass that is missing or in excess on a side; None demands the marginal
            exactly (balanced).
        iterations: sweeps (rows, then columns) at most.
        tolerance: marginal error below which a plan counts as converged, a share of the total mass.
        check_every: sweeps between two looks at the error; 0 makes all ``iterations`` sweeps and never looks, which on
            a GPU saves the wait for it.
        domain: ``kernel`` multiplies by exp(scores/ε) shifted by its row maxima; ``log`` takes logsumexp, ten times
            slower; ``auto`` is ``kernel``, and what would lose mass to underflow is solved again with logarithmic
            sweeps where they are needed. ``kernel`` never looks whether it lost mass: such problems keep their start.
    """

    epsilon: float = 0.1
    rho_rows: float | None = None
    rho_columns: float | None = None
    iterations: int = 1000
    tolerance: float = 1e-5
    check_every: int = 10
    domain: str = "auto"

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, above=True)
        check_range("rho_rows", self.rho_rows, 0, above=True, optional=True)
        check_range("rho_columns", self.rho_columns, 0, above=True, optional=True)
        check_range("iterations", self.iterations, 1)
        check_range("tolerance", self.tolerance, 0, above=True)
        check_range("check_every", self.check_every, 0)
        check_one_of("domain", self.domain, DOMAINS)

    @property
    def balanced(self) -> bool:
        return self.rho_rows is None and self.rho_columns is None

    @property
    def damping(self) -> tuple[float, float]:
        """Exponents ρ/(ρ+ε) of the row and column steps; 1 for a balanced side."""
        rows, columns = (1.0 if r is None else r / (r + self.epsilon) for r in (self.rho_rows, self.rho_columns))
        return rows, columns
