"""Parts of the benchmark of objectives at small sizes, and what SimLAP's gate must show on held-out digits."""

import json
from pathlib import Path

import pytest
import torch

from pipelines.bench.objectives import accelerator, overhead, simlap_study, speed, table, timing, worlds
from pipelines.bench.objectives.training import Trial, probes, train


def test_the_slow_forms_have_the_gradients_of_the_fast_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LOSS_ROWS": 32, "ANCHORS": 24, "KEYS": 40, "COLUMNS": 16}.items():
        monkeypatch.setattr(speed, name, value)
    loss, simlap = speed.loss_speed(quick=True), speed.simlap_speed(quick=True)
    assert loss["gradient_error"] < 1e-5
    assert loss["memory_ratio_vs_unrolled"] > 50
    assert simlap["gradient_error"] < 1e-5


def test_sinkhorn_is_right_where_the_kernel_of_pot_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SWEEPS", {64: 10})
    found = speed.sinkhorn_speed(quick=True)
    assert found["speedup_vs_pot_log"].keys() == found["speedup_vs_pot_kernel"].keys() == {"64"}
    assert found["at_small_epsilon"]["error"] < 1e-4 < found["at_small_epsilon"]["pot_kernel_error"]


def test_storages_are_counted_once() -> None:
    x = torch.ones(1000, requires_grad=True)

    def square() -> torch.Tensor:
        return (x * x).sum()

    def twice() -> torch.Tensor:
        return x.exp().exp().sum()

    assert timing.saved_bytes(square) == 4000
    assert timing.saved_bytes(twice) == 8000


@pytest.mark.parametrize("world", ["digits", "pictures"])
def test_views_depend_on_the_generator_and_noisy_ones_are_farther(world: str) -> None:
    pictures = table.WORLDS[world](0).pictures[:64]
    far = {}
    for name, views in worlds.VIEWS.items():
        one, two = (worlds.draw(pictures, views, torch.Generator().manual_seed(s)) for s in (1, 1))
        assert torch.equal(one, two) and one.shape == pictures.shape
        far[name] = float((one - pictures).square().mean())
    assert far["noisy"] > 2 * far["clean"] > 0


@pytest.mark.parametrize("world", ["digits", "pictures"])
def test_held_out_rows_do_not_train_and_every_class_is_on_both_sides(world: str) -> None:
    made = table.WORLDS[world](0)
    assert not set(made.train.tolist()) & set(made.test.tolist())
    assert len(made.train) + len(made.test) == len(made.classes)
    for rows in (made.train, made.test):
        assert made.classes[rows].unique().numel() == made.num_classes


def test_one_cell_of_the_table() -> None:
    trial = Trial(objective="byol", settings={}, steps=2, seed=1)
    found = [probes(train(worlds.digits(0), trial), worlds.digits(0)) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].keys() == {"knn", "linear", "effective_rank", "effective_rank_head"}
    assert 0.5 < found[0]["knn"] <= 1


def test_the_step_of_an_accelerator_at_a_small_size() -> None:
    setting = accelerator.Setting(batch=4, side=16, outputs=8, repeats=1)
    found = accelerator.measure_step(torch.device("cpu"), setting)
    assert found["images_per_s"] > 0 and 0 < found["loss_share"] < 1


@pytest.mark.slow
def test_the_gate_of_simlap() -> None:
    """Two splits of classes and rows. That SimLAP transfers better than SupCon is reported, not asserted."""
    found = simlap_study.measure_simlap(steps=300, seeds=(1, 2))
    assert found["gated_auc"] >= 0.97 and abs(found["ungated_auc"] - 0.5) <= 0.1
    gated, without = found["probes"]["simlap"], found["probes"]["open_gate"]
    assert gated["seen_knn"] > without["seen_knn"] and gated["all_linear"] > without["all_linear"]
    assert found["loss"]["open_gate"] > 1.2 * found["loss"]["simlap"]  # without a gate it stays at that of chance
    rank = found["effective_rank"]
    assert rank["simlap"] > rank["supcon"] + 3
    assert rank["identical_pair_control"] > rank["supcon"]  # so the rank is not owed to arbitrary pairs


def test_the_loop_of_the_overhead_leaves_its_seconds(tmp_path: Path) -> None:
    from components.files import Folder
    from components.training import LocalSession

    overhead.loop(LocalSession(), Folder.at(str(tmp_path)), {"steps": 1, "epochs": 2})
    found = json.loads((tmp_path / overhead.RESULT).read_text())
    assert found["cpu"] > 0 and found["wall"] > 0
