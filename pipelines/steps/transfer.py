"""Step ``transfer``: labels learned on the left side only and used on the right one, through the shared space.

Of a recipe whose sides are two domains with one kind of label: the domains of Office-31, or two sets of drawings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.hubness import uncorrected
from components.alignment.preprocess import fit_standardizer
from components.errors import UserError
from components.evaluation.controls import SHUFFLED
from components.evaluation.transfer import (
    MMD,
    ORACLE,
    SOURCE,
    Domains,
    commonest,
    mmd_space,
    oracle,
    source_only,
    summarise_transfer,
    through_space,
)
from components.reporting.figures_applications import bars
from components.reporting.section import Section, percent
from pipelines.steps.application import Corpora, Numbers, run_application
from pipelines.steps.spaces import Spaces

TITLE = "Transfer of labels"
CONTROL, COMMONEST = "shuffled pairs", "commonest class"


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``seed``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """Raises UserError: a side has no labels, or the sides have no class in common."""
    corpora, spaces = Corpora(ctx), Spaces.read(ctx.inputs["spaces"])
    encoders = _domains(corpora)
    starts = [
        fit_standardizer(corpora.rows[s].rows(corpora.unpaired[s]), None, corpora.rows[s].blocks)
        for s in ("left", "right")
    ]
    plain = Domains(
        source=starts[0](encoders.source),
        source_classes=encoders.source_classes,
        target=starts[1](encoders.target),
        target_classes=encoders.target_classes,
        labelled=starts[1](encoders.labelled),
        labelled_classes=encoders.labelled_classes,
    )
    sides = [
        start(corpora.rows[s].rows(corpora.unpaired[s])) for start, s in zip(starts, ("left", "right"), strict=True)
    ]
    fixed = {MMD: through_space(plain, mmd_space(*sides, seed=int(ctx.config["seed"])))}
    if (floor := source_only(plain)) is not None:
        fixed[SOURCE] = floor
    fixed |= {ORACLE: oracle(plain), COMMONEST: commonest(plain)}
    fits = {m: spaces.fits(m) for m in spaces.methods} | {CONTROL: spaces.fits(spaces.exported, SHUFFLED)}
    draws = [
        {name: through_space(encoders, uncorrected(own[d])) for name, own in fits.items()} | fixed
        for d in range(spaces.num_draws)
    ]
    numbers: Numbers = {
        **summarise_transfer(draws),
        "classes": len(np.unique(encoders.source_classes)),
        "items": len(encoders.target),
    }
    return numbers, _section(numbers, spaces.exported)


def _domains(corpora: Corpora) -> Domains:
    """Labelled rows: the left side's unpaired ones teach, the right side's held-out ones are asked, its unpaired ones
    teach the oracle."""
    labels = {side: corpora.column(side, "label", "group") for side in ("left", "right")}
    for side, found in labels.items():
        if not any(found.values()):
            do = "name the label column of both sources"
            raise UserError("the rows have no labels to transfer", where=f"{side}.label", do=do)
    names = sorted({v for v in labels["left"].values() if v} & {v for v in labels["right"].values() if v})

    def labelled(side: str, ids: list[str]) -> tuple[np.ndarray, np.ndarray]:
        kept = [i for i in ids if labels[side].get(i) in names]
        if not kept:
            raise UserError(
                "the domains have no class in common", where="label", do="use the same labels on both sides"
            )
        return corpora.rows[side].rows(kept), np.array([names.index(str(labels[side][i])) for i in kept])

    (source, s), (target, t) = labelled("left", corpora.unpaired["left"]), labelled("right", corpora.heldout("right"))
    own, o = labelled("right", corpora.unpaired["right"])
    return Domains(source=source, source_classes=s, target=target, target_classes=t, labelled=own, labelled_classes=o)


def _section(numbers: Numbers, exported: str) -> Section:
    accuracy = numbers["accuracy"]
    finding = (
        f"labels learned on the left side alone are right for {percent(accuracy[exported])} % of {numbers['items']}"
        f" held-out right items ({numbers['classes']} classes); the right side's own labels give"
        f" {percent(accuracy[ORACLE])} %, no pairs (MMD) {percent(accuracy[MMD])} %, shuffled pairs"
        f" {percent(accuracy[CONTROL])} %."
    )
    key = f"{percent(accuracy[exported])} %, with labels of its own {percent(accuracy[ORACLE])} %"
    section = transfer_section(TITLE, "transfer", finding, {"held-out right items": numbers}, exported)
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
    rows = [
        [panel, row, percent(a), percent(v["closed"][row]) if row in v.get("closed", {}) else "–"]
        for panel, v in panels.items()
        for row, a in v["accuracy"].items()
    ]
    return Section(
        title=title,
        finding=finding,
        about="The classifier is a vote of the ten nearest labelled rows of the source. MMD only: whitened principal"
        " components, the source moved by a residual net until the two clouds agree, no pair known. Oracle: the vote of"
        " the target's own labelled rows. Gap closed: between source only and oracle.",
        figures=[figure],
        words=2,
        columns=("domains", "classifier", "accuracy, %", "gap closed, %"),
        rows=rows,
    )
