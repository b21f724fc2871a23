"""Step ``generation``: pictures drawn from held-out texts, judged by an encoder that no generator has seen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.corpora.hashing import seeded_order
from components.encoders.pixels import squares
from components.encoders.protocol import LoadOptions
from components.encoders.registry import load
from components.errors import UserError
from components.evaluation.generation import (
    Memorization,
    Retrieved,
    coverage,
    kernel_distance,
    memorization,
    retrieve_true,
)
from components.generation.generator import Generator
from components.reporting.figures_generation import Drawn, drawn_pictures
from components.reporting.section import Section, percent
from pipelines.steps.application import Corpora, Numbers, other, run_application
from pipelines.steps.generator import ABOUT, GENERATOR, coordinates, picture_side, seed_of
from pipelines.steps.spaces import Spaces

TITLE = "Pictures from texts"
JUDGE, SHOWN, MOST_COMPARED = "hog-color", 24, 2000
NAMES = {"gan": "GAN", "vae": "VAE"}


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``seed``. inputs: also ``generator-KIND``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """Raises UserError: a side has no pictures or no texts, or too few of them."""
    kinds = [k for k in NAMES if f"generator-{k}" in ctx.inputs]
    for kind in kinds:
        told = ctx.inputs[f"generator-{kind}"].read_json(ABOUT)
        if "absent" in told:
            raise UserError(told["absent"])
    judged = {kind: _Judged(ctx, kind) for kind in kinds}
    numbers: Numbers = {kind: found.numbers() for kind, found in judged.items()}
    return numbers, _section(ctx, judged, numbers)


@dataclass(frozen=True)
class _Judged:
    """One generator's pictures of the held-out texts."""

    ctx: StepContext
    kind: str

    @cached_property
    def corpora(self) -> Corpora:
        return Corpora(self.ctx)

    @cached_property
    def generator(self) -> Generator:
        return Generator.load(self.ctx.inputs[f"generator-{self.kind}"].sub(GENERATOR))

    @cached_property
    def ids(self) -> dict[str, list[str]]:
        """Pictures that were learned from, and the held-out pairs' pictures and texts, row by row."""
        side = picture_side(self.corpora)
        learned = self.ctx.inputs[f"generator-{self.kind}"].read_json(ABOUT)["pictures"]
        return {
            "training": learned,
            "true": self.corpora.heldout(side),
            "texts": self.corpora.heldout(other(side)),
        }

    def _pixels(self, what: str) -> np.ndarray:
        images = self.corpora.pictures(picture_side(self.corpora), self.ids[what])
        return squares([images[i] for i in self.ids[what]], self.generator.config.side)

    @cached_property
    def pictures(self) -> dict[str, np.ndarray]:
        """``training`` and ``true`` at the generator's size, ``made`` of the texts, ``own`` of the true pictures' own
        places, ``typical`` of the training pictures' neighbours. [*, S, S, 3]"""
        spaces, side, seed = Spaces.read(self.ctx.inputs["spaces"]), picture_side(self.corpora), seed_of(self.ctx)
        texts = coordinates(self.corpora, spaces, other(side), self.ids["texts"])
        true = coordinates(self.corpora, spaces, side, self.ids["true"])
        conditioner = self.generator.conditioner
        return {
            "training": self._pixels("training"),
            "true": self._pixels("true"),
            "made": self.generator.of_texts(texts, seed=seed),
            "own": self.generator.of_pictures(true, seed=seed),
            "typical": self.generator.draw(conditioner.neighbours(), seed=seed + 1),
            "nearest": self._pixels("training")[(texts @ conditioner.bank.T).argmax(axis=1)],
        }

    @cached_property
    def features(self) -> dict[str, np.ndarray]:
        judge = load(JUDGE, LoadOptions(threads=1))
        return {name: judge.encode([png(p) for p in rows]) for name, rows in self.pictures.items()}

    def retrieved(self, what: str) -> Retrieved:
        real, made = self.features["training"].mean(0), self.features["typical"].mean(0)
        centre = real if what == "nearest" else made
        return retrieve_true(
            self.features[what], self.features["true"], made_centre=centre, true_centre=real, seed=seed_of(self.ctx)
        )

    @cached_property
    def memory(self) -> Memorization:
        return memorization(self.features["made"], self.features["training"], self.features["true"])

    @cached_property
    def found(self) -> Retrieved:
        return self.retrieved("made")

    def numbers(self) -> Numbers:
        f, found = self.features, self.found
        chosen = np.random.default_rng(seed_of(self.ctx)).permutation(len(f["training"]))[:MOST_COMPARED]
        real = f["training"][chosen]
        near = coverage(real, f["made"])
        return {
            "r10": found.recall.to_json(),
            "r10_shuffled_control": found.control.to_json(),
            "ratio": found.ratio,
            "r10_own_place": self.retrieved("own").recall.to_json(),
            "r10_nearest_training_picture": self.retrieved("nearest").recall.to_json(),
            "kid": kernel_distance(real, f["made"]),
            "kid_of_heldout_pictures": kernel_distance(real, f["true"]),
            "precision": near.precision,
            "recall": near.recall,
            "memorized_share": self.memory.share,
            "nearer_than_heldout": self.memory.nearer,
            "texts": len(f["true"]),
            "training_pictures": len(f["training"]),
            "sharpness": self.generator.conditioner.sharpness,
            "judge": JUDGE,
        }


def png(pixels: np.ndarray) -> bytes:
    """A picture [S, S, 3] uint8 as a file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _section(ctx: StepContext, judged: dict[str, _Judged], numbers: Numbers) -> Section:
    first = next(iter(judged))
    found, name = numbers[first], NAMES[first]
    finding = (
        f"a {name} that learned from {found['training_pictures']:,} pictures, and from no text, is driven by"
        f" {found['texts']} held-out texts: the true picture, which it never saw, is among the ten nearest to the drawn"
        f" one for {percent(found['r10'])} % of them; with shuffled texts for"
        f" {percent(found['r10_shuffled_control'])} %."
    )
    return Section(
        title=TITLE,
        finding=finding,
        key=f"R@10 {percent(found['r10'])} %, {found['ratio']:.1f} times shuffled texts",
        about=f"Judged by {JUDGE} (gradients and colours), not by the space's encoder, at the drawn size. Own place:"
        " driven by the true picture's place in the space, which no text reaches. Nearest: the training picture next to"
        " the text, in place of a drawn one. Kernel distance: 0 if the distributions are one; of held-out real pictures"
        f" {found['kid_of_heldout_pictures']:.4f}. Memorized: nearer to a training picture than all but 5 % of the real"
        " held-out pictures are, so 5 % is what new pictures give.",
        figures=[drawn_pictures(_shown(ctx, judged), [NAMES[k] for k in judged])],
        columns=(
            "generator",
            "R@10, %",
            "shuffled texts, %",
            "own place, %",
            "nearest, %",
            "kernel distance",
            "precision, %",
            "recall, %",
            "memorized, %",
        ),
        rows=[_row(NAMES[k], v) for k, v in numbers.items()],
    )


def _row(name: str, v: Numbers) -> list[str]:
    shares = ("r10", "r10_shuffled_control", "r10_own_place", "r10_nearest_training_picture")
    plain = [f"{100 * v[k]:.1f}" for k in ("precision", "recall", "memorized_share")]
    return [name, *(percent(v[k]) for k in shares), f"{v['kid']:.4f}", *plain]


def _shown(ctx: StepContext, judged: dict[str, _Judged]) -> Sequence[Drawn]:
    """Held-out pairs taken by lot, not by how well they came out."""
    first = next(iter(judged.values()))
    side = other(picture_side(first.corpora))
    texts: dict[str, Any] = first.corpora.column(side, "title", "text", "name")
    ids = first.ids["texts"]
    chosen = seeded_order(ids, seed_of(ctx), "shown")[:SHOWN]
    return [
        Drawn(
            text=str(texts.get(ids[n]) or ids[n]),
            true=first.pictures["true"][n],
            made=[j.pictures["made"][n] for j in judged.values()],
            nearest=first.pictures["training"][first.memory.nearest[n]],
            hit=bool(first.found.hits[n]),
        )
        for n in chosen
    ]
