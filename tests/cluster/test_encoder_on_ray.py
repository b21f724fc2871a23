"""An encoder on Ray Train: two workers, one of them killed after an epoch, end like one undisturbed process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deadly import Deadly, send_by_value
from encoder_worlds import picture_rows, text_rows

from cluster.workflow.step import Emit, StepContext
from components.errors import UserError
from components.files import Folder
from pipelines.steps import train_encoder

SHARED: dict[str, Any] = {
    "name": "small",
    "seed": 0,
    "licence": "",
    "objective": {"name": "gca-ince", "settings": {}},
    "head": {"hidden": 32, "dim": 16},
    "training": {"batch": 32, "epochs": 3, "learning_rate": 1e-3},
}
IMAGES = SHARED | {
    "modality": "image",
    "model": {"name": "small-resnet", "side": 16, "width": 8, "norm": "group"},
    "views": {"preset": "clean"},
}
TEXTS = SHARED | {
    "modality": "text",
    "model": {"vocabulary": 400, "max_tokens": 16, "width": 16, "layers": 1, "heads": 2},
    "views": {"preset": "clean", "drop": 0.1},
}


def context(root: Folder, name: str, config: dict[str, Any], emit: Emit, **options: Any) -> StepContext:
    folders = {"out": root.sub(name).make(), "work": root.sub(f"work-{name}").make()}
    return StepContext(
        name=name,
        key=f"{name}-key",
        inputs={"rows": root.sub("rows")},
        config=config,
        locations={},
        options=options,
        emit=emit,
        **folders,
    )


def write_tokenizer(root: Folder) -> None:
    from encoder_worlds import sentences

    from components.pretraining.tokenizer import train_tokenizer

    root.sub("rows").write_bytes("tokenizer.json", train_tokenizer([t for _, t, _ in sentences(120)], 400))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_two_workers_one_of_them_killed_end_like_one_undisturbed_without_ray(tmp_path: Path) -> None:
    send_by_value()
    root = Folder.at(tmp_path)
    picture_rows(root.sub("rows"))
    alone = train_encoder.run(context(root, "alone", IMAGES, lambda event: None, engine="local"))
    pair = train_encoder.run(
        context(root, "pair", IMAGES, Deadly(tmp_path), engine="ray", workers=2, cpus_per_worker=0.5)
    )
    assert (tmp_path / "killed").exists()
    assert Deadly(tmp_path).epochs == [1, 2, 3]  # no epoch was lost, none done twice
    assert pair["best_loss"] == pytest.approx(alone["best_loss"], rel=1e-3)
    one, two = (root.sub(name).read_tensors("encoder/backbone.safetensors") for name in ("alone", "pair"))
    assert max(float(np.abs(one[n] - two[n]).max()) for n in one) < 5e-3


def test_fewer_rows_than_workers_need_are_refused_before_ray_starts(tmp_path: Path) -> None:
    root = Folder.at(tmp_path)
    picture_rows(root.sub("rows"))
    small = IMAGES | {"training": {"batch": 8, "epochs": 1}}
    with pytest.raises(UserError, match=r"8 rows a batch are too few for 5 workers \(72 training rows, batch 8\)"):
        train_encoder.run(context(root, "many", small, lambda event: None, engine="ray", workers=5))
    with pytest.raises(UserError, match="72 rows a batch are too few for 40 workers"):
        large = IMAGES | {"training": {"batch": 100, "epochs": 1}}
        train_encoder.run(context(root, "all", large, lambda event: None, engine="ray", workers=40))


def test_the_step_without_ray_goes_on_from_its_checkpoint_and_tells_every_epoch(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    root = Folder.at(tmp_path)
    text_rows(root.sub("rows"))
    write_tokenizer(root)
    seen: list[Mapping[str, Any]] = []

    def stop(event: Mapping[str, Any]) -> None:
        seen.append(event)
        if event["kind"] == "progress" and event["done"] == 2:
            raise Stop

    with pytest.raises(Stop):
        train_encoder.run(context(root, "step", TEXTS, stop, engine="local"))
    train_encoder.run(context(root, "step", TEXTS, seen.append, engine="local"))
    train_encoder.run(context(root, "whole", TEXTS, lambda event: None, engine="local"))
    losses = [(e["index"], e["value"]) for e in seen if e["kind"] == "metric" and e["name"] == "loss"]
    assert [index for index, _ in losses] == [1, 2, 3]
    names = {e["name"] for e in seen if e["kind"] == "metric"}
    assert {"loss", "epsilon", "marginal_error", "iterations", "effective_rank", "probe_accuracy"} <= names
    one, two = (root.sub(name).read_bytes("encoder/backbone.safetensors") for name in ("step", "whole"))
    assert one == two
