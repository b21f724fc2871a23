"""Prepared rows, their labels and splits, tokenizer, views and batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_worlds import picture_rows, sentences, text_rows

from components.errors import UserError
from components.files import Folder
from components.pretraining import image_views, text_views
from components.pretraining.batches import ByClass, Shuffled, require_rows
from components.pretraining.image_views import CLEAN, NOISY, ImageViews
from components.pretraining.inputs import ImageInputs, TextInputs, load_views
from components.pretraining.labels import classes_of, require_classes
from components.pretraining.rows import TEST, TRAIN, VALID, SplitConfig
from components.pretraining.text_views import TextViews
from components.pretraining.tokenizer import TokenIds, padded, train_tokenizer


def test_rows_come_back_as_they_were_written_from_every_part(tmp_path: Path) -> None:
    rows, _ = text_rows(Folder.at(tmp_path))
    ids, texts, topics = zip(*sentences(120), strict=True)
    tokens = TokenIds(train_tokenizer(texts, 400), 16)(texts)
    assert tuple(rows.ids) == ids and tuple(rows.labels) == topics and len(rows) == 120
    for row in (0, 49, 50, 119):
        np.testing.assert_array_equal(rows.tokens(row), tokens[row])


def test_splits_are_disjoint_and_do_not_depend_on_the_order_of_the_rows() -> None:
    ids = [f"i{n}" for n in range(100)]
    split = SplitConfig(valid_fraction=0.1, test_fraction=0.2).assign(ids, 3)
    assert [int((split == s).sum()) for s in (TRAIN, VALID, TEST)] == [70, 10, 20]
    turned = SplitConfig(valid_fraction=0.1, test_fraction=0.2).assign(ids[::-1], 3)
    assert list(turned[::-1]) == list(split)
    assert list(SplitConfig().assign(ids, 4)) != list(SplitConfig().assign(ids, 3))
    assert int((SplitConfig(most=5).assign(ids, 0) == TEST).sum()) == 5
    with pytest.raises(UserError, match="3 rows are too few to train an encoder"):
        SplitConfig().assign(ids[:3], 0)
    with pytest.raises(UserError, match="valid_fraction"):
        SplitConfig(valid_fraction=0.7)


def test_classes_without_a_second_member_and_rows_without_a_label_have_no_number() -> None:
    classes = classes_of(["b", "a", None, "b", "c", "a", "b"], np.array([0, 1, 2, 3, 4, 5]))
    assert classes.names == ("a", "b")
    assert classes.of_row.tolist() == [1, 0, -1, 1, -1, 0, 1]
    assert classes.labelled.tolist() == [0, 1, 3, 5, 6]
    require_classes(classes, "supcon")
    with pytest.raises(UserError, match="only the class 'a', and supcon learns from labels"):
        require_classes(classes_of(["a", "a"], np.arange(2)), "supcon")
    with pytest.raises(UserError, match="no class has two labelled rows"):
        require_classes(classes_of(["a", None], np.arange(2)), "supcon")


def test_the_tokenizer_is_the_same_every_time_and_knows_every_text() -> None:
    texts = [t for _, t, _ in sentences(60)]
    made = train_tokenizer(texts, 400)
    assert made == train_tokenizer(iter(texts), 400)
    tokens = TokenIds(made, 5)
    assert 257 < tokens.vocabulary <= 400
    strange = tokens(["", "   ", "日本語 ÄÖ 😀", "boat wave", "x" * 500])
    assert all(1 <= len(t) <= 5 and (t > 0).all() for t in strange)
    np.testing.assert_array_equal(tokens(["BOAT Wave"])[0], strange[3])
    assert padded(strange).shape == (5, 5)
    with pytest.raises(UserError, match="no tokenizer"):
        TokenIds(b"{}", 5)
    with pytest.raises(UserError, match="vocabulary"):
        train_tokenizer(texts, 100)


def test_a_view_depends_on_its_seed_alone(tmp_path: Path) -> None:
    pictures, (texts, _) = picture_rows(Folder.at(tmp_path / "p")), text_rows(Folder.at(tmp_path / "t"))
    for inputs in (ImageInputs(pictures, 16, NOISY), TextInputs(texts, TextViews())):
        together = inputs.random([3, 4, 5], [7, 8, 9])
        alone = inputs.random([4], [8])[0]
        assert torch.equal(together[1][: len(alone)] if alone.ndim == 1 else together[1], alone)
        again = inputs.random([4, 4], [8, 10])
        assert not torch.equal(again[0], again[1])


def test_views_drawn_by_other_processes_are_the_same(tmp_path: Path) -> None:
    inputs = ImageInputs(picture_rows(Folder.at(tmp_path)), 16, CLEAN)
    keys = [[(n, 100 * step + n) for n in range(4)] for step in range(3)]
    here, there = (list(load_views(inputs, keys, processes)) for processes in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    assert here[0].shape == (4, 3, 16, 16) and here[0].dtype == torch.uint8


def test_views_of_a_text_are_spans_with_tokens_left_out() -> None:
    ids = np.arange(1, 41, dtype=np.int32)
    views = text_views.draw_views([ids] * 200, range(200), TextViews(keep=0.5, drop=0.2))
    lengths = np.array([len(v) for v in views])
    assert all((np.diff(v) > 0).all() for v in views)  # in order
    assert 10 <= lengths.min() and lengths.max() <= 40 and 20 < lengths.mean() < 28
    assert len(text_views.draw_views([ids[:1]], [0], TextViews(keep=0.1, drop=0.9))[0]) == 1  # never empty


def test_without_changes_a_view_is_the_picture(tmp_path: Path) -> None:
    rows = picture_rows(Folder.at(tmp_path), stored=16)
    still = ImageInputs(rows, 16, ImageViews(crop=1.0, flip=0.0, jitter=0.0, grey=0.0))
    difference = (still.random([0], [1]).float() - still.plain([0]).float()).abs().mean()
    assert float(difference) < 12  # a crop of the whole area may still change the shape of the picture a little
    assert torch.equal(still.plain([0])[0], torch.from_numpy(rows.picture(0)).permute(2, 0, 1))


@pytest.mark.parametrize("wrong", [{"crop": 0.0}, {"flip": 1.5}, {"jitter": -1.0}])
def test_impossible_views_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError):
        ImageViews(**wrong)
    with pytest.raises(UserError, match="there are no views 'wild'; use one of clean, noisy"):
        image_views.image_views("wild")
    with pytest.raises(UserError):
        text_views.TextViews(drop=1.0)


def test_an_epoch_of_shuffled_batches_has_every_row_at_most_once() -> None:
    batches = Shuffled(np.arange(10, 110), 32, seed=0)
    first, second = batches.epoch(0), batches.epoch(1)
    assert [len(b) for b in first] == [32, 32, 32] and len(np.unique(np.concatenate(first))) == 96
    assert not np.array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[0], batches.epoch(0)[0])
    assert [len(b) for b in Shuffled(np.arange(5), 32, seed=0).epoch(0)] == [5]


def test_batches_by_class_have_several_rows_of_every_class() -> None:
    classes = np.repeat(np.arange(8), [40, 30, 20, 10, 5, 3, 2, 2])
    rows = np.arange(len(classes)) + 1000
    for batch in ByClass(rows, classes, 16, 4, seed=0).epoch(0):
        found, counts = np.unique(classes[batch - 1000], return_counts=True)
        assert len(batch) == 16 and len(found) == 4 and (counts == 4).all()
    (whole, *_) = ByClass(rows[:70], classes[:70], 16, 4, seed=0).epoch(0)  # two classes fill the batch
    assert np.unique(classes[whole - 1000], return_counts=True)[1].tolist() == [8, 8]


def test_batches_of_one_and_more_workers_than_rows_are_refused() -> None:
    with pytest.raises(UserError, match="a batch of 1 row has nothing to compare with"):
        require_rows(100, 1, batch=1)
    with pytest.raises(UserError, match="3 rows a batch are too few for 2 workers"):
        require_rows(3, 2, batch=64)
    require_rows(4, 2, batch=64)
