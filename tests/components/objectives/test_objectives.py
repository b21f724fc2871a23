"""What every objective shares: signature, order of rows, number formats, bad input."""

from dataclasses import replace

import pytest
import torch
from batches import CLASSES, DIM, batch, criterion, fitting, loss_and_gradient

from components.errors import UserError
from components.objectives.registry import OBJECTIVES, make_objective

LABELLED = [n for n, e in OBJECTIVES.items() if e.labelled]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_entry_says_what_the_criterion_is(name: str) -> None:
    entry, made = OBJECTIVES[name], criterion(name)
    wanted = (made.labelled, made.target_network, made.classifies)
    assert (entry.labelled, entry.target_network, entry.classifies) == wanted
    scored = made(fitting(name, batch()))
    assert scored.loss.ndim == 0 and bool(scored.loss.isfinite())
    assert all(isinstance(v, float) or not v.requires_grad for v in scored.metrics.values())


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if n != "simlap"])  # simlap draws partners by place
def test_the_order_of_the_rows_does_not_matter(name: str) -> None:
    given, order = batch(), torch.randperm(16, generator=torch.Generator().manual_seed(1))
    moved = replace(
        given,
        z=given.z.detach()[:, order].requires_grad_(),
        target=given.target[:, order],  # type: ignore[index]
        classes=given.classes[order],  # type: ignore[index]
    )
    (one, first), (two, second) = (loss_and_gradient(name, g) for g in (given, moved))
    torch.testing.assert_close(two, one)
    torch.testing.assert_close(second, first[:, order])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_half_precision_outputs_are_scored_in_single(name: str) -> None:
    given = batch()
    half = replace(given, z=given.z.detach().bfloat16(), target=given.target.bfloat16())  # type: ignore[union-attr]
    loss = criterion(name).float()(fitting(name, half)).loss
    assert loss.dtype == torch.float32 and bool(loss.isfinite())


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if not OBJECTIVES[n].classifies])
def test_a_zero_row_has_a_finite_loss_and_no_wild_gradient(name: str) -> None:
    given = batch()
    z = given.z.detach().clone()
    z[0, 3] = 0
    _, gradient = loss_and_gradient(name, replace(given, z=z.requires_grad_()))
    assert float(gradient.abs().max()) < 1e4


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if not OBJECTIVES[n].classifies])
def test_nan_one_view_and_one_row_are_refused(name: str) -> None:
    given = batch()
    broken = given.z.detach().clone()
    broken[1, 2, 3] = torch.nan
    for bad, said in ((broken, "NaN"), (given.z[:1], "views"), (given.z[:, :1], "nothing to compare")):
        count = bad.shape[1]
        with pytest.raises(UserError, match=said):
            criterion(name)(replace(given, z=bad, classes=given.classes[:count], target=given.target[:, :count]))  # type: ignore[index]


@pytest.mark.parametrize("name", LABELLED)
def test_labels_that_are_missing_everywhere_or_one_class_are_refused(name: str) -> None:
    given = fitting(name, batch())
    for classes, said in ((None, "learns from labels"), (torch.full((16,), -1), "no row"), (torch.zeros(3), "16 rows")):
        with pytest.raises(UserError, match=said):
            criterion(name)(replace(given, classes=classes))
    if name == "domain-plan":  # one domain is a plain plan
        return
    for count, said in ((1, "there is one"), (0, "there are none")):
        with pytest.raises(UserError, match=said):
            make_objective(name).build(dim=DIM, num_classes=count)


@pytest.mark.parametrize("name", LABELLED)
def test_labels_that_are_missing_for_some_rows(name: str) -> None:
    given = batch()
    classes = given.classes.clone()  # type: ignore[union-attr]
    classes[:5] = -1
    loss, gradient = loss_and_gradient(name, replace(given, classes=classes))
    assert bool(loss.isfinite()) and bool(gradient.isfinite().all())
    without = gradient[:, :5].abs().sum()
    if name in ("cross-entropy", "simlap"):  # rows without a label do not count; elsewhere they are rows like others
        assert float(without) == 0
    else:
        assert float(without) > 0


@pytest.mark.parametrize("name", LABELLED)
def test_a_batch_of_one_class_has_a_finite_gradient(name: str) -> None:
    loss, gradient = loss_and_gradient(name, batch(classes=torch.zeros(16, dtype=torch.long)))
    assert bool(loss.isfinite()) and bool(gradient.isfinite().all())


@pytest.mark.parametrize("name", ["gca-ince", "gca-rince", "gca-uot", "target-plan", "domain-plan"])
def test_too_few_sweeps_are_a_number_to_look_at_and_give_finite_gradients(name: str) -> None:
    settings = {"epsilon": 0.004, "iterations": 1}
    given = batch()
    scored = criterion(name, **settings)(given)
    assert float(scored.metrics["marginal_error"]) > 1e-3
    _, gradient = loss_and_gradient(name, given, **settings)
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("no-such", {}, "no objective"),
        ("info-nce", {"epsilon": 0}, "epsilon"),
        ("info-nce", {"among": "some"}, "among"),
        ("info-nce", {"beta": 1}, "no setting 'beta'"),
        ("rince", {"q": 0.0}, "q"),
        ("gca-ince", {"iterations": 0}, "iterations"),
        ("gca-uot", {"rho": 0.0}, "rho"),
        ("gca-uot", {"rho": -1.0}, "rho"),
        ("target-plan", {"rho": -1.0}, "rho"),
        ("simlap", {"pairing": "distinct", "same_share": 0.0}, "across two kinds of data"),
        ("simlap", {"pairing": "nearest"}, "pairing"),
        ("simlap", {"arbitrary": 0.0}, "no pair loss"),
        ("supcon", {"epsilon": -0.1}, "epsilon"),
        ("byol", {"epsilon": 0.0}, "epsilon"),
        ("cross-entropy", {"smoothing": 0.9}, "smoothing"),
        ("hard-negatives", {"beta": -1.0}, "beta"),
        ("domain-plan", {"same": 2.0}, "same"),
    ],
)
def test_impossible_settings(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make_objective(name, settings)


def test_wrong_width_and_missing_target() -> None:
    with pytest.raises(UserError, match="outputs for"):
        criterion("cross-entropy")(batch())
    with pytest.raises(UserError, match="averaged network"):
        criterion("byol")(batch(target=None))
    assert CLASSES < DIM
