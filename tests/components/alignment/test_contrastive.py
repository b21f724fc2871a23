"""InfoNCE heads: the loss's closed form, fits that do not mix, early stopping, a planted map found."""

import numpy as np
import pytest
import torch

from components.alignment.contrastive import Contrastive, _Run
from components.alignment.heads import MLPHead
from components.alignment.protocol import Pairs
from components.alignment.ridge_cca import RidgeCCA
from components.errors import UserError
from components.evaluation.retrieval import measure, rank_partners

QUICK = {"dim": 8, "max_steps": 40, "patience": 10}


def related(n: int, seed: int, d: int = 12) -> Pairs:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 4))
    mix = np.random.default_rng(7).normal(size=(2, 4, d))
    return Pairs(z @ mix[0] + 0.1 * rng.normal(size=(n, d)), z @ mix[1] + 0.1 * rng.normal(size=(n, d)))


def test_loss_is_symmetric_infonce() -> None:
    pairs = related(16, 0)
    sides = [torch.from_numpy(x.astype(np.float32))[None] for x in (pairs.left, pairs.right)]
    run = _Run(Contrastive(**QUICK), sides, [0])  # type: ignore[arg-type]
    f, g = (
        torch.nn.functional.normalize(x[0] @ run.params[f"{s}.w1"][0], dim=1)
        for s, x in zip(("left", "right"), sides, strict=True)
    )
    logits, truth = f @ g.T / run.config.temperature, torch.arange(16)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = (cross_entropy(logits, truth) + cross_entropy(logits.T, truth)) / 2
    torch.testing.assert_close(run.losses(sides)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [None, 16])
def test_a_batch_of_fits_gives_what_each_gives_alone(hidden: int | None) -> None:
    config = Contrastive(hidden=hidden, **QUICK)  # type: ignore[arg-type]
    tasks = [related(40, 0), related(40, 1), related(30, 2)]  # the third has another shape
    together = config.fit_many(tasks)
    for task, fitted in zip(tasks, together, strict=True):
        alone = config.fit(task.left[:0], task.right[:0], task)
        assert alone.diagnostics["steps"] == fitted.diagnostics["steps"]
        np.testing.assert_allclose(alone.transform_left(task.left), fitted.transform_left(task.left), atol=1e-4)


def test_offsets_give_fits_of_their_own_seed() -> None:
    config, task = Contrastive(**QUICK), related(40, 0)  # type: ignore[arg-type]
    same, other = config.fit_many([task, task], [0, 1])
    later = Contrastive(seed=1, **QUICK).fit_many([task])[0]  # type: ignore[arg-type]
    np.testing.assert_allclose(other.transform_left(task.left), later.transform_left(task.left), atol=1e-4)
    assert np.abs(same.transform_left(task.left) - other.transform_left(task.left)).max() > 0.1


@pytest.mark.parametrize("hidden", [None, 32])
def test_finds_a_planted_map_and_noise_stops_early(hidden: int | None) -> None:
    config = Contrastive(dim=8, hidden=hidden, max_steps=100)
    known, new = related(80, 0), related(200, 1)
    fitted = config.fit(known.left[:0], known.right[:0], known)
    ranks = rank_partners(fitted.transform_left(new.left), fitted.transform_right(new.right))
    assert measure(ranks).recall[10] > 60  # chance 5
    rng = np.random.default_rng(0)
    noise = Pairs(rng.normal(size=(80, 12)), rng.normal(size=(80, 12)))
    assert config.fit_many([noise])[0].diagnostics["steps"] < fitted.diagnostics["steps"]


def test_head_equals_torchs_network() -> None:
    rng = np.random.default_rng(0)
    w = {"w1": rng.normal(size=(5, 7)), "b1": rng.normal(size=(1, 7)), "w2": rng.normal(size=(7, 3))}
    x = rng.normal(size=(4, 5)).astype(np.float32)
    t = {k: torch.from_numpy(v.astype(np.float32)) for k, v in w.items()}
    expected = torch.nn.functional.gelu(torch.from_numpy(x) @ t["w1"] + t["b1"]) @ t["w2"]
    np.testing.assert_allclose(MLPHead(w)(x), torch.nn.functional.normalize(expected, dim=1).numpy(), atol=1e-5)


def test_csa_start_without_a_step_is_the_csa_map_and_steps_lower_the_held_back_loss() -> None:
    known, new = related(60, 0), related(200, 1)
    still = Contrastive(dim=40, start="csa", lr=1e-12).fit_many([known])[0]  # steps that lead nowhere
    csa = RidgeCCA().fit(known.left[:0], known.right[:0], known)
    np.testing.assert_allclose(still.score(new.left, new.right), csa.score(new.left, new.right), atol=1e-4)
    trained = Contrastive(dim=40, start="csa").fit_many([known])[0]
    assert trained.diagnostics["steps"] > 0 == still.diagnostics["steps"]
    assert trained.diagnostics["held_back_loss"] < still.diagnostics["held_back_loss"]
    with pytest.raises(UserError, match="start: 'csa' is not allowed"):
        Contrastive(hidden=8, start="csa")


def test_refuses_few_pairs_and_impossible_settings() -> None:
    with pytest.raises(UserError, match="9 pairs are too few"):
        Contrastive().fit_many([related(9, 0)])
    for bad in ({"dim": 0}, {"temperature": 0.0}, {"lr": 2.0}, {"holdout": 0.9}, {"hidden": 0}):
        with pytest.raises(UserError, match=f"{next(iter(bad))}: .* is not allowed"):
            Contrastive(**bad)  # type: ignore[arg-type]
