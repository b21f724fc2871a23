"""``auto``: fits the good methods, judges them on the known pairs alone, and says why it took what it took.

Candidates are judged by nested cross-validation with unpaired distractors. The default is a stack of all of them,
corrected for hubness by an unpaired bank: weights learned out of fold, shrunk towards a fixed sum (of methods that are
good on most corpora, or of spectral ones where these are surely ahead, each over its spread), because at few pairs
cross-validation is too weak to pick one of many. Single candidates and the fixed sum replace it only where they beat it
pair by pair by more than two standard errors, and the best simple linear map where the stack adds nothing to it.
Nothing looks at a gallery. Cost is linear in the unpaired rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from components.alignment.candidates import CANDIDATES, FEWEST_PAIRS, LINEAR, CandidateFit, fit_candidate
from components.alignment.ensemble import combine, spread_of
from components.alignment.hubness import HubnessConfig, correct
from components.alignment.nested import Block, PairScores
from components.alignment.options import BANK, Option, Row, decide, make_options, make_row
from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Alignment, Pairs
from components.alignment.selection import at_most
from components.alignment.tuned import make_ground, on_encoder_rows, with_views
from components.checks import check_one_of, check_range
from components.errors import UserError


@dataclass(frozen=True)
class AutoResult:
    """What was chosen, and why.

    Attributes:
        alignment: fitted on all pairs, correction included; its diagnostics hold ``chosen``, ``reason`` and ``table``.
        chosen: name of the row.
        weights: of the candidates in it, for scores over their spread.
        table: best first.
        reason: one sentence.
        cv: out-of-fold standing of every pair under the chosen row.
        blocks: out-of-fold scores of the chosen row; none with too few pairs to compare methods.
        skipped: candidates that could not be fitted -> why.
    """

    alignment: Alignment
    chosen: str
    weights: dict[str, float]
    table: tuple[Row, ...]
    reason: str
    cv: PairScores
    blocks: tuple[Block, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)


def choose(fits: Sequence[CandidateFit], left: np.ndarray, right: np.ndarray, *, seed: int) -> AutoResult:
    """Choose among candidates, sums of them, and the same with hubness corrected.

    Args:
        fits: of :func:`fit_candidate` with the same unpaired rows, pairs and seed; at least one linear one.
        left, right: the unpaired rows: spreads and banks are taken from them.
        seed: as in :func:`fit_candidate`.

    Raises:
        UserError: no simple linear map among the candidates.
    """
    by_name = {f.name: f for f in fits}
    options = make_options(by_name)
    linear = max((o for o in options if o.name in LINEAR), key=lambda o: o.cv.score.mean(), default=None)
    if linear is None:
        raise UserError("no simple linear map among the candidates", do=f"add one of {', '.join(LINEAR)}")
    chosen, reason = decide(options, linear)
    table = tuple(sorted((make_row(o, linear, by_name) for o in options), key=lambda r: -r.score))
    about = {"chosen": chosen.name, "weights": chosen.weights, "reason": reason, "table": [r.to_json() for r in table]}
    alignment = _assemble(chosen, by_name, (left, right), about, seed)
    return AutoResult(alignment, chosen.name, chosen.weights, table, reason, chosen.cv, chosen.blocks)


@dataclass(frozen=True, kw_only=True)
class Auto:
    """Config of ``auto``.

    Attributes:
        candidates: names of ``CANDIDATES`` to try.
        max_pairs: of more pairs a seeded sample is used, as kernel methods are cubic in them.
        seed: of folds, distractors, graphs and banks.
    """

    candidates: tuple[str, ...] = tuple(CANDIDATES)
    max_pairs: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.candidates:
            check_one_of("candidates", name, CANDIDATES)
        check_range("max_pairs", self.max_pairs, FEWEST_PAIRS)

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """The alignment of :meth:`run`."""
        return self.run(left, right, pairs).alignment

    def run(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> AutoResult:
        """Fit all candidates one after another and choose. With fewer than 10 pairs, Procrustes.

        Raises:
            UserError: fewer than 2 pairs, non-finite or all-equal rows.
        """
        if len(pairs) < FEWEST_PAIRS:
            return _too_few(left, right, pairs)
        pairs = at_most(pairs, self.max_pairs, self.seed)
        ground, skipped = make_ground(left, right, seed=self.seed), {}
        try:
            ground = with_views(ground)
        except UserError as error:
            skipped = {name: str(error) for name in self.candidates if CANDIDATES[name].spectral}
        names = [name for name in self.candidates if name not in skipped]
        fits = [fit_candidate(name, left, right, pairs, seed=self.seed, ground=ground) for name in names]
        result = choose(fits, left, right, seed=self.seed)
        return replace(result, skipped=skipped)


def _assemble(
    option: Option,
    fits: dict[str, CandidateFit],
    rows: tuple[np.ndarray, np.ndarray],
    about: dict[str, Any],
    seed: int,
) -> Alignment:
    config, members = HubnessConfig(seed=seed), [fits[n].alignment for n in option.weights]
    left, right = (r[: config.bank] for r in rows)
    spreads = [spread_of(m, left, right) if len(left) and len(right) else 1.0 for m in members]
    weights = [w / s for w, s in zip(option.weights.values(), spreads, strict=True)]
    used = {n: fits[n] for n, w in option.weights.items() if w > 0}
    # The plain views' rows are the first columns of the spectral ones: one graph search serves all members.
    views = max((f.views for f in used.values()), key=lambda v: v.left.dim)
    about = {**about, "parts": {n: dict(f.diagnostics) for n, f in used.items()}}
    summed = on_encoder_rows(views, combine([fits[n].inner for n in option.weights], weights, about))
    return correct(summed, *rows, config) if option.name.endswith(BANK) else summed


def _too_few(left: np.ndarray, right: np.ndarray, pairs: Pairs) -> AutoResult:
    fitted = Procrustes().fit(left, right, pairs)
    reason = f"{len(pairs)} pairs are too few to compare methods: Procrustes, the map of least variance"
    about = {**fitted.diagnostics, "chosen": "procrustes", "reason": reason}
    empty = PairScores(np.zeros(0), np.zeros(0), 0.0)
    return AutoResult(Alignment(fitted.left, fitted.right, about), "procrustes", {"procrustes": 1.0}, (), reason, empty)
