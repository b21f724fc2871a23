"""k-medoids: the rows nearest to the centres of k-means on unit rows; one cluster per pick.

Unlike greedy choices the set belongs to one budget: its first half is not the choice for half the budget.
"""

from __future__ import annotations

import numpy as np

from components.errors import UserError
from components.pairing.config import CoverageConfig
from components.pairing.rows import CHUNK
from components.pairing.views import View

# k-means sees a sample of the targets by hash; medoids are looked for among all candidates.
FIT_ROWS = 20_000
# Of each centre's nearest candidates so many are kept, in case several centres share a medoid.
NEAREST = 8


def medoids(view: View, budget: int, config: CoverageConfig) -> np.ndarray:
    """Candidates nearest to ``budget`` centres, in ascending order.

    Raises:
        UserError: rows are known already (the method has no way to leave them out), or fewer targets than the budget.
    """
    from sklearn.cluster import KMeans

    if len(view.known):
        raise UserError("k-medoids cannot go on from known pairs", where="method", do="use facility-location")
    fit = view.rows.unit(view.targets[:FIT_ROWS])
    if len(fit) < budget:
        raise UserError(f"{budget} clusters of {len(fit)} rows", where="method", do="use facility-location")
    centres = KMeans(budget, n_init=1, random_state=config.seed).fit(fit).cluster_centers_
    nearest, distances = _nearest(view, centres)
    chosen: list[int] = []
    for centre in np.argsort(distances[:, 0], kind="stable"):
        free = [int(c) for c in nearest[centre] if c not in chosen]
        chosen += free[:1]
    return np.sort(np.array(chosen, dtype=np.int64))


def _nearest(view: View, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each centre's nearest candidates and their squared distances up to a constant, nearest first. [k, NEAREST]"""
    num = len(view.candidates)
    indices, distances = np.zeros((len(centres), 0), np.int64), np.zeros((len(centres), 0), np.float32)
    for start in range(0, num, CHUNK):
        rows = view.rows.unit(view.candidates[start : start + CHUNK])
        here = np.square(rows).sum(axis=1) - 2 * (centres.astype(np.float32) @ rows.T)
        indices = np.hstack([indices, np.broadcast_to(np.arange(start, start + len(rows)), here.shape)])
        distances = np.hstack([distances, here])
        order = np.argsort(distances, axis=1, kind="stable")[:, :NEAREST]
        indices, distances = np.take_along_axis(indices, order, 1), np.take_along_axis(distances, order, 1)
    return indices, distances
