"""Step ``digits-zero-shot``: pictures of digits classified by their names in words, from a few named pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.preprocess import fit_standardizer
from components.alignment.protocol import Pairs
from components.alignment.registry import make_aligner
from components.corpora.digit_domains import HELDOUT, WORDS, digit_pixels
from components.encoders.registry import load
from components.evaluation.zero_shot import (
    Answers,
    ZeroShotConfig,
    chance_of,
    class_points,
    class_scores,
    class_texts,
    summarise_zero_shot,
)
from components.reporting.figures_applications import bars
from components.reporting.section import Section, percent
from pipelines.steps.application import Numbers, load_options, run_application

TITLE = "Digits by their names"
NAMED = ("the digit {}", "the number {}", "{}", "a handwritten {}", "number {}", "a {}", "digit {}", "this says {}")
OURS, CONTROL = "kernel-ridge", "shuffled pairs"


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``encoder``, ``pairs``, ``seeds``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    num_pairs, encoder = int(ctx.config["pairs"]), load(ctx.config["encoder"], load_options(ctx))
    numbers = measure_digits(encoder, num_pairs, ctx.config["seeds"])
    ours, chance = numbers["methods"][OURS], numbers["chance"]["accuracy"]
    finding = (
        f"with {num_pairs} named pictures of digits, {percent(ours['accuracy'])} % of {HELDOUT} held-out ones get"
        f" the right word of zero to nine; chance is {100 * chance:.0f} %, shuffled pairs give"
        f" {percent(numbers['methods'][CONTROL]['accuracy'])} %."
    )
    figure = bars(
        {"ten digits": {m: v["accuracy"] for m, v in numbers["methods"].items()}},
        ours=[OURS],
        chance={"ten digits": chance},
        name="digits-zero-shot",
        title=TITLE,
        caption="Accuracy on held-out pictures; 95 % intervals over draws of pictures and pairs; dashed: chance.",
    )
    key = f"{percent(ours['accuracy'])} % right among ten digits, chance {100 * chance:.0f} %"
    about = "Every digit occurs among the pairs. The texts are sentences with the names of the digits."
    rows = [[m, percent(v["accuracy"])] for m, v in numbers["methods"].items()]
    columns = ("method", "accuracy, %")
    return numbers, Section(
        title=TITLE, finding=finding, key=key, about=about, figures=[figure], columns=columns, rows=rows
    )


def measure_digits(encoder: object, num_pairs: int, seeds: Sequence[int]) -> Numbers:
    """Accuracies over seeds, which draw held-out pictures, pairs and the sentence of each."""
    config = ZeroShotConfig()
    sentences = [[t.format(word) for t in NAMED] for word in WORDS]
    texts = class_texts(WORDS, config.prompts)
    encoded = encoder.encode([s for own in sentences for s in own] + texts.texts)  # type: ignore[attr-defined]
    corpus, prompts = np.split(encoded, [len(WORDS) * len(NAMED)])
    start = fit_standardizer(corpus, None)
    world = _World(start(corpus).reshape(len(WORDS), len(NAMED), -1), start(prompts), config)
    draws: dict[str, list[Answers]] = {}
    for seed in seeds:
        for name, answers in world.draw(num_pairs, seed).items():
            draws.setdefault(name, []).append(answers)
    truth = draws[OURS][0].truth
    return {
        "methods": {name: summarise_zero_shot(own, config) for name, own in draws.items()},
        "chance": chance_of(truth, len(WORDS), config),
        "pairs": num_pairs,
        "items": HELDOUT,
    }


class _World:
    """Texts of every digit [10, M, D], and the rows of the prompts."""

    def __init__(self, sentences: np.ndarray, prompts: np.ndarray, config: ZeroShotConfig) -> None:
        self.sentences, self.prompts, self.config = sentences, prompts, config
        self.texts = class_texts(WORDS, config.prompts)
        pictures, self.digits = digit_pixels()
        self.rows = pictures.reshape(len(pictures), -1)

    def draw(self, num_pairs: int, seed: int) -> dict[str, Answers]:
        rng = np.random.default_rng([seed, 47])
        heldout, known, rest = np.split(rng.permutation(len(self.rows)), [HELDOUT, HELDOUT + num_pairs])
        start = fit_standardizer(self.rows[rest], None)
        left, right = start(self.rows[rest]), self.sentences.reshape(-1, self.sentences.shape[-1])
        said = self.sentences[self.digits[known], rng.integers(self.sentences.shape[1], size=num_pairs)]
        pairs = Pairs(start(self.rows[known]), said)
        wrong = Pairs(pairs.left, said[rng.permutation(num_pairs)])
        found = {}
        for name, known_pairs in ((OURS, pairs), ("ridge-cca", pairs), (CONTROL, wrong)):
            method = OURS if name == CONTROL else name
            space = make_aligner(method, seed=seed).fit(left, right, known_pairs)
            points = class_points(self.texts, self.prompts, right, space.right, neighbours=len(NAMED))
            scores = class_scores(space.left(start(self.rows[heldout])), points, space.left(left))
            found[name] = Answers(scores, self.digits[heldout])
        return found
