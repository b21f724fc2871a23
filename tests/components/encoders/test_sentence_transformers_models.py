from __future__ import annotations

import numpy as np
import pytest

from components.encoders.minilm import _model_dir
from components.encoders.protocol import LoadOptions
from components.encoders.sentence_transformers_models import SentenceTransformersEncoder, load
from components.errors import UserError


class _Fake:
    """The library's interface, as far as it is used here: a vector of letter counts."""

    def get_embedding_dimension(self) -> int:
        return 3

    def encode(self, texts: list[str], *, batch_size: int, show_progress_bar: bool) -> np.ndarray:
        return np.array([[t.count(c) for c in "abc"] for t in texts], np.float64)


def test_rows_are_those_of_the_model() -> None:
    encoder = SentenceTransformersEncoder("sentence-transformers:fake", _Fake(), LoadOptions())
    assert encoder.dim == 3
    assert encoder.encode(["aab", "c"]).tolist() == [[2, 1, 0], [0, 0, 1]]
    assert encoder.encode(["a"]).dtype == np.float32
    assert encoder.encode([]).shape == (0, 3)


@pytest.mark.slow
def test_loads_a_model_from_a_folder() -> None:
    encoder = load(str(_model_dir()), LoadOptions())
    assert encoder.encode(["a red heart"]).shape == (1, encoder.dim) == (1, 384)


@pytest.mark.slow
def test_a_model_that_cannot_be_had_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import sentence_transformers

    def no_network(name: str, **kwargs: object) -> None:
        raise OSError("We couldn't connect to the hub")

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", no_network)
    with pytest.raises(UserError, match=r"cannot load 'nobody/nothing' \(OSError\).*use minilm"):
        load("nobody/nothing", LoadOptions())
