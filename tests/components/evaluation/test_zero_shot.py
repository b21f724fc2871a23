"""Zero-shot classification: oracles, chance, prompts, and what bad labels say."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import UserError
from components.evaluation.zero_shot import (
    Answers,
    ClassTexts,
    ZeroShotConfig,
    chance_of,
    class_points,
    class_scores,
    class_texts,
    classes_of,
    summarise_zero_shot,
)
from components.transforms import Identity, Linear

NAMES = [f"kind {n}" for n in range(14)]


def world(
    seed: int = 0, *, num: int = 600, noise: float = 0.2
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Class centres [14, 8], items around them, their classes, and an unpaired bank."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(NAMES), 8))
    truth = rng.integers(len(NAMES), size=num)
    items = centres[truth] + noise * rng.normal(size=(num, 8))
    bank = centres[rng.integers(len(NAMES), size=300)] + noise * rng.normal(size=(300, 8))
    return centres / np.linalg.norm(centres, axis=1, keepdims=True), items, truth, bank


def test_a_name_is_put_into_every_prompt_part_by_part_in_lower_case() -> None:
    found = class_texts(["Food & Drink", "mail_box"], ("{}", "a picture of {}"))
    assert found.texts == [
        "food",
        "a picture of food",
        "drink",
        "a picture of drink",
        "mail box",
        "a picture of mail box",
    ]
    assert found.owner.tolist() == [0, 0, 0, 0, 1, 1]


def test_points_at_the_centres_classify_everything_and_wrong_ones_nothing_above_chance() -> None:
    centres, items, truth, bank = world(noise=0.05)
    right = Answers(class_scores(items, centres, bank), truth)
    assert right.accuracy() > 0.97 and right.balanced() > 0.97
    config = ZeroShotConfig()
    wrong = [
        Answers(class_scores(items, centres[np.random.default_rng(s).permutation(len(NAMES))], bank), truth)
        for s in range(200)
    ]
    low = summarise_zero_shot(wrong, config)
    for name in ("accuracy", "balanced", "subsets"):
        assert low[name]["low"] <= chance_of(truth, len(NAMES), config)[name] <= low[name]["high"]


def test_the_bank_takes_away_what_a_class_has_for_everyone() -> None:
    centres, items, truth, bank = world(noise=0.05)
    shifted = np.concatenate([centres, np.zeros((len(NAMES), 1))], axis=1)
    shifted[3, -1] = 50.0  # a hub: near to every item, each of which has a 1 there
    items, bank = (np.pad(rows, ((0, 0), (0, 1)), constant_values=1.0) for rows in (items, bank))
    assert Answers(items @ shifted.T, truth).accuracy() < 0.2
    assert Answers(class_scores(items, shifted, bank), truth).accuracy() > 0.97


def test_neighbours_move_a_class_to_where_the_corpus_own_texts_are() -> None:
    rng = np.random.default_rng(0)
    texts = ClassTexts(["a", "b"], ["a", "b"], np.array([0, 1]))
    rows = np.array([[1.0, 0.2], [-1.0, 0.2]])
    unpaired = np.concatenate(
        [[[3.0, 1.0]] + 0.1 * rng.normal(size=(20, 2)), [[-3.0, 1.0]] + 0.1 * rng.normal(size=(20, 2))]
    )
    points = class_points(texts, rows, unpaired, Identity(), neighbours=5)
    assert np.allclose(points, [[2.0, 0.6], [-2.0, 0.6]], atol=0.15)
    alone = class_points(texts, rows, unpaired, Linear(np.zeros(2), 2 * np.eye(2)), neighbours=0)
    assert np.allclose(alone, 2 * rows)


def test_a_subset_asks_only_its_own_items_among_its_own_classes() -> None:
    scores = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    answers = Answers(scores, np.array([1, 2, 0]))
    assert answers.accuracy() == pytest.approx(2 / 3)
    assert answers.accuracy(np.array([0, 1])) == 1.0


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"i": None, "j": ""}, "no labels"),
        ({"i": "cat", "j": "cat", "k": "dog"}, "1 classes have 2 or more"),
    ],
)
def test_no_labels_and_one_class_are_one_sentence(labels: dict[str, str | None], said: str) -> None:
    with pytest.raises(UserError, match=said):
        classes_of(labels, fewest=2)


def test_a_prompt_without_a_place_is_refused() -> None:
    with pytest.raises(UserError, match="no place for the name"):
        ZeroShotConfig(prompts=("a picture",))
