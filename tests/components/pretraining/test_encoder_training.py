"""Training of encoders: it learns, goes on after a stop, and is the same whatever the workers and the parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoder_worlds import FAST, image_task, picture_rows, text_rows, text_task
from two_workers import run_two

from components.errors import UserError
from components.files import Folder
from components.objectives.protocol import Criterion, GlobalBatch, Scored
from components.pretraining.config import TrainingConfig
from components.pretraining.rows import TRAIN, Rows
from components.pretraining.training import EncoderFit, EncoderTraining, Task, train_encoder
from components.training import LocalSession

OBJECTIVES: dict[str, dict[str, Any]] = {
    "info-nce": {},
    "gca-ince": {"epsilon": 0.2},
    "byol": {},
    "simlap": {"instance": 1.0},
    "cross-entropy": {},
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, int]:
    return text_rows(Folder.at(tmp_path_factory.mktemp("texts")))


def weights(fit: EncoderFit) -> dict[str, np.ndarray]:
    modules = {"network": fit.network, "criterion": fit.criterion}
    return {f"{n}.{k}": v.detach().numpy() for n, m in modules.items() for k, v in m.state_dict().items()}


def difference(one: EncoderFit, other: EncoderFit) -> float:
    a, b = weights(one), weights(other)
    return max(float(np.abs(a[n] - b[n]).max()) for n in a)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_kind_of_objective_trains_and_the_probe_beats_the_start(texts: tuple[Rows, int], objective: str) -> None:
    config = replace(FAST, epochs=8, stop="never")
    fit = train_encoder(text_task(*texts, objective, **OBJECTIVES[objective]), config, LocalSession())
    first, last = fit.history[0], fit.history[-1]
    assert last["loss"] < first["loss"] and fit.best_epoch == len(fit.history) == 8
    assert last["probe_accuracy"] >= 0.7 and last["effective_rank"] > 2  # four topics; chance is 0.25
    assert {"validation_loss", "effective_rank_head", "learning_rate", "rows_per_s"} <= set(last)


def test_pictures_train_and_the_plan_is_kept_for_a_figure(tmp_path: Path) -> None:
    fit = train_encoder(image_task(picture_rows(Folder.at(tmp_path)), "gca-ince"), FAST, LocalSession())
    assert fit.history[-1]["loss"] < fit.history[0]["loss"]
    assert {"epsilon", "marginal_error", "iterations"} <= set(fit.history[0])
    plan, classes = fit.diagnosis["plan"], fit.diagnosis["classes"]
    assert plan.shape == (24, 24) and (np.diff(classes) >= 0).all() and (plan >= 0).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_two_workers_end_like_one_with_the_whole_batch(texts: tuple[Rows, int], objective: str) -> None:
    config = replace(FAST, batch=30, epochs=2)

    def task() -> Task:
        torch.manual_seed(0)
        return text_task(*texts, objective, **OBJECTIVES[objective])

    alone = train_encoder(task(), config, LocalSession())
    waiting = [task(), task()]
    pair = run_two(lambda session: train_encoder(waiting[session.rank], config, session))
    assert difference(pair[0], pair[1]) == 0
    assert difference(alone, pair[0]) < 2e-3  # Adam divides small gradients by small gradients
    np.testing.assert_allclose([h["loss"] for h in pair[0].history], [h["loss"] for h in alone.history], rtol=1e-3)


@pytest.mark.parametrize("objective", ["gca-ince", "byol"])
def test_parts_of_a_batch_have_the_loss_of_the_whole(texts: tuple[Rows, int], objective: str) -> None:
    config = replace(FAST, epochs=2)
    whole = train_encoder(text_task(*texts, objective), config, LocalSession())
    parts = train_encoder(text_task(*texts, objective), replace(config, accumulate=3), LocalSession())
    np.testing.assert_allclose([h["loss"] for h in parts.history], [h["loss"] for h in whole.history], rtol=1e-3)
    assert difference(whole, parts) < 2e-3


@pytest.mark.parametrize("objective", ["simlap", "byol"])
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(
    texts: tuple[Rows, int], objective: str, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch == 2:
            raise Stop

    def task() -> Task:
        torch.manual_seed(0)
        return text_task(*texts, objective)

    undisturbed = train_encoder(task(), FAST, LocalSession())
    with pytest.raises(Stop):
        train_encoder(task(), FAST, LocalSession(Folder.at(tmp_path), stop))
    epochs: list[int] = []
    session = LocalSession(Folder.at(tmp_path), lambda epoch, metrics: epochs.append(epoch))
    resumed = train_encoder(task(), FAST, session)
    assert epochs == [3] and difference(undisturbed, resumed) == 0
    ended = [[{k: v for k, v in h.items() if k != "rows_per_s"} for h in f.history] for f in (undisturbed, resumed)]
    assert ended[0] == ended[1]


def test_it_stops_early_and_keeps_the_best_epoch(texts: tuple[Rows, int]) -> None:
    config = replace(FAST, epochs=40, patience=2, learning_rate=0.02)
    fit = train_encoder(text_task(*texts), config, LocalSession())
    losses = [h["validation_loss"] for h in fit.history]
    assert len(losses) < 40 and fit.best_epoch == int(np.argmin(losses)) + 1 == len(losses) - 2
    probed = train_encoder(text_task(*texts), replace(config, stop="probe"), LocalSession())
    accuracies = [h["probe_accuracy"] for h in probed.history]
    assert probed.best_epoch == int(np.argmax(accuracies)) + 1


def test_rows_without_a_label_are_left_out_by_objectives_that_need_one(tmp_path: Path) -> None:
    rows, vocabulary = text_rows(Folder.at(tmp_path), unlabelled=60)
    seen: set[int] = set()
    for objective, all_rows in (("supcon", False), ("cross-entropy", False), ("info-nce", True)):
        training = EncoderTraining(text_task(rows, vocabulary, objective), FAST, LocalSession(), seed=0)
        seen = {int(r) for epoch in range(20) for batch in training.batches.epoch(epoch) for r in batch}
        named = {int(r) for r in rows.of(TRAIN) if rows.labels[r] is not None}
        assert (seen == named) != all_rows
        assert not all_rows or seen == set(rows.of(TRAIN).tolist())


def test_without_labels_there_is_no_probe(tmp_path: Path) -> None:
    rows, vocabulary = text_rows(Folder.at(tmp_path), labels=False)
    fit = train_encoder(text_task(rows, vocabulary), replace(FAST, epochs=1, stop="probe"), LocalSession())
    assert "probe_accuracy" not in fit.history[0] and fit.best_epoch == 1


def test_the_target_network_follows_slowly(texts: tuple[Rows, int]) -> None:
    training = EncoderTraining(text_task(*texts, "byol"), FAST, LocalSession(), seed=0)
    before = training.learner.target_state()
    next(iter(training.steps()))
    now = {n: v.numpy() for n, v in training.learner.network.state_dict().items()}
    training.learner.move_target(0.9)
    for name, value in training.learner.target_state().items():
        np.testing.assert_allclose(value, 0.9 * before[name] + 0.1 * now[name], atol=1e-6)


@pytest.mark.parametrize("extra", [{"precision": "bfloat16"}, {"optimizer": "sgd", "learning_rate": 0.05}])
def test_other_precision_and_optimizer(texts: tuple[Rows, int], extra: dict[str, Any]) -> None:
    fit = train_encoder(text_task(*texts), replace(FAST, epochs=4, **extra), LocalSession())
    assert fit.history[-1]["loss"] < fit.history[0]["loss"]


def test_a_loss_that_is_not_finite_ends_it_in_words(texts: tuple[Rows, int]) -> None:
    class Broken(Criterion):
        def forward(self, batch: GlobalBatch) -> Scored:
            return Scored(loss=batch.z.sum() * float("nan"))

    with pytest.raises(UserError, match=r"the loss is nan in epoch 1; lower the"):
        train_encoder(replace(text_task(*texts), criterion=Broken()), FAST, LocalSession())


def test_too_few_rows_for_the_workers_are_refused(texts: tuple[Rows, int]) -> None:
    waiting = [text_task(*texts), text_task(*texts)]
    with pytest.raises(UserError, match="3 rows a batch are too few for 2 workers"):
        run_two(lambda session: train_encoder(waiting[session.rank], replace(FAST, batch=3), session))


def test_learning_rate_and_momentum_over_time() -> None:
    config = TrainingConfig(epochs=10, warmup=2.0, learning_rate=1.0, ema=0.9)
    rates = [config.rate_at(t) for t in (0.0, 1.0, 2.0, 6.0, 10.0)]
    np.testing.assert_allclose(rates, [0, 0.5, 1, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose([config.ema_at(t) for t in (0.0, 5.0, 10.0)], [0.9, 0.95, 1.0])


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"optimizer": "lars"}, {"stop": "now"}, {"learning_rate": 0.0}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        TrainingConfig(**wrong)
