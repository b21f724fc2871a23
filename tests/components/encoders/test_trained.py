"""Encoders of one's own: by folder, row by row, known by what they are and not by where they lie."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from components.corpora.images import BadImage
from components.encoders import registry
from components.encoders.protocol import Encoder, LoadOptions
from components.errors import UserError
from components.files import Folder
from components.pretraining.artifact import ABOUT, BACKBONE, TOKENIZER, TrainedEncoder
from components.pretraining.network import make_backbone
from components.pretraining.spec import ImageSpec, TextSpec
from components.pretraining.tokenizer import train_tokenizer

TEXTS = [
    "a small boat",
    "the old harbour at night",
    "salt",
    "",
    "waves and wind and rain and a long, long sentence 日本",
]


def parts(
    spec: ImageSpec | TextSpec, tokenizer: bytes | None = None, seed: int = 0, name: str = "mine"
) -> TrainedEncoder:
    net = make_backbone(spec, seed=seed)
    weights = {n: v.numpy() for n, v in net.state_dict().items()}
    return TrainedEncoder(name=name, spec=spec, dim=net.dim, weights=weights, tokenizer=tokenizer, licence="CC0-1.0")


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    parts(ImageSpec(side=16, width=8)).save(Folder.at(tmp_path / "pictures"))
    return str(tmp_path / "pictures")


@pytest.fixture
def texts(tmp_path: Path) -> str:
    tokenizer = train_tokenizer(TEXTS, 300)
    parts(TextSpec(vocabulary=300, max_tokens=12, width=16, heads=2), tokenizer).save(Folder.at(tmp_path / "texts"))
    return str(tmp_path / "texts")


def png(seed: int, size: tuple[int, int] = (30, 20)) -> bytes:
    data = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(data).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("kind", ["image", "text"])
def test_rows_do_not_depend_on_the_batch(pictures: str, texts: str, kind: str) -> None:
    name = f"trained:{pictures if kind == 'image' else texts}"
    encoder = registry.load(name)
    items: list[Any] = [png(n) for n in range(5)] if kind == "image" else TEXTS
    together = encoder.encode(items)
    assert isinstance(encoder, Encoder) and (encoder.modality, encoder.licence) == (kind, "CC0-1.0")
    assert together.shape == (5, encoder.dim) and together.dtype == np.float32 and np.isfinite(together).all()
    np.testing.assert_allclose(np.concatenate([encoder.encode([i]) for i in items]), together, atol=1e-5)
    np.testing.assert_array_equal(registry.load(name, LoadOptions(threads=1)).encode(items), together)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_a_batch_normed_network_runs_in_evaluation_mode(tmp_path: Path) -> None:
    parts(ImageSpec(side=16, width=8, norm="batch")).save(Folder.at(tmp_path))
    encoder = registry.load(f"trained:{tmp_path}")
    one = encoder.encode([png(0)])
    encoder.encode([png(n) for n in range(1, 9)])
    np.testing.assert_array_equal(encoder.encode([png(0)]), one)


def test_bytes_that_are_no_picture_are_refused(pictures: str) -> None:
    with pytest.raises(BadImage):
        registry.load(f"trained:{pictures}").encode([b"no picture"])


def test_the_registry_says_what_the_folder_says(pictures: str, texts: str) -> None:
    entry = registry.info(f"trained:{texts}")
    assert (entry.modality, entry.dim, entry.licence) == ("text", 16, "CC0-1.0")
    assert registry.resolve(f"trained:{pictures}", "image") == f"trained:{pictures}"
    with pytest.raises(UserError, match="takes images, not texts"):
        registry.resolve(f"trained:{pictures}", "text")
    assert "trained:" in {e.name for e in registry.list_encoders("image")} & {
        e.name for e in registry.list_encoders("text")
    }
    with pytest.raises(UserError, match="no trained encoder here"):
        registry.info("trained:/nowhere/at/all")
    with pytest.raises(UserError, match="unknown encoder 'trained:'"):
        registry.info("trained:")


def test_the_fingerprint_is_of_the_content(tmp_path: Path, pictures: str, texts: str) -> None:
    first = registry.fingerprint(f"trained:{pictures}")
    shutil.copytree(pictures, tmp_path / "moved")
    assert registry.fingerprint(f"trained:{tmp_path / 'moved'}") == first
    parts(ImageSpec(side=16, width=8), name="another name").save(Folder.at(tmp_path / "renamed"))
    assert registry.fingerprint(f"trained:{tmp_path / 'renamed'}") == first
    others = [parts(ImageSpec(side=16, width=8), seed=1), parts(ImageSpec(side=24, width=8))]
    for n, other in enumerate(others):
        other.save(Folder.at(tmp_path / str(n)))
        assert registry.fingerprint(f"trained:{tmp_path / str(n)}") != first
    before = registry.fingerprint(f"trained:{texts}")
    (Path(texts) / TOKENIZER).write_bytes(train_tokenizer(["other words"], 300))
    assert registry.fingerprint(f"trained:{texts}") != before


@pytest.mark.parametrize("damage", ["cut", "gone", "format", "no json"])
def test_a_damaged_folder_is_refused(pictures: str, damage: str) -> None:
    folder = Path(pictures)
    if damage == "cut":
        (folder / BACKBONE).write_bytes((folder / BACKBONE).read_bytes()[:-4])
    elif damage == "gone":
        (folder / BACKBONE).unlink()
    else:
        (folder / ABOUT).write_text('{"format": 99}' if damage == "format" else "half a fi")
    with pytest.raises(UserError, match=r"missing or damaged|format 99|no trained encoder"):
        registry.load(f"trained:{pictures}")


def test_encoding_changes_no_weight_and_keeps_no_gradient(pictures: str) -> None:
    encoder = registry.load(f"trained:{pictures}")
    module = encoder._backbone  # type: ignore[attr-defined]
    before = {n: v.clone() for n, v in module.state_dict().items()}
    encoder.encode([png(0), png(1)])
    assert all(torch.equal(v, before[n]) for n, v in module.state_dict().items())
    assert not module.training and not any(p.requires_grad for p in module.parameters())
