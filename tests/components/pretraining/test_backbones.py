"""Networks: shapes, seeds, independence of rows, weights to start from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from components.errors import UserError
from components.pretraining.network import make_backbone, read_weights, start_from
from components.pretraining.spec import ImageSpec, Spec, TextSpec, spec_from_json, spec_to_json

TEXT = TextSpec(vocabulary=300, max_tokens=12, width=16, layers=2, heads=2)


@pytest.mark.parametrize(
    ("spec", "dim"),
    [
        (ImageSpec(side=16, width=8), 32),
        (ImageSpec(model="resnet18", side=32), 512),
        (ImageSpec(model="resnet18", side=80, norm="batch"), 512),
        (ImageSpec(model="vit_b_32", side=32), 768),
    ],
    ids=lambda v: v.model if isinstance(v, ImageSpec) else str(v),
)
def test_picture_networks_give_one_row_of_features_a_picture(spec: ImageSpec, dim: int) -> None:
    net = make_backbone(spec, seed=0).eval()
    with torch.no_grad():
        out = net(torch.randn(2, 3, spec.side, spec.side))
    assert net.dim == dim and out.shape == (2, dim) and bool(out.isfinite().all())


def test_small_pictures_get_a_stem_that_keeps_the_resolution() -> None:
    small = make_backbone(ImageSpec(model="resnet18", side=32), seed=0)
    large = make_backbone(ImageSpec(model="resnet18", side=128), seed=0)
    assert small.net.conv1.kernel_size == (3, 3) and large.net.conv1.kernel_size == (7, 7)
    assert isinstance(small.net.maxpool, torch.nn.Identity)


@pytest.mark.parametrize("spec", [ImageSpec(side=16, width=8), TEXT], ids=["image", "text"])
def test_weights_follow_from_the_seed_and_leave_torchs_own_generator_alone(spec: Spec) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, same, other = (make_backbone(spec, seed=s).state_dict() for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[n], same[n]) for n in one)
    assert any(not torch.equal(one[n], other[n]) for n in one)


def test_layers_of_the_transformer_do_not_start_alike() -> None:
    state = make_backbone(TEXT, seed=0).state_dict()
    name = "layers.layers.{}.linear1.weight"
    assert not torch.equal(state[name.format(0)], state[name.format(1)])


def test_a_row_depends_neither_on_its_neighbours_nor_on_its_padding() -> None:
    net = make_backbone(TEXT, seed=0).eval()
    ids = torch.randint(1, 300, (5, 7), generator=torch.Generator().manual_seed(0))
    longer = torch.cat([ids, torch.zeros(5, 4, dtype=torch.int64)], 1)
    with torch.no_grad():
        torch.testing.assert_close(net(longer), net(ids), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(net(ids[2:3])[0], net(ids)[2], atol=1e-5, rtol=1e-4)


def test_specs_survive_a_round_trip_through_json() -> None:
    for spec in (ImageSpec(model="resnet18", side=64), TEXT):
        assert spec_from_json(spec_to_json(spec)) == spec
    with pytest.raises(UserError, match="describes no encoder"):
        spec_from_json({"modality": "sound"})
    with pytest.raises(UserError, match="describes no encoder"):
        spec_from_json({"modality": "image", "depth": 3})


def test_given_weights_are_taken_by_name_and_others_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    donor = make_backbone(ImageSpec(model="resnet18", side=32, norm="batch"), seed=5)
    plain = {n.removeprefix("net."): v.contiguous() for n, v in donor.state_dict().items()}  # as torchvision names them
    save_file(plain | {"fc.weight": torch.zeros(3, 512)}, tmp_path / "w.safetensors")
    net = make_backbone(ImageSpec(model="resnet18", side=32, norm="batch"), seed=0)
    assert start_from(net, read_weights(tmp_path / "w.safetensors"), where="w") == len(plain)
    assert all(torch.equal(v, donor.state_dict()[n]) for n, v in net.state_dict().items())
    with pytest.raises(UserError, match=r"of another network: .* are missing"):
        start_from(make_backbone(ImageSpec(side=16, width=8), seed=0), {"a": np.zeros(3)}, where="w")
    wide = {n: v.numpy() for n, v in make_backbone(ImageSpec(side=16, width=16), seed=0).state_dict().items()}
    with pytest.raises(UserError, match="has the shape"):
        start_from(make_backbone(ImageSpec(side=16, width=8), seed=0), wide, where="w")
    (tmp_path / "no.safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="cannot be read as weights"):
        read_weights(tmp_path / "no.safetensors")


def test_impossible_networks_are_refused_in_words() -> None:
    with pytest.raises(UserError, match=r"no picture model 'resnet1800'; use small-resnet, or e.g. resnet"):
        make_backbone(ImageSpec(model="resnet1800"), seed=0)
    with pytest.raises(UserError, match="vit_b_16 cannot take pictures of 33 px"):
        make_backbone(ImageSpec(model="vit_b_16", side=33), seed=0)
    for wrong in ({"side": 4}, {"width": 12}, {"norm": "layer"}):
        with pytest.raises(UserError):
            ImageSpec(**wrong)
    with pytest.raises(UserError, match="does not divide by 3 heads"):
        TextSpec(vocabulary=300, width=16, heads=3)
