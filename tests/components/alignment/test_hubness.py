"""Hubness: potentials by hand, both directions in one dot product, hubs pushed back, nothing lost on disk."""

import numpy as np
import pytest
from scipy.special import logsumexp

from components.alignment.hubness import HubnessConfig, correct, corrected_scores, potentials, uncorrected
from components.alignment.protocol import Alignment
from components.errors import UserError
from components.evaluation.retrieval import measure, rank_partners
from components.files import Folder
from components.transforms import Chain, Identity, load_transform, save_transform

rng = np.random.default_rng(0)
PLAIN = Alignment(Identity(), Identity())
BANKS = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(40, 4)).astype(np.float32)
QUERIES, GALLERY = rng.normal(size=(7, 4)).astype(np.float32), rng.normal(size=(9, 4)).astype(np.float32)


def test_potential_is_minus_the_soft_maximum_over_the_bank() -> None:
    scores = rng.normal(size=(5, 30))
    np.testing.assert_allclose(
        potentials(scores, 0.7), -0.7 * (logsumexp(scores / 0.7, axis=1) - np.log(30)), atol=1e-10
    )
    np.testing.assert_allclose(potentials(scores, 1.0, 3), -np.sort(scores, axis=1)[:, -3:].mean(axis=1))
    np.testing.assert_allclose(potentials(scores + 5, 0.7), potentials(scores, 0.7) - 5)  # a shift is a shift


def test_one_dot_product_ranks_both_directions_by_their_own_potential() -> None:
    fitted = correct(PLAIN, *BANKS)
    spread = float((BANKS[0] @ BANKS[1].T).std())
    plain = QUERIES @ GALLERY.T
    of_gallery = potentials(GALLERY @ BANKS[0].T, spread)
    of_queries = potentials(QUERIES @ BANKS[1].T, spread)
    found = fitted.score(QUERIES, GALLERY)
    np.testing.assert_allclose(found, plain + of_gallery + of_queries[:, None], atol=1e-4)
    np.testing.assert_array_equal(np.argsort(-found, axis=1), np.argsort(-(plain + of_gallery), axis=1))
    np.testing.assert_array_equal(np.argsort(-found, axis=0), np.argsort(-(plain + of_queries[:, None]), axis=0))


def test_matrix_form_agrees_with_the_transforms() -> None:
    rows, columns = np.concatenate([QUERIES, BANKS[0]]), np.concatenate([GALLERY, BANKS[1]])
    for kind in ("potential", "csls"):
        config = HubnessConfig(kind=kind)  # type: ignore[arg-type]
        matrix = corrected_scores(rows @ columns.T, (slice(7, None), slice(9, None)), config)
        expected = correct(PLAIN, *BANKS, config).score(QUERIES, GALLERY)
        np.testing.assert_allclose(matrix[:7, :9], expected, atol=1e-4)


def test_a_hub_loses_its_place() -> None:
    """Every query is near its partner, but a hub in the gallery is nearer to all."""
    known = np.random.default_rng(1)
    hub = np.concatenate([np.zeros(8), [3.0]])
    queries = np.hstack([known.normal(size=(60, 8)), np.ones((60, 1))]).astype(np.float32)
    gallery = np.hstack([queries[:, :8] + 0.3 * known.normal(size=(60, 8)), np.zeros((60, 1))]).astype(np.float32)
    gallery = np.vstack([gallery, np.tile(hub * 8, (20, 1))]).astype(np.float32)
    bank = np.hstack([known.normal(size=(200, 8)), np.ones((200, 1))]).astype(np.float32)
    other = np.vstack([np.hstack([known.normal(size=(150, 8)), np.zeros((150, 1))]), np.tile(hub * 8, (50, 1))])
    fitted = correct(PLAIN, bank, other.astype(np.float32))
    before = measure(rank_partners(queries, gallery)).recall[1]
    after = measure(rank_partners(fitted.transform_left(queries), fitted.transform_right(gallery))).recall[1]
    assert before < 20 and after > 50


def test_survives_saving_and_can_be_undone(tmp_path) -> None:  # type: ignore[no-untyped-def]
    fitted, folder = correct(PLAIN, *BANKS), Folder.at(tmp_path).make()
    save_transform(folder, "right", fitted.right)
    np.testing.assert_array_equal(load_transform(folder, "right")(GALLERY), fitted.right(GALLERY))
    np.testing.assert_array_equal(uncorrected(fitted).left(QUERIES), QUERIES)
    nested = Alignment(Chain([Identity(), fitted.left]), Chain([Identity(), fitted.right]))
    np.testing.assert_array_equal(uncorrected(nested).right(GALLERY), GALLERY)
    assert uncorrected(PLAIN).left is PLAIN.left


def test_nothing_happens_without_a_bank_and_kinds_are_checked() -> None:
    assert correct(PLAIN, BANKS[0][:0], BANKS[1]) is PLAIN
    assert correct(PLAIN, np.ones((5, 4), np.float32), np.ones((5, 4), np.float32)) is PLAIN
    with pytest.raises(UserError, match="choose from potential, csls"):
        HubnessConfig(kind="magic")  # type: ignore[arg-type]
