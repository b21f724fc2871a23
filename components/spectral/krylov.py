"""Leading eigenvectors of a large sparse symmetric matrix: block Krylov with full orthogonalisation and thick restarts.

The block form of the thick-restart Lanczos method (Wu & Simon, SIAM J. Matrix Anal. 22, 2000; block Krylov-Schur: Zhou
& Saad, Numer. Algorithms 47, 2008). Blocks let one pass over the sparse matrix serve several vectors, and find multiple
eigenvalues, which a single vector cannot. Letters: ``N`` rows, ``M`` basis vectors so far, ``B`` vectors of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

RANK = 1e-10  # a vector that is shorter after orthogonalisation is linearly dependent: a random one takes its place
SAFE = 1e-4  # a vector that is shorter is orthogonalised once more


@dataclass(frozen=True)
class EigenPairs:
    """``values`` [K] descending, ``vectors`` [N, K] orthonormal, ``residuals`` [K] = ||S v - lambda v||."""

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    num_products: int


def leading_eigenpairs(
    matrix: sp.csr_matrix,
    count: int,
    *,
    locked: np.ndarray,
    block: int = 8,
    tolerance: float = 1e-6,
    max_products: int = 5000,
    seed: int = 0,
) -> EigenPairs:
    """The ``count`` largest eigenpairs of a symmetric ``matrix`` [N, N] orthogonal to the eigenvector ``locked`` [N].

    Memory is that of 2 count + 10 block vectors. Stops at ``max_products`` even if residuals are above ``tolerance``.
    """
    krylov = _Krylov(matrix, locked, block, capacity=2 * count + 10 * block, seed=seed)
    while True:
        krylov.expand()
        full = krylov.is_full
        if full or krylov.num_products % 4 == 0:
            values, coefficients, residuals = krylov.ritz()
            enough = len(values) >= count and bool((residuals[:count] <= tolerance).all())
            if enough or (krylov.num_products >= max_products and len(values) >= count):
                vectors = krylov.vectors(coefficients[:, :count])
                return EigenPairs(values[:count], vectors, residuals[:count], krylov.num_products)
            if full:
                krylov.restart(values, coefficients, keep=count + 3 * block)
        krylov.append()


class _Krylov:
    """S Q = Q H + next R E^T, with Q's rows (stored as rows: [capacity, N]) orthonormal; row 0 is the locked vector."""

    def __init__(self, matrix: sp.csr_matrix, locked: np.ndarray, block: int, *, capacity: int, seed: int) -> None:
        self.block = block
        self.operator = matrix.astype(np.float64)
        self.random = np.random.default_rng(seed)
        self.basis = np.empty((1 + capacity + block, matrix.shape[0]))
        self.projected = np.zeros((capacity + block, capacity + block))
        self.capacity, self.num_products = capacity, 0
        self.basis[0] = locked
        self.size = 1
        self.next = self._random_block()
        self.append()

    @property
    def is_full(self) -> bool:
        return self.size - 1 + self.block > self.capacity

    def append(self) -> None:
        self.basis[self.size : self.size + self.block] = self.next.T
        self.size += self.block

    def expand(self) -> None:
        """One product with S: fills the last block's columns of H, and finds the next block."""
        newest = np.ascontiguousarray(self.basis[self.size - self.block : self.size].T)
        product = self.operator @ newest
        self.num_products += 1
        coupling = self._orthogonalise(product)[1:]
        columns = slice(self.size - 1 - self.block, self.size - 1)
        self.projected[: self.size - 1, columns] = coupling
        self.projected[columns, : self.size - 1] = coupling.T
        self.next, self.tail = self._independent(product)

    def ritz(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ritz values (descending), their coefficients in the basis, and residual norms."""
        m = self.size - 1
        h = self.projected[:m, :m]
        values, coefficients = np.linalg.eigh(0.5 * (h + h.T))
        values, coefficients = values[::-1], coefficients[:, ::-1]
        return values, coefficients, np.linalg.norm(self.tail @ coefficients[-self.block :], axis=0)

    def restart(self, values: np.ndarray, coefficients: np.ndarray, *, keep: int) -> None:
        """Replace the basis by its ``keep`` best Ritz vectors."""
        self.basis[1 : 1 + keep] = coefficients[:, :keep].T @ self.basis[1 : self.size]
        self.projected[:] = 0
        self.projected[:keep, :keep] = np.diag(values[:keep])
        self.size = 1 + keep

    def vectors(self, coefficients: np.ndarray) -> np.ndarray:
        return np.asarray(self.basis[1 : self.size].T @ coefficients)

    def _orthogonalise(self, x: np.ndarray) -> np.ndarray:
        """Remove the basis from the columns of ``x`` in place; returns what was removed. [M, B]"""
        basis = self.basis[: self.size]
        coupling = basis @ x
        x -= basis.T @ coupling
        return np.asarray(coupling)

    def _independent(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Orthonormal columns spanning those of ``x``, and R; dependent columns give way to random ones.

        Rounding leaves a share of eps / min |R_ii| of the basis in the result, so only small |R_ii| need a second pass.
        """
        q, r = np.linalg.qr(x)
        smallest = np.abs(r.diagonal())
        if bool((smallest > SAFE).all()):
            return q, r
        weak = smallest < RANK
        q[:, weak] = self._noise(int(weak.sum()))
        r[weak] = 0.0
        for _ in range(2):
            self._orthogonalise(q)
            q, again = np.linalg.qr(q)
            r = again @ r if not bool(weak.any()) else r
        return q, r

    def _random_block(self) -> np.ndarray:
        x = self._noise(self.block)
        for _ in range(2):
            self._orthogonalise(x)
            x = np.linalg.qr(x)[0]
        return x

    def _noise(self, count: int) -> np.ndarray:
        return self.random.standard_normal((self.basis.shape[1], count))
