"""When a costly candidate of ``auto`` is given up after its first fit.

The first fit is judged as all are, by nested cross-validation, so nothing that it cost is wasted if the candidate
stays. It is compared pair by pair with two references that cost little and are good in opposite kinds of worlds.
"""

from __future__ import annotations

from contextlib import suppress

from components.alignment.candidates import LINEAR, CandidateFit, fit_candidate
from components.alignment.options import CLEARLY, advantage
from components.alignment.protocol import Pairs
from components.alignment.tuned import Ground, with_views
from components.errors import UserError

# In log rank: ranks about a fifth further back. A stack gives such a candidate next to no weight.
MARGIN = 0.2
REFERENCES = ("kernel-ridge", "fused-kernel-ridge")
ALWAYS = (*LINEAR, "kernel-ridge")  # the guard, and what the others are measured by


def why_behind(fit: CandidateFit, ground: Ground, pairs: Pairs, *, seed: int) -> str:
    """A sentence if ``fit`` does not do well enough, beside the better reference, to be fitted on further draws.

    Far behind is by more than two standard errors of the difference pair by pair, and by ``MARGIN``.

    Args:
        fit: of :func:`fit_candidate` on the same rows, pairs and seed.
        ground: its unpaired rows, with views if they are there already.
    """
    left, right = ground.full.left, ground.full.right
    known = [fit_candidate("kernel-ridge", left, right, pairs, seed=seed, ground=ground)]
    with suppress(UserError):  # too few rows for a graph: one reference must do
        known.append(fit_candidate("fused-kernel-ridge", left, right, pairs, seed=seed, ground=with_views(ground)))
    best = max(known, key=lambda f: f.cv.score.mean())
    gain, error = advantage(fit.cv, best.cv)
    if gain >= -max(CLEARLY * error, MARGIN):
        return ""
    return f"far behind: {gain:+.2f} ± {error:.2f} in log rank against {best.name} on the first draw"


def why_too_dear(fit: CandidateFit, num_fits: int, share_s: float) -> str:
    """A sentence if ``num_fits`` fits like this one take more than ``share_s`` CPU seconds."""
    needed = fit.seconds * num_fits
    if needed <= share_s:
        return ""
    return f"{num_fits} fits would take {needed:.0f} CPU seconds, its share of budget_s is {share_s:.0f}"
