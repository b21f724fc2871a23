"""A critic of an edge: the likeliest aligner, and the scale that makes its scores log ratios."""

import numpy as np
import pytest

from components.alignment.nested import Block
from components.bridging.edges import critic_of, fit_edge, judge_blocks, judge_scaled
from components.embeddings import Embeddings
from components.errors import UserError
from components.evaluation.trials import World


def blocks_of(truth, *, test=300, candidates=20, seed=0):
    """Scores under which softmax(truth · score) is the probability of the partner, which stands at its own place."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(test, candidates))
    p = np.exp(truth * scores)
    partner = (p.cumsum(axis=1) > p.sum(axis=1, keepdims=True) * rng.random((test, 1))).argmax(axis=1)
    found = []
    for row, place in zip(scores, partner, strict=True):
        own = np.concatenate([[row[place]], np.delete(row, place)])
        found.append(Block(own[None], np.arange(1)))
    return found


@pytest.mark.parametrize("truth", [1.0, 3.0])
def test_the_scale_is_that_of_the_model_that_made_the_partners(truth):
    """Only rows compete here, so a column's softmax over one row is certain and says nothing of the scale."""
    found = judge_blocks("x", blocks_of(truth, test=3000), spread=1.0)
    assert found.scale == pytest.approx(truth, rel=0.08)
    smaller = [Block(b.scores / 10, b.rows) for b in blocks_of(truth, test=3000)]
    assert judge_blocks("x", smaller, spread=0.1).scale == pytest.approx(10 * found.scale, rel=1e-3)


def test_constant_scores_are_at_chance_and_certain_ones_cost_nothing():
    rows = np.arange(4)
    even = judge_scaled("x", [Block(np.zeros((8, 8)), rows)])
    assert even.loss == pytest.approx(even.chance) == pytest.approx(np.log(8))
    sure = judge_scaled("x", [Block(100 * np.eye(8), rows)])
    assert sure.loss == pytest.approx(0, abs=1e-9) and sure.recall == 100


def test_products_of_unit_rows_make_a_cosine_critic_and_others_a_dot_critic():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(6, 3))
    dot = critic_of(2.0, x, y)
    assert dot.kind == "dot"
    np.testing.assert_allclose(dot.score(x, y), 2 * x @ y.T)
    x, y = (3 * v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))  # one length, though not 1
    cosine = critic_of(2.0, x, y)
    assert cosine.kind == "cosine"
    np.testing.assert_allclose(cosine.score(x, y), 2 * x @ y.T)
    assert critic_of(2.0, np.zeros((5, 3)), y).kind == "dot"


def linear_world(pairs):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 5)).astype(np.float32)
    rows = [z @ rng.normal(size=(5, 8)).astype(np.float32) for _ in range(2)]
    sides = [Embeddings([f"{s}{n:03d}" for n in range(200)], x) for s, x in zip("lr", rows, strict=True)]
    unpaired = {"unpaired_left": list(sides[0].ids[100:150]), "unpaired_right": list(sides[1].ids[150:])}
    return World(left=sides[0], right=sides[1], heldout=[], **unpaired), [
        (f"l{n:03d}", f"r{n:03d}") for n in range(pairs)
    ]


def test_the_likeliest_aligner_is_taken_and_unrelated_pairs_stay_at_chance():
    world, pairs = linear_world(60)
    edge = fit_edge(["asif", "ridge-cca"], world, pairs, seed=0)
    assert [j.loss for j in edge.tried] == sorted(j.loss for j in edge.tried) and edge.judged is edge.tried[0]
    assert {j.aligner for j in edge.tried} == {"asif", "ridge-cca"}
    assert edge.judged.loss < edge.judged.chance - 1 and edge.judged.recall > 80
    wrong = [(a, b) for (a, _), (_, b) in zip(pairs, pairs[1:] + pairs[:1], strict=True)]
    shuffled = fit_edge(["ridge-cca"], world, wrong, seed=0).judged
    assert shuffled.loss == pytest.approx(shuffled.chance, abs=0.2)
    with pytest.raises(UserError, match="pairs"):
        fit_edge(["ridge-cca"], world, pairs[:9], seed=0)
