"""A costly candidate is given up if it is far behind or too dear, and never for an even score."""

from dataclasses import replace

import numpy as np
import pytest

from components.alignment.candidates import fit_candidate
from components.alignment.early_stop import ALWAYS, REFERENCES, why_behind, why_too_dear
from components.alignment.nested import Block
from components.alignment.protocol import Pairs
from components.alignment.tuned import make_ground


@pytest.fixture(scope="module")
def judged():
    """Kernel ridge on a world that it can align; too few unpaired rows for a graph, so one reference does."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(64, 4))
    left, right = ((z @ rng.normal(size=(4, 6))).astype(np.float32) for _ in range(2))
    pairs, ground = Pairs(left[:40], right[:40]), make_ground(left[40:52], right[52:], seed=0)
    return fit_candidate("kernel-ridge", left[40:52], right[52:], pairs, seed=0, ground=ground), ground, pairs


def test_an_equal_stays_and_one_that_guesses_goes(judged):
    fit, ground, pairs = judged
    assert why_behind(fit, ground, pairs, seed=0) == ""
    rng = np.random.default_rng(1)
    guesses = replace(fit, blocks=tuple(Block(rng.normal(size=b.scores.shape), b.rows) for b in fit.blocks))
    told = why_behind(guesses, ground, pairs, seed=0)
    assert told.startswith("far behind: -") and "in log rank against kernel-ridge on the first draw" in told


def test_a_share_of_the_budget_is_kept_to(judged):
    fit = replace(judged[0], seconds=2.5)
    assert why_too_dear(fit, num_fits=4, share_s=10.0) == ""
    assert why_too_dear(fit, num_fits=4, share_s=9.0) == "4 fits would take 10 CPU seconds, its share of budget_s is 9"


def test_the_main_reference_is_always_fitted():
    assert "kernel-ridge" in REFERENCES and "kernel-ridge" in ALWAYS
