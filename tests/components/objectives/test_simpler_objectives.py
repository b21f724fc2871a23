"""BYOL, SupCon, cross-entropy and the tilt, against their definitions."""

import torch
from batches import batch, criterion, loss_and_gradient

from components.objectives.comparison import compare
from components.objectives.protocol import GlobalBatch


def test_byol_attracts_to_the_other_views_target_and_stops_the_gradient_there() -> None:
    data = batch()
    target = data.target.clone().requires_grad_()  # type: ignore[union-attr]
    loss = criterion("byol")(GlobalBatch(z=data.z, target=target)).loss
    cosines = [torch.nn.functional.cosine_similarity(data.z[v], target[1 - v], dim=1) for v in (0, 1)]
    torch.testing.assert_close(loss, (2 - 2 * torch.stack(cosines)).mean())
    loss.backward()
    assert target.grad is None and data.z.grad is not None


def test_supcon_against_a_loop() -> None:
    data = batch(classes=torch.tensor([0, 0, 1, 1, 1, -1, -1, 2]), rows=8)
    loss, _ = loss_and_gradient("supcon", data, epsilon=0.3)
    z = torch.nn.functional.normalize(data.z.detach().flatten(0, 1), dim=1)
    classes, total = [*data.classes.tolist(), *data.classes.tolist()], 0.0  # type: ignore[union-attr]
    for i in range(16):
        others = [j for j in range(16) if j != i]
        logits = torch.stack([z[i] @ z[j] / 0.3 for j in others])
        mine = [j for j in others if (classes[j] == classes[i] >= 0) or j % 8 == i % 8]
        total += float(-torch.stack([logits[others.index(j)] - logits.logsumexp(0) for j in mine]).mean()) / 16
    torch.testing.assert_close(float(loss), total)


def test_supcon_without_labels_is_infonce() -> None:
    classes = torch.full((16,), -1)
    classes[0] = 0
    data = batch(classes=classes)
    torch.testing.assert_close(
        loss_and_gradient("supcon", data, epsilon=0.2), loss_and_gradient("info-nce", data, epsilon=0.2)
    )


def test_cross_entropy_counts_labelled_rows_of_all_views() -> None:
    z = torch.randn(2, 3, 4)
    classes = torch.tensor([1, -1, 3])
    scored = criterion("cross-entropy").float()(GlobalBatch(z=z, classes=classes))
    shares = z[:, [0, 2]].log_softmax(2)
    expected = -(shares[:, 0, 1] + shares[:, 1, 3]).mean() / 2
    torch.testing.assert_close(scored.loss, expected)


def test_no_tilt_is_infonce_or_gca_ince_and_a_tilt_moves_weight_to_near_negatives() -> None:
    data = batch()
    torch.testing.assert_close(loss_and_gradient("hard-negatives", data, beta=0.0), loss_and_gradient("info-nce", data))
    torch.testing.assert_close(
        loss_and_gradient("hard-negatives", data, beta=0.0, iterations=10), loss_and_gradient("gca-ince", data)
    )
    pairs = compare(data, "all")
    negatives = pairs.scores.detach() / 0.2
    negatives.scatter_(1, pairs.positives[:, None], -torch.inf)
    positive = (pairs.scores / 0.2).gather(1, pairs.positives[:, None])
    expected = -(positive - torch.cat([positive, 1.5 * negatives], 1).logsumexp(1, keepdim=True)).mean()
    torch.testing.assert_close(loss_and_gradient("hard-negatives", data, beta=0.5)[0], expected.detach())
