"""Step ``zero-shot``: held-out items classified by the names of the classes, for every column of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.hubness import uncorrected
from components.errors import UserError
from components.evaluation.controls import NONE, SHUFFLED
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
from components.reporting.figures_applications import bars
from components.reporting.section import Section, percent
from pipelines.steps.application import Corpora, Numbers, map_of, other, run_application
from pipelines.steps.spaces import Spaces

TITLE = "Zero-shot classification"
COLUMNS = ("label", "group")
CONTROL = "shuffled pairs"


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``seed``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """Raises UserError: no side reads texts, or there are no labels to classify by."""
    corpora, spaces = Corpora(ctx), Spaces.read(ctx.inputs["spaces"])
    config = ZeroShotConfig(seed=int(ctx.config["seed"]))
    asked: dict[str, Any] = {}
    refused: list[UserError] = []
    for column in COLUMNS:
        try:
            asked[column] = _Column(corpora, spaces, column, config).numbers()
        except UserError as error:
            refused.append(error)
    if not asked:
        raise refused[0]
    return asked, _section(asked, spaces, len(corpora.splits.pairs()))


class _Column:
    """One column of labels. Raises UserError: none, or too few classes."""

    def __init__(self, corpora: Corpora, spaces: Spaces, column: str, config: ZeroShotConfig) -> None:
        self.spaces, self.config = spaces, config
        self.texts_side = corpora.text_side()
        side = other(self.texts_side)
        labels = _labels(corpora, side, column)
        self.names = classes_of(labels, fewest=config.fewest)
        ids = [i for i in corpora.heldout(side) if labels.get(i) in self.names]
        self.truth = np.array([self.names.index(str(labels[i])) for i in ids])
        self.items = corpora.rows[side].rows(ids)
        self.bank = corpora.rows[side].rows(corpora.unpaired[side])
        self.unpaired_texts = corpora.rows[self.texts_side].rows(corpora.unpaired[self.texts_side])
        self.texts: ClassTexts = class_texts(self.names, config.prompts)
        self.encoded = corpora.encode(self.texts_side, self.texts.texts)

    def numbers(self) -> Numbers:
        methods = {m: self._summary(m, NONE) for m in self.spaces.methods}
        methods |= {CONTROL: self._summary(self.spaces.exported, SHUFFLED)}
        return {
            "methods": methods,
            "chance": chance_of(self.truth, len(self.names), self.config),
            "classes": self.names,
            "items": len(self.truth),
        }

    def _summary(self, method: str, control: str) -> dict[str, Any]:
        return summarise_zero_shot([self._answers(a) for a in self.spaces.fits(method, control)], self.config)

    def _answers(self, alignment: Any) -> Answers:
        space = uncorrected(alignment)
        texts, items = map_of(space, self.texts_side), map_of(space, other(self.texts_side))
        points = class_points(self.texts, self.encoded, self.unpaired_texts, texts, neighbours=self.config.neighbours)
        return Answers(class_scores(items(self.items), points, items(self.bank)), self.truth)


def _labels(corpora: Corpora, side: str, column: str) -> dict[str, str | None]:
    """Labels of the held-out items, by their own column or that of their partners."""
    own, partner = corpora.column(side, column), corpora.column(other(side), column)
    pairs = corpora.splits.heldout if side == "left" else [(b, a) for a, b in corpora.splits.heldout]
    return {mine: own.get(mine) or partner.get(theirs) for mine, theirs in pairs}


def _section(asked: Mapping[str, Any], spaces: Spaces, num_pairs: int) -> Section:
    main, found = next(iter(asked.items()))
    ours, chance = found["methods"][spaces.exported], found["chance"]
    finding = (
        f"with {num_pairs} known pairs, the names of {len(found['classes'])} classes ({main}) are enough to put"
        f" {percent(ours['accuracy'])} % of {found['items']} held-out items into the right one; chance is"
        f" {100 * chance['accuracy']:.1f} %, shuffled pairs give {percent(found['methods'][CONTROL]['accuracy'])} %."
    )
    figure = bars(
        {_panel(c, a): {m: v["accuracy"] for m, v in a["methods"].items()} for c, a in asked.items()},
        ours=[spaces.exported],
        chance={_panel(c, a): a["chance"]["accuracy"] for c, a in asked.items()},
        name="zero-shot",
        title=TITLE,
        caption="Share of held-out items nearest to their own class' name; 95 % intervals over draws of the pairs;"
        " dashed: chance.",
    )
    return Section(
        title=TITLE,
        finding=finding,
        key=f"{percent(ours['accuracy'])} % right among {len(found['classes'])} classes, chance"
        f" {100 * chance['accuracy']:.1f} %",
        about="A name is put into several prompts; with the unpaired texts nearest to these it is a point of the shared"
        " space. Each class' mean score over unpaired items is taken off. No label was used to fit or choose anything.",
        figures=[figure],
        words=2,
        columns=("classes", "method", "accuracy, %", "mean over classes, %", "10 random classes, %", "chance, %"),
        rows=[_row(c, a, m, v) for c, a in asked.items() for m, v in a["methods"].items()],
    )


def _panel(column: str, asked: Mapping[str, Any]) -> str:
    return f"{column}: {len(asked['classes'])} classes, {asked['items']} items"


def _row(column: str, asked: Mapping[str, Any], method: str, v: Mapping[str, Any]) -> list[str]:
    subsets = percent(v["subsets"]) if "subsets" in v else "–"
    cells = [percent(v["accuracy"]), percent(v["balanced"]), subsets, f"{100 * asked['chance']['accuracy']:.1f}"]
    return [f"{column} ({len(asked['classes'])})", method, *cells]
