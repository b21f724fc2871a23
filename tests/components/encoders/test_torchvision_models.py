from __future__ import annotations

from urllib.error import URLError

import numpy as np
import pytest

from components.encoders.protocol import LoadOptions
from components.encoders.torchvision_models import TorchvisionEncoder, behead, load
from components.errors import UserError

torchvision = pytest.importorskip("torchvision")


@pytest.mark.parametrize(
    ("name", "dim"), [("resnet18", 512), ("mobilenet_v3_small", 1024), ("swin_t", 768), ("shufflenet_v2_x0_5", 1024)]
)
def test_behead_leaves_the_input_of_the_classifier(name: str, dim: int) -> None:
    import torch

    model = torchvision.models.get_model(name, weights=None).eval()
    assert behead(model) == dim
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 64, 64)).shape == (1, dim)


def test_a_model_without_a_linear_layer_is_refused() -> None:
    with pytest.raises(UserError, match="no linear layer"):
        behead(torchvision.models.get_model("squeezenet1_1", weights=None))


def test_a_picture_does_not_see_its_neighbours(pictures: list[bytes]) -> None:
    import torch

    torch.manual_seed(0)
    model = torchvision.models.get_model("resnet18", weights=None)
    preprocess = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
    encoder = TorchvisionEncoder("torchvision:resnet18", model, preprocess, LoadOptions())
    together = encoder.encode(pictures[:6])
    assert together.shape == (6, 512) and together.dtype == np.float32
    np.testing.assert_allclose(encoder.encode(pictures[:1]), together[:1], atol=1e-5)
    assert encoder.encode([]).shape == (0, 512)


def test_an_unknown_model_is_refused_with_similar_names() -> None:
    with pytest.raises(UserError, match=r"no model 'resnet51'.*resnet101"):
        load("resnet51", LoadOptions())


def test_weights_that_cannot_be_had_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    import torch

    def no_network(*args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(UserError, match=r"torchvision:resnet18.*no route to host.*use efficientnet-lite0"):
        load("resnet18", LoadOptions())
