"""Small corpora to train encoders on: coloured shapes, and sentences of four topics. Both are learned in seconds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from components.files import Folder
from components.objectives.registry import OBJECTIVES, make_objective
from components.pretraining.config import HeadConfig, TrainingConfig
from components.pretraining.image_views import ImageViews
from components.pretraining.inputs import ImageInputs, TextInputs
from components.pretraining.labels import Classes, classes_of
from components.pretraining.network import Network, make_backbone, make_head
from components.pretraining.rows import TRAIN, Rows, RowsWriter, SplitConfig
from components.pretraining.spec import ImageSpec, TextSpec
from components.pretraining.text_views import TextViews
from components.pretraining.tokenizer import TokenIds, train_tokenizer
from components.pretraining.training import Task

TOPICS = {
    "sea": "boat wave harbour salt sail fish tide anchor",
    "wood": "tree leaf moss bark root bird branch shade",
    "town": "street tram house shop lamp square bridge clock",
    "sky": "cloud star moon wind storm dawn comet rain",
}
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 70, 220), "yellow": (230, 210, 40)}
SIDE = 16
SPEC = ImageSpec(side=SIDE, width=8)
FAST = TrainingConfig(batch=32, each=4, epochs=3, learning_rate=3e-3, warmup=0.5)
HEAD = HeadConfig(hidden=32, dim=16)


def sentences(count: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Id, text and topic of each."""
    rng = np.random.default_rng(seed)
    names = sorted(TOPICS)
    rows = []
    for n in range(count):
        topic = names[n % len(names)]
        rows.append((f"t{n:04d}", " ".join(rng.choice(TOPICS[topic].split(), 6)), topic))
    return rows


def picture(colour: str, rng: np.random.Generator, side: int = 24) -> np.ndarray:
    """A rectangle of a colour on noise. [side, side, 3] uint8."""
    image = rng.integers(90, 160, (side, side, 3))
    top, left = rng.integers(0, side // 2, 2)
    image[top : top + side // 2, left : left + side // 2] = COLOURS[colour]
    return image.astype(np.uint8)


def text_rows(folder: Folder, count: int = 120, *, labels: bool = True, unlabelled: int = 0) -> tuple[Rows, int]:
    """A prepared corpus of sentences and the size of its vocabulary; of ``unlabelled`` rows the label is missing."""
    ids, texts, topics = zip(*sentences(count), strict=True)
    tokens = TokenIds(train_tokenizer(texts, 400), 16)
    writer = RowsWriter(folder, "text")
    writer.tokens(0, tokens(texts[:50]))
    writer.tokens(1, tokens(texts[50:]))
    named = [None if n < unlabelled or not labels else t for n, t in enumerate(topics)]
    split = SplitConfig(valid_fraction=0.2, test_fraction=0.2).assign(ids, 0)
    writer.finish(ids, named, split, [50, count - 50])
    return Rows(folder), tokens.vocabulary


def picture_rows(folder: Folder, count: int = 120, stored: int = 24) -> Rows:
    """A prepared corpus of coloured rectangles."""
    rng = np.random.default_rng(0)
    names = [sorted(COLOURS)[n % 4] for n in range(count)]
    writer = RowsWriter(folder, "image")
    writer.pictures(0, np.stack([picture(c, rng, stored) for c in names]))
    ids = [f"p{n:04d}" for n in range(count)]
    split = SplitConfig(valid_fraction=0.2, test_fraction=0.2).assign(ids, 0)
    writer.finish(ids, names, split, [count])
    return Rows(folder)


def text_task(rows: Rows, vocabulary: int, objective: str = "info-nce", *, seed: int = 0, **settings: Any) -> Task:
    spec = TextSpec(vocabulary=vocabulary, max_tokens=16, width=16, layers=1, heads=2)
    classes = classes_of(rows.labels, rows.of(TRAIN))
    return _task(TextInputs(rows, TextViews()), make_backbone(spec, seed=seed), classes, objective, settings, seed)


def image_task(
    rows: Rows, objective: str = "info-nce", *, spec: ImageSpec = SPEC, seed: int = 0, **settings: Any
) -> Task:
    classes = classes_of(rows.labels, rows.of(TRAIN))
    inputs = ImageInputs(rows, spec.side, ImageViews(jitter=0.2, grey=0.0))
    return _task(inputs, make_backbone(spec, seed=seed), classes, objective, settings, seed)


def _task(inputs: Any, backbone: Any, classes: Classes, objective: str, settings: Any, seed: int) -> Task:
    traits = OBJECTIVES[objective]
    outputs = len(classes) if traits.classifies else None
    head = make_head(backbone.dim, HEAD, classes=outputs, predictor=traits.target_network, seed=seed + 1)
    criterion = make_objective(objective, settings).build(dim=HEAD.dim, num_classes=len(classes))
    return Task(inputs, Network(backbone, head), criterion, classes)


def write_pictures(path: Path, count: int = 80, *, labels: bool = True) -> Path:
    """A CSV of picture files, and the files. Returns the CSV."""
    from PIL import Image

    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    rows = []
    for n in range(count):
        colour = sorted(COLOURS)[n % 4]
        Image.fromarray(picture(colour, rng)).save(path / f"{n:04d}.png")
        rows.append({"id": f"p{n:04d}", "path": f"{n:04d}.png"} | ({"label": colour} if labels else {}))
    return _write_csv(path / "pictures.csv", rows)


def write_texts(path: Path, count: int = 80, *, labels: bool = True, unlabelled: int = 0) -> Path:
    """A CSV of sentences; of ``unlabelled`` rows the label is empty. Returns it."""
    rows = [
        {"id": i, "text": text} | ({"label": topic if n >= unlabelled else ""} if labels else {})
        for n, (i, text, topic) in enumerate(sentences(count))
    ]
    path.mkdir(parents=True, exist_ok=True)
    return _write_csv(path / "texts.csv", rows)


def _write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path
