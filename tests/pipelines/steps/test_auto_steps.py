"""Branches of auto: the same result as Auto in one process, controls at chance, reasons where one is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from align_world import AlignWorld, make_world

from cluster.workflow.step import Facts, StepContext
from components.alignment.auto import Auto
from components.evaluation.retrieval import rank_partners
from components.evaluation.trials import Trial, sample_unpaired, score_trial
from pipelines.steps.auto_trials import AutoTrials, spared

QUICK = ("procrustes", "kernel-ridge", "fused-csa")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[AlignWorld, Facts]:
    """All steps on a world with two draws."""
    world = make_world(tmp_path_factory.mktemp("auto"), draws=2)
    return world, world.auto(*QUICK)


def trials_of(world: AlignWorld) -> AutoTrials:
    context = StepContext(
        name="",
        key="",
        out=world.root,
        work=world.root,
        inputs=world.inputs("splits", rows="auto-rows"),
        config={"seed": 0, "controls": True},
        locations={},
        options={},
        emit=lambda event: None,
    )
    return AutoTrials.read(context)


def ranks_of(world: AlignWorld, trial: Trial) -> list[float]:
    rows = world.root.sub("fit-auto").read_table("ranks.parquet").to_pylist()
    wanted = (trial.split, trial.draw, trial.control)
    return [r["rank"] for r in rows if (r["split"], r["draw"], r["control"]) == wanted]


def test_branches_give_what_auto_gives_in_one_process(ran: tuple[AlignWorld, Facts]) -> None:
    world, facts = ran
    trials = trials_of(world)
    for trial in (trials.trials[0], trials.trials[3], trials.trials[-1]):
        rows = trials.rows(trial)
        alone = Auto(candidates=QUICK, seed=0).run(rows.left, rows.right, rows.pairs)
        expected = score_trial(trial, alone.alignment, trials.worlds[trial.control]).ranks["rank"].to_pylist()
        assert ranks_of(world, trial) == expected
        if trial is trials.primary:
            assert (facts["chosen"], facts["reason"]) == (alone.chosen, alone.reason)
            told = world.root.sub("fit-auto").read_json("auto.json")
            assert [r["name"] for r in told["rows"]] == [r.name for r in alone.table]


def test_every_split_draw_and_control_is_there_and_the_maps_are_those_of_the_primary_draw(
    ran: tuple[AlignWorld, Facts],
) -> None:
    world, facts = ran
    out, heldout = world.root.sub("fit-auto"), world.splits.heldout
    assert (facts["fits"], facts["controls"]) == (8, 4)
    assert out.read_table("ranks.parquet").num_rows == 8 * 2 * len(heldout)
    left, right = world.mapped("fit-auto")
    primary = ranks_of(world, trials_of(world).primary)
    np.testing.assert_allclose(primary[: len(heldout)], rank_partners(left, right).rank, atol=1)


def test_controls_of_auto_are_at_chance(ran: tuple[AlignWorld, Facts]) -> None:
    _, facts = ran
    assert facts["R@10"] > 60  # of 100; chance 10
    assert facts["R@10.shuffled-pairs"] < 20 and facts["R@10.random-features"] < 20


def test_one_graph_serves_all_draws_where_their_pairs_are_few(ran: tuple[AlignWorld, Facts]) -> None:
    world, _ = ran
    splits = world.splits
    assert spared(splits, sample_unpaired(splits, 0)) is None
    names = trials_of(world).grounds()
    assert len(names) == 2 + 2 + 2  # shuffled pairs share those of their draw
    many = [f"x{n}" for n in range(5000)]  # far more than ten times the pairs
    left, right = spared(splits, (splits.unpaired_left + many, splits.unpaired_right + many)) or ([], [])
    drawn = {p[0] for draws in splits.draws.values() for draw in draws for p in draw}
    assert set(many) <= set(left) and not drawn & set(left) and len(left) == len(right)


def test_a_candidate_that_cannot_be_fitted_is_left_out_with_a_reason(tmp_path: Path) -> None:
    world = make_world(tmp_path, n=140, draws=2)
    facts = world.auto(*QUICK, controls=False)
    assert "too few for a graph" in facts["skipped"]["fused-csa"]
    told = world.root.sub("fit-auto").read_json("auto.json")
    assert "too few for a graph" in told["left_out"]["fused-csa"]
    assert "fused-csa" not in told["weights"]


def test_a_costly_candidate_far_behind_is_given_up_after_the_first_draw(tmp_path: Path) -> None:
    world = make_world(tmp_path, draws=2, noise=0.5)
    facts = world.auto("procrustes", "kernel-ridge", "functional-map", functional_map={"stop_early": True})
    assert "far behind" in facts["skipped"]["functional-map"]
    assert world.root.sub("auto-functional-map").read_json("candidate.json")["fits"] == 1
    told = world.root.sub("fit-auto").read_json("auto.json")
    row = next(r for r in told["rows"] if r["name"] == "functional-map")
    assert row["ahead_of_linear"] < -0.2 and "far behind" in row["skipped"]
    assert "functional-map" not in told["weights"]


def test_a_candidate_beyond_its_share_of_the_budget_is_given_up(tmp_path: Path) -> None:
    world = make_world(tmp_path, draws=2)
    facts = world.auto("procrustes", "kernel-ridge", "asif", asif={"share_s": 1e-3}, controls=False)
    assert "budget_s" in facts["skipped"]["asif"] and set(facts["weights"]) <= {"procrustes", "kernel-ridge"}


def test_too_few_pairs_for_a_comparison_get_procrustes(tmp_path: Path) -> None:
    facts = make_world(tmp_path, draws=2, pairs=6).auto(*QUICK, controls=False)
    assert facts["chosen"] == "procrustes" and "6 pairs are too few" in facts["reason"]
    assert set(facts["skipped"]) == set(QUICK)
