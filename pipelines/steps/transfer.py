"""Step ``transfer``: labels learned on the left side only and used on the right one, through the shared space.

Of a recipe whose sides are two domains with one kind of label: the domains of Office-31, or two sets of drawings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.hubness import uncorrected
from components.alignment.preprocess import fit_standardizer
from components.alignment.protocol import Alignment, Pairs
from components.errors import UserError
from components.evaluation.controls import SHUFFLED
from components.evaluation.transfer import (
    DISPLACED,
    MMD,
    ORACLE,
    SOURCE,
    Domains,
    commonest,
    mmd_space,
    oracle,
    source_only,
    summarise_transfer,
    through_displacement,
    through_space,
)
from components.evaluation.trials import PRIMARY
from components.reporting.figures_applications import bars
from components.reporting.section import Section, percent
from components.transforms import Transform
from pipelines.steps.application import Corpora, Numbers, run_application
from pipelines.steps.fit import SIDES
from pipelines.steps.spaces import Spaces

TITLE = "Transfer of labels"
CONTROL, COMMONEST = "shuffled pairs", "commonest class"


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``seed``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """Raises UserError: a side has no labels, or the sides have no class in common."""
    asked, spaces = _Asked(Corpora(ctx)), Spaces.read(ctx.inputs["spaces"])
    fits = {m: spaces.fits(m) for m in spaces.methods} | {CONTROL: spaces.fits(spaces.exported, SHUFFLED)}
    mmd = mmd_space(*asked.unpaired_rows(), seed=int(ctx.config["seed"]))
    draws = [
        {name: through_space(asked.domains(d), uncorrected(own[d])) for name, own in fits.items()}
        | asked.without_space(d, mmd)
        for d in range(spaces.num_draws)
    ]
    first = asked.domains(0)
    numbers: Numbers = {
        **summarise_transfer(draws),
        "classes": len(np.unique(first.source_classes)),
        "items": len(first.target),
    }
    return numbers, _section(numbers, spaces.exported)


class _Asked:
    """Labelled rows of every draw: the left side's unpaired rows and its rows of the draw's pairs teach, the right
    side's held-out ones are asked, its other rows of the same kinds teach the oracle."""

    def __init__(self, corpora: Corpora) -> None:
        self.corpora = corpora
        self.pairs = corpora.splits.draws[PRIMARY]
        self.labels = {side: _labels(corpora, side) for side in SIDES}
        self.names = sorted({v for v in self.labels["left"].values() if v} & {*self.labels["right"].values()} - {None})
        self.starts = {s: fit_standardizer(self._rows(s), None, corpora.rows[s].blocks) for s in SIDES}

    def _rows(self, side: str) -> np.ndarray:
        return self.corpora.rows[side].rows(self.corpora.unpaired[side])

    def unpaired_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Both sides', standardised."""
        left, right = (self.starts[side](self._rows(side)) for side in SIDES)
        return left, right

    def domains(self, draw: int) -> Domains:
        """Of the encoders' rows."""
        known = {side: [p[n] for p in self.pairs[draw]] for n, side in enumerate(SIDES)}
        source, target = (self._labelled(s, self.corpora.unpaired[s] + known[s]) for s in SIDES)
        asked = self._labelled("right", self.corpora.heldout("right"))
        return Domains(
            source=source[0],
            source_classes=source[1],
            target=asked[0],
            target_classes=asked[1],
            labelled=target[0],
            labelled_classes=target[1],
        )

    def without_space(self, draw: int, mmd: Alignment) -> dict[str, float]:
        """What else there is: rows that stay where they are or are displaced, no pairs, and the target's labels."""
        plain = _standardised(self.domains(draw), self.starts)
        rows = [
            self.starts[s](self.corpora.rows[s].rows([p[n] for p in self.pairs[draw]])) for n, s in enumerate(SIDES)
        ]
        found = {
            DISPLACED: through_displacement(plain, Pairs(rows[0], rows[1])),
            MMD: through_space(plain, mmd),
            SOURCE: source_only(plain),
            ORACLE: oracle(plain),
            COMMONEST: commonest(plain),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _labelled(self, side: str, ids: list[str]) -> tuple[np.ndarray, np.ndarray]:
        kept = [i for i in ids if self.labels[side].get(i) in self.names]
        if not kept:
            raise UserError(
                "the domains have no class in common", where="label", do="use the same labels on both sides"
            )
        classes = [self.names.index(str(self.labels[side][i])) for i in kept]
        return self.corpora.rows[side].rows(kept), np.array(classes)


def _labels(corpora: Corpora, side: str) -> dict[str, str | None]:
    found = corpora.column(side, "label", "group")
    if not any(found.values()):
        do = "name the label column of both sources"
        raise UserError("the rows have no labels to transfer", where=f"{side}.label", do=do)
    return found


def _standardised(domains: Domains, starts: Mapping[str, Transform]) -> Domains:
    left, right = (starts[side] for side in SIDES)
    return replace(domains, source=left(domains.source), target=right(domains.target), labelled=right(domains.labelled))


def _section(numbers: Numbers, exported: str) -> Section:
    accuracy = numbers["accuracy"]
    ours = [name for name in (exported, DISPLACED) if name in accuracy]
    moved = f" (rows displaced as the pairs show: {percent(accuracy[DISPLACED])} %)" if DISPLACED in ours else ""
    finding = (
        f"labels learned on the left side alone are right for {percent(accuracy[exported])} % of {numbers['items']}"
        f" held-out right items ({numbers['classes']} classes){moved}; the right side's own labels give"
        f" {percent(accuracy[ORACLE])} %, no pairs (MMD) {percent(accuracy[MMD])} %, shuffled pairs"
        f" {percent(accuracy[CONTROL])} %."
    )
    key = f"{percent(accuracy[exported])} %, with labels of its own {percent(accuracy[ORACLE])} %"
    section = transfer_section(TITLE, "transfer", finding, {"held-out right items": numbers}, *ours)
    return replace(section, key=key)


def transfer_section(title: str, name: str, finding: str, panels: dict[str, Any], *ours: str) -> Section:
    """A panel of bars each, and all in a table."""
    figure = bars(
        {panel: v["accuracy"] for panel, v in panels.items()},
        ours=ours,
        chance={},
        name=name,
        title=title,
        caption="Accuracy on held-out rows of the domain whose labels were not used; 95 % intervals over draws.",
    )
    shares = [name for v in panels.values() for name in v.get("closed", {})]
    rows = [
        [panel, row, percent(a), *([percent(v["closed"][row]) if row in v["closed"] else "–"] if shares else [])]
        for panel, v in panels.items()
        for row, a in v["accuracy"].items()
    ]
    moved = (
        " Displaced: every source row is moved by what the known pairs show for rows like it. Gap closed: between"
        " source only and oracle."
    )
    return Section(
        title=title,
        finding=finding,
        about="The classifier is a vote of the ten nearest labelled rows of the source. MMD only: whitened principal"
        " components, the source moved by a residual net until the two clouds agree, no pair known. Oracle: the vote of"
        f" the target's own labelled rows.{moved if shares else ''}",
        figures=[figure],
        words=2,
        columns=("domains", "classifier", "accuracy, %", *(("gap closed, %",) if shares else ())),
        rows=rows,
    )
