"""SimLAP: the products equal the tensor, masks and losses against loops, gates, and what a short training shows."""

import pytest
import torch
from batches import CLASSES, DIM, batch, criterion

from components.objectives.class_pairs import ClassPairs, masks, pair_loss
from components.objectives.gated_logits import gated_logits
from components.objectives.label_gate import LabelGate, gate_entropy
from components.objectives.pair_auc import pair_auc
from components.objectives.protocol import GlobalBatch
from components.objectives.simlap import SimLAP, both_directions, normed


def tensor_form(q: torch.Tensor, k: torch.Tensor, gates: torch.Tensor, temperature: float) -> torch.Tensor:
    """The definition, with the tensor [B, N, D] written down."""
    one, two = (q * gates)[:, None].expand(-1, len(k), -1), k[None] * gates[:, None]
    return torch.nn.functional.cosine_similarity(one, two, dim=2) / temperature


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_three_products_equal_the_tensor_in_value_and_gradient(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(n, 32, generator=generator, dtype=dtype) for n in (20, 30, 20)]
    values, gradients = [], []
    for form in (gated_logits, tensor_form):
        q, k, raw = (x.clone().requires_grad_() for x in inputs)
        logits = form(q, k, raw.sigmoid(), 1.0)
        values.append(logits)
        gradients.append(torch.autograd.grad(logits.square().sum(), (q, k, raw)))
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(values[0], values[1], **tolerance)
    torch.testing.assert_close(gradients[0], gradients[1], **tolerance)


def test_a_closed_gate_has_a_finite_gradient() -> None:
    gates = torch.zeros(4, 8, requires_grad=True)
    gated_logits(torch.randn(4, 8), torch.randn(5, 8), gates, 0.1).sum().backward()
    assert gates.grad is not None and bool(gates.grad.isfinite().all())


def test_masks_and_loss_against_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(0, 4, (12,), generator=generator)
    partner = torch.randint(0, 4, (12,), generator=generator)
    partner[3] = classes[3]
    logits = torch.randn(12, 12, generator=generator, dtype=torch.float64)
    total, count, lost = 0.0, 0, 0
    for i in range(12):
        near = [j for j in range(12) if classes[j] == partner[i]]
        far = [j for j in range(12) if classes[j] not in (classes[i], partner[i])]
        lost += not near
        for j in near:
            total += float(torch.log1p(sum(torch.exp(logits[i, n] - logits[i, j]) for n in far)))
            count += 1
    found = pair_loss(logits, masks(classes, partner, classes))
    assert float(found.value) == pytest.approx(total / count)
    assert float(found.lost) == pytest.approx(lost / 12)


def test_anchors_without_positives_or_negatives_count_nothing() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    keys = torch.tensor([0, 0, 1, 1])
    nobody = pair_loss(logits, masks(torch.tensor([0, 1, 0]), torch.tensor([5, 5, 1]), keys))
    nobody.value.backward()
    assert float(nobody.value.detach()) == 0 and float(nobody.lost) == 1
    assert logits.grad is not None and float(logits.grad.abs().sum()) == 0


def test_drawn_partners() -> None:
    classes = torch.arange(4000) % 10
    arbitrary = ClassPairs(same_share=0.0).draw(classes, 10, 0)
    assert sorted(arbitrary.tolist()) == sorted(classes.tolist())
    assert 0.07 < float((arbitrary == classes).float().mean()) < 0.13
    distinct = ClassPairs(pairing="distinct", same_share=0.25).draw(classes, 10, 0)
    assert 0.22 < float((distinct == classes).float().mean()) < 0.28
    assert torch.equal(ClassPairs(pairing="identical").draw(classes, 10, 0), classes)
    assert torch.equal(distinct, ClassPairs(pairing="distinct", same_share=0.25).draw(classes, 10, 0))
    assert not torch.equal(distinct, ClassPairs(pairing="distinct", same_share=0.25).draw(classes, 10, 1))


def test_gates_are_symmetric_and_their_entropy_is_that_of_coins() -> None:
    gate = LabelGate(5, 8, 16).eval()
    one, two = torch.tensor([0, 1, 4]), torch.tensor([3, 1, 2])
    torch.testing.assert_close(gate(one, two), gate(two, one))
    torch.testing.assert_close(gate.similarity().diagonal(), torch.ones(5))
    assert float(gate_entropy(torch.tensor([0.5, 0.5]))) == pytest.approx(0.6931, abs=1e-4)
    shut = torch.tensor([0.0, 1.0], requires_grad=True)
    gate_entropy(shut).backward()
    assert float(gate_entropy(shut.detach())) < 1e-4
    assert shut.grad is not None and bool(shut.grad.isfinite().all())


def test_own_classes_as_partners_are_the_identical_control_and_the_parts_add_up() -> None:
    data = batch()
    control = criterion("simlap", pairing="identical")(data).loss
    torch.testing.assert_close(criterion("simlap", arbitrary=0.0, identical=1.0)(data).loss, control)
    torch.testing.assert_close(criterion("simlap", same_share=1.0)(data).loss, control)
    parts = [criterion("simlap", open_gate=True, **w)(data).loss for w in ({}, {"arbitrary": 0.0, "identical": 1.0})]
    instance = criterion("info-nce", epsilon=0.1)(data).loss
    joint = criterion("simlap", open_gate=True, identical=2.0, instance=3.0)(data).loss
    torch.testing.assert_close(joint, (parts[0] + 2 * parts[1] + 3 * instance) / 6)
    made = criterion("simlap", gate_entropy=0.5)
    scored, plain = made(data), criterion("simlap")(data)
    torch.testing.assert_close(scored.loss - plain.loss, 0.5 * scored.metrics["gate_entropy"])


def test_the_order_of_the_rows_does_not_matter_once_partners_are_drawn() -> None:
    data, order = batch(), torch.randperm(16)
    classes, views, partner = data.classes, normed(data.z), torch.arange(16) % 3
    assert classes is not None
    gates = torch.rand(16, DIM, dtype=torch.float64)
    one = both_directions(views, gates, 0.1, classes, partner)
    two = both_directions(views[:, order], gates[order], 0.1, classes[order], partner[order])
    torch.testing.assert_close(one.value, two.value)


def test_random_means_are_separable_in_the_half_where_they_agree() -> None:
    """Existence of subspaces is a property of random means: the cosine tends to 2/π there."""
    means = torch.randn(400, 256, generator=torch.Generator().manual_seed(0))
    agree = (means[0::2] * means[1::2] > 0).float()
    cosines = gated_logits(means[0::2], means[1::2], agree, 1.0)
    assert float(cosines.diagonal().mean()) == pytest.approx(0.637, abs=0.02)
    others = cosines.masked_fill(torch.eye(200, dtype=torch.bool), -1)
    assert float((cosines.diagonal() > others.amax(1)).float().mean()) >= 0.99


def test_pair_auc_of_a_planted_subspace() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(90) % 3
    z = torch.randn(90, 6, generator=generator)
    z[:, 0] = torch.where(classes == 2, -3.0, 3.0)
    planted = pair_auc(
        z, classes, lambda a, b: torch.tensor([[1.0, 0, 0, 0, 0, 0]]) if int(a + b) == 1 else torch.ones(1, 6)
    )
    plain = pair_auc(torch.randn(90, 6, generator=generator), classes, None)
    assert planted.mean > plain.mean and abs(plain.mean - 0.5) < 0.05
    assert pair_auc(z, classes * 0, None).mean == 0.5


def test_a_gate_map_and_config_are_there() -> None:
    assert criterion("simlap").diagnose(batch())["gates"].shape == (CLASSES, CLASSES)
    assert criterion("simlap", open_gate=True).diagnose(batch()) == {}
    assert SimLAP().same_share > 0
    assert isinstance(batch(), GlobalBatch)
