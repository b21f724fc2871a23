"""Step ``train``: a network on the prepared rows, on Ray Train or in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cluster.training import Scaling, train
from cluster.workflow.step import Facts, StepContext
from components.files import Folder
from components.objectives.protocol import Criterion
from components.objectives.registry import OBJECTIVES, make_objective
from components.pretraining import image_views, text_views
from components.pretraining.artifact import TOKENIZER, TrainedEncoder
from components.pretraining.batches import require_rows
from components.pretraining.config import HeadConfig, TrainingConfig
from components.pretraining.inputs import ImageInputs, Inputs, TextInputs
from components.pretraining.labels import Classes, classes_of, require_classes
from components.pretraining.network import Network, make_backbone, make_head, read_weights, start_from
from components.pretraining.rows import TRAIN, Rows
from components.pretraining.spec import ImageSpec, Spec, TextSpec
from components.pretraining.tokenizer import TokenIds
from components.pretraining.training import EncoderFit, Task, train_encoder
from components.training import Session

LOOP = "pipelines.steps.train_encoder:train_loop"
MOST_GATES = 4096  # pairs of classes whose gates are kept for the figures
RESULT, ENCODER, START, DIAGNOSIS = "result", "encoder", "start.safetensors", "diagnosis.safetensors"


def run(ctx: StepContext) -> Facts:
    """Write ``encoder/`` (see :mod:`components.pretraining.artifact`), ``start.safetensors`` (the backbone before
    training), ``training.json`` (metrics of every epoch) and ``diagnosis.safetensors`` (arrays for figures).

    config: ``name``, ``modality``, ``model``, ``views``, ``objective``, ``head``, ``training``, ``seed``, ``licence``.
    inputs: ``rows``. locations: ``start``: weights to start from. options: as of :class:`cluster.training.Scaling`,
    and ``loader_processes``.
    """
    _require_rows(ctx)
    settings = {**ctx.config, "rows": ctx.inputs["rows"].path, "start": ctx.locations.get("start")}
    train(LOOP, ctx, {**settings, "loader_processes": int(ctx.options.get("loader_processes") or 0)})
    result = ctx.work.sub(RESULT)
    result.copy_to(ctx.out)
    training = ctx.out.read_json("training.json")
    best = training["history"][training["best_epoch"] - 1]
    facts = {f"best_{name}": value for name, value in best.items() if name != "learning_rate"}
    about = {name: training[name] for name in ("best_epoch", "parameters", "classes", "unlabelled", "dim")}
    return {"epochs": len(training["history"]), **about, **facts}


def _require_rows(ctx: StepContext) -> None:
    """Refuse what the workers would refuse, before any of them is started."""
    scaling = Scaling.of(ctx.options)
    workers = scaling.workers if scaling.engine == "ray" else 1
    batch = TrainingConfig(**ctx.config["training"]).batch
    require_rows(len(Rows(ctx.inputs["rows"]).of(TRAIN)), workers, batch=batch)


def train_loop(session: Session, work: Folder, config: Mapping[str, Any]) -> None:
    """One worker's part; rank 0 leaves the result in ``work``."""
    folder = Folder(work.fs, config["rows"])
    rows, seed = Rows(folder), int(config["seed"])
    spec = spec_of(config, folder)
    task = make_task(config, rows, spec)
    start = _weights_of(task.network.backbone)
    fit = train_encoder(
        task,
        TrainingConfig(**config["training"]),
        session,
        seed=seed,
        processes=int(config.get("loader_processes", 0)),
    )
    if session.rank == 0:
        tokenizer = folder.read_bytes(TOKENIZER) if isinstance(spec, TextSpec) else None
        out = work.sub(RESULT)
        _encoder(config, spec, task, fit, tokenizer).save(out.sub(ENCODER))
        out.write_tensors(START, start)
        _write_facts(out, task, fit)


def spec_of(config: Mapping[str, Any], rows: Folder) -> Spec:
    """The network that the recipe describes; for texts its vocabulary is that of the prepared tokenizer."""
    model = {k: v for k, v in config["model"].items() if k not in ("weights", "stored_side", "vocabulary", "name")}
    if config["modality"] == "image":
        return ImageSpec(model=config["model"]["name"], **model)
    tokens = TokenIds(rows.read_bytes(TOKENIZER), int(config["model"]["max_tokens"]))
    return TextSpec(vocabulary=tokens.vocabulary, **model)


def make_task(config: Mapping[str, Any], rows: Rows, spec: Spec) -> Task:
    """Network, objective, inputs and classes of a training. Raises UserError if the objective lacks its labels."""
    seed, objective = int(config["seed"]), config["objective"]
    classes = classes_of(rows.labels, rows.of(TRAIN))
    traits = OBJECTIVES[objective["name"]]
    if traits.labelled:
        require_classes(classes, objective["name"])
    backbone = make_backbone(spec, seed=seed)
    if config.get("start"):
        where = config["start"]
        start_from(backbone, _given(where), where=where)
    head_config = HeadConfig(**config["head"])
    head = make_head(
        backbone.dim,
        head_config,
        classes=len(classes) if traits.classifies else None,
        predictor=traits.target_network,
        seed=seed + 1,
    )
    criterion = make_criterion(objective, dim=head_config.dim, num_classes=len(classes), seed=seed + 2)
    return Task(make_inputs(config, rows, spec), Network(backbone, head), criterion, classes)


def make_inputs(config: Mapping[str, Any], rows: Rows, spec: Spec) -> Inputs:
    """The rows with the recipe's random views."""
    import dataclasses

    chosen = {k: v for k, v in config["views"].items() if k != "preset" and v is not None}
    if isinstance(spec, ImageSpec):
        return ImageInputs(
            rows, spec.side, dataclasses.replace(image_views.image_views(config["views"]["preset"]), **chosen)
        )
    return TextInputs(rows, dataclasses.replace(text_views.text_views(config["views"]["preset"]), **chosen))


def _given(start: str) -> Mapping[str, np.ndarray]:
    """Weights of a trained encoder's folder, or of a safetensors file."""
    folder = Folder.at(start)
    return TrainedEncoder.load(folder).weights if folder.exists("encoder.json") else read_weights(Path(start))


def _weights_of(module: Any) -> dict[str, np.ndarray]:
    return {name: value.detach().cpu().numpy().copy() for name, value in module.state_dict().items()}


def _encoder(
    config: Mapping[str, Any], spec: Spec, task: Task, fit: EncoderFit, tokenizer: bytes | None
) -> TrainedEncoder:
    """The artifact; its head holds what else was trained."""
    head = {f"head.{n}": v for n, v in _weights_of(fit.network.head).items()}
    criterion = {f"objective.{n}": v for n, v in _weights_of(fit.criterion).items()}
    about = {
        "objective": config["objective"],
        "epochs": len(fit.history),
        "best_epoch": fit.best_epoch,
        "classes": list(task.classes.names),
        "metrics": dict(fit.history[fit.best_epoch - 1]),
        "seed": config["seed"],
    }
    return TrainedEncoder(
        name=config["name"],
        spec=spec,
        dim=fit.network.dim,
        weights=_weights_of(fit.network.backbone),
        head=head | criterion,
        tokenizer=tokenizer,
        licence=config.get("licence", ""),
        about=about,
    )


def _write_facts(out: Folder, task: Task, fit: EncoderFit) -> None:
    """Arrays for figures, and numbers of every epoch."""
    arrays = {k: np.asarray(v) for k, v in fit.diagnosis.items()} | _pair_gates(fit.criterion, len(task.classes))
    if arrays:
        out.write_tensors(DIAGNOSIS, arrays)
    weights = sum(p.numel() for p in fit.network.backbone.parameters())
    facts = {"best_epoch": fit.best_epoch, "history": [dict(h) for h in fit.history], "dim": fit.network.dim}
    out.write_json("training.json", {**facts, "parameters": weights, **_label_facts(task.classes, task.inputs.rows)})


@torch.no_grad()
def _pair_gates(criterion: Criterion, classes: int) -> dict[str, np.ndarray]:
    """Gates of unordered pairs of classes [P, D], if the objective has any."""
    gate: Any = getattr(criterion, "gate", None)
    if gate is None:
        return {}
    first, second = np.triu_indices(classes)
    chosen = np.random.default_rng(0).permutation(len(first))[:MOST_GATES]
    device = gate.labels.weight.device
    one, two = (torch.from_numpy(index[chosen]).to(device) for index in (first, second))
    return {"pair_gates": gate(one, two).cpu().numpy()}


def _label_facts(classes: Classes, rows: Rows) -> dict[str, int]:
    """How many classes there are, and how many training rows have none of them."""
    return {"classes": len(classes), "unlabelled": int((classes.of_row[rows.of(TRAIN)] < 0).sum())}


def make_criterion(objective: Mapping[str, Any], *, dim: int, num_classes: int, seed: int) -> Criterion:
    """The objective with parameters drawn from the seed."""
    config = make_objective(objective["name"], objective["settings"])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return config.build(dim=dim, num_classes=num_classes)
