from __future__ import annotations

import numpy as np
import pytest

from components.encoders.protocol import LoadOptions
from components.encoders.use_multilingual import UseMultilingual


@pytest.fixture(scope="module")
def encoder() -> UseMultilingual:
    return UseMultilingual(LoadOptions(threads=1))


def test_languages_share_a_space(encoder: UseMultilingual) -> None:
    english = encoder.encode(["a red heart", "the dog sleeps", "heavy rain"])
    french = encoder.encode(["un cœur rouge", "le chien dort", "forte pluie"])
    assert ((english @ french.T).argmax(1) == [0, 1, 2]).all()


def test_a_text_does_not_see_its_neighbours(encoder: UseMultilingual) -> None:
    texts = [f"{n} green bottles hanging on the wall" for n in range(64)]
    together = encoder.encode(texts)
    assert together.shape == (64, 512) and together.dtype == np.float32
    np.testing.assert_allclose(encoder.encode(texts[:1]), together[:1], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
