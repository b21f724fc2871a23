"""The log-sum-exp over the bridge as matrix products, in float64, streamed within a memory budget.

log Σ_m e^{L_nm + R_mk} = p_n + q_k + log (e^{L−p} e^{R−q})_nk with running row maxima p, q: (N + K)·M exponentials and
one product in place of N·K·M exponentials; as in online softmax, sums are rescaled when a maximum grows. Terms that
underflow add up to less than M·1e-308, so a sum above ``SAFE`` is exact to rounding whatever the ranges of L and R.
Where it is below, that cell is summed again, term by term.
Letters: ``N`` queries, ``K`` candidates, ``M`` bridge items.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from components.bridging.bridge import Bridge
from components.bridging.terms import Terms
from components.errors import UserError

if TYPE_CHECKING:
    import torch

SAFE = 1e-250
MAX_CHUNK = 4096
OUTPUTS = 3  # float64 arrays [N, K] of a result: scores, effective sample sizes, standard errors
_PER_DIM = 6  # float64 values that a chunk needs for each item and dimension while it is made


@dataclass(frozen=True)
class Partial:
    """Sums over a part of the bridge; parts merge in any order, to rounding.

    Attributes:
        log_sum: log Σ_m w_m, without the terms that do not depend on m. [N, K]
        log_square: log Σ_m w_m². [N, K]
        log_mass: log of the importance weights' sum (of the number of items without weights).
        count: items.
    """

    log_sum: np.ndarray
    log_square: np.ndarray
    log_mass: float
    count: int

    def merge(self, other: Partial) -> Partial:
        """Sums over both parts."""
        return Partial(
            np.logaddexp(self.log_sum, other.log_sum),
            np.logaddexp(self.log_square, other.log_square),
            float(np.logaddexp(self.log_mass, other.log_mass)),
            self.count + other.count,
        )


@dataclass(frozen=True)
class Estimate:
    """``scores`` log r, ``ess`` (Σw)²/Σw² and the delta method's ``standard_error`` √(1/ess − 1/M). Each [N, K]."""

    scores: np.ndarray
    ess: np.ndarray
    standard_error: np.ndarray


@dataclass(frozen=True)
class CostEstimate:
    """What a sum over the bridge will take, extrapolated from its first chunk on this machine.

    Attributes:
        seconds: of wall time.
        num_bytes: of memory at most, without the bridge itself.
        exponentials, flops: to be done.
    """

    seconds: float
    num_bytes: int
    exponentials: float
    flops: float

    def __str__(self) -> str:
        return (
            f"about {self.seconds:,.0f} s and {self.num_bytes / 2**20:,.0f} MiB: {self.flops:.1e} flops in products, "
            f"{self.exponentials:.1e} exponentials"
        )


def merge(parts: Sequence[Partial]) -> Partial:
    """Sums over all parts. Raises ValueError for none."""
    if not parts:
        raise ValueError("nothing to merge")
    return reduce(Partial.merge, parts)


def reduce_bridge(terms: Terms, bridge: Bridge, memory_budget: int) -> Partial:
    """Sum over a bridge, or over one shard of it.

    Args:
        memory_budget: bytes for everything but the bridge, the result included.

    Raises:
        UserError: the budget is below what the result alone needs; sums that are not finite.
    """
    chunk = chunk_items(terms, bridge, memory_budget)
    sums = _Sums(terms, chunk)
    for part in _parts(bridge, chunk):
        sums.add(part)
    log_sum, log_square = sums.logarithms()
    unsafe = np.argwhere(~np.isfinite(log_sum) | ~np.isfinite(log_square))
    if len(unsafe):
        _sum_cells(sums, bridge, unsafe, log_sum, log_square)
    if not np.isfinite(log_sum).all():
        raise UserError("scores over the bridge are NaN or infinite", do="check the embeddings and the critics' scales")
    return Partial(log_sum, log_square, bridge.log_mass(), len(bridge))


def finish(terms: Terms, partial: Partial) -> Estimate:
    """Scores from the sums over the whole bridge; takes the arrays of ``partial`` over."""
    scores, ess = partial.log_sum, partial.log_square
    np.subtract(2 * scores, ess, out=ess)
    np.clip(np.exp(ess, out=ess), 1.0, partial.count, out=ess)
    error = np.sqrt(np.maximum(1 / ess - 1 / partial.count, 0))
    scores += terms.row[:, None] - partial.log_mass
    scores += terms.column
    scores += terms.pair_term()
    return Estimate(scores, ess, error)


def chunk_items(terms: Terms, bridge: Bridge, memory_budget: int) -> int:
    """Bridge items that are worked on at a time. Raises UserError if the budget is too small for one."""
    (n, k), dims = terms.shape, terms.left.shape[1] + terms.right.shape[1]
    fixed = 8 * OUTPUTS * n * k + terms.num_bytes
    each = 8 * (n + k + _PER_DIM * dims)
    if fixed + each > memory_budget:
        raise UserError(
            f"{n} queries and {k} candidates need {(fixed + each) / 2**20:.0f} MiB, the budget is "
            f"{memory_budget / 2**20:.0f} MiB",
            where="memory_budget",
            do="raise it, or score fewer queries at a time",
        )
    return int(min((memory_budget - fixed) // each, MAX_CHUNK, len(bridge)))


def estimate_cost(terms: Terms, bridge: Bridge, memory_budget: int) -> CostEstimate:
    """Sum one chunk and extrapolate to the whole bridge. Raises UserError as :func:`reduce_bridge`."""
    chunk = chunk_items(terms, bridge, memory_budget)
    sums, first = _Sums(terms, chunk), bridge.take(slice(0, chunk))
    sums.add(first)  # the first call of a library pays for its start
    began = time.perf_counter()
    sums.add(first)
    seconds = (time.perf_counter() - began) * len(bridge) / chunk
    (n, k), dims = terms.shape, terms.left.shape[1] + terms.right.shape[1]
    num_bytes = 8 * (OUTPUTS * n * k + chunk * (n + k + _PER_DIM * dims)) + terms.num_bytes
    flops = 2.0 * len(bridge) * (2 * n * k + n * terms.left.shape[1] + k * terms.right.shape[1])
    return CostEstimate(seconds, num_bytes, float(n + k) * len(bridge), flops)


class _Sums:
    """Running sums of one pass. Buffers are made once: no allocation grows with the bridge."""

    def __init__(self, terms: Terms, chunk: int) -> None:
        import torch

        self.terms = terms
        n, k = terms.shape
        self.left, self.right = torch.from_numpy(terms.left), torch.from_numpy(terms.right)
        self.p, self.q = (torch.full((rows,), -torch.inf, dtype=torch.float64) for rows in (n, k))
        self.sum, self.square = torch.zeros(n, k, dtype=torch.float64), torch.zeros(n, k, dtype=torch.float64)
        self.rows, self.columns = (torch.empty(r * chunk, dtype=torch.float64) for r in (n, k))

    def logits(self, part: Bridge) -> tuple[torch.Tensor, torch.Tensor]:
        """L [N, m] and R [K, m] of a chunk, in the buffers."""
        import torch

        first, second, bias = (torch.from_numpy(x) for x in self.terms.chunk(part))
        rows, columns = (
            buffer[: len(side) * len(part)].view(len(side), len(part))
            for buffer, side in ((self.rows, self.left), (self.columns, self.right))
        )
        torch.mm(self.left, first.T, out=rows).add_(bias)
        torch.mm(self.right, second.T, out=columns)
        return rows, columns

    def add(self, part: Bridge) -> None:
        import torch

        rows, columns = self.logits(part)
        p, q = torch.maximum(self.p, rows.amax(1)), torch.maximum(self.q, columns.amax(1))
        shrink_p, shrink_q = (self.p - p).exp_()[:, None], (self.q - q).exp_()
        self.sum.mul_(shrink_p).mul_(shrink_q)
        self.square.mul_(shrink_p**2).mul_(shrink_q**2)
        self.p, self.q = p, q
        rows.sub_(p[:, None]).exp_()
        columns.sub_(q[:, None]).exp_()
        self.sum.addmm_(rows, columns.T)
        self.square.addmm_(rows.square_(), columns.square_().T)

    def logarithms(self) -> tuple[np.ndarray, np.ndarray]:
        """log Σw and log Σw², [N, K] each, in place; −inf where a sum is too small to be exact."""
        for sums, factor in ((self.sum, 1), (self.square, 2)):
            sums.masked_fill_(sums < SAFE, 0).log_().add_(factor * self.p[:, None]).add_(factor * self.q)
        return self.sum.numpy(), self.square.numpy()


def _parts(bridge: Bridge, chunk: int) -> Iterator[Bridge]:
    return (bridge.take(slice(start, start + chunk)) for start in range(0, len(bridge), chunk))


def _sum_cells(sums: _Sums, bridge: Bridge, cells: np.ndarray, log_sum: np.ndarray, log_square: np.ndarray) -> None:
    """Sum ``cells`` [*, 2] term by term into both outputs."""
    import torch

    n, k = (torch.from_numpy(np.ascontiguousarray(c)) for c in cells.T)
    plain, square = (torch.full((len(cells),), -torch.inf, dtype=torch.float64) for _ in range(2))
    chunk = max(1, len(sums.rows) // sum(sums.terms.shape))  # with the cells' terms no more memory than the products
    block = max(1, len(sums.columns) // (4 * chunk) or 1)
    for part in _parts(bridge, chunk):
        rows, columns = sums.logits(part)
        for start in range(0, len(cells), block):
            at = slice(start, start + block)
            logits = rows[n[at]].add_(columns[k[at]])
            plain[at] = torch.logaddexp(plain[at], logits.logsumexp(1))
            square[at] = torch.logaddexp(square[at], logits.mul_(2).logsumexp(1))
    log_sum[cells[:, 0], cells[:, 1]] = plain.numpy()
    log_square[cells[:, 0], cells[:, 1]] = square.numpy()
