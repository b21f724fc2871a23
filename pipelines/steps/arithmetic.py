"""Step ``arithmetic``: a − b + c of texts, and of an item of the other side and two texts, against held-out items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.hubness import uncorrected
from components.evaluation.arithmetic import (
    RECALLS,
    Query,
    centred_units,
    find_queries,
    gain,
    ranks_without_operands,
    summarise_ranks,
)
from components.evaluation.controls import NONE, SHUFFLED
from components.reporting.figures_applications import bars
from components.reporting.section import Example, Section, Shown, percent
from components.transforms import unit_rows
from pipelines.steps.application import Corpora, Numbers, map_of, other, run_application
from pipelines.steps.fit import SIDES
from pipelines.steps.spaces import Spaces

TITLE = "Semantic arithmetic"
TEXTS, MEANS, MIXED, MIXED_MEANS = "texts", "texts_mean", "item", "item_mean"
ALONE_A, ALONE_C, ITEM_A, OWN = "text_a", "text_c", "item_a", "own_text"
SHOWN = {
    TEXTS: "texts: a − b + c",
    MEANS: "texts: a + mean of c − b",
    ALONE_A: "text a alone",
    ALONE_C: "text c alone",
    OWN: "the wanted item's own text",
    MIXED: "item a − text b + text c",
    MIXED_MEANS: "item a + mean of texts c − b",
    ITEM_A: "item a alone",
}
PARTS = dict.fromkeys((TEXTS, MEANS), (ALONE_A, ALONE_C)) | dict.fromkeys((MIXED, MIXED_MEANS), (ITEM_A, ALONE_C))
K = 5
NUM_EXAMPLES, ANSWERS = 8, 6


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``seed``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """Raises UserError: no side reads texts, or the names have no structure."""
    asked = _Asked(Corpora(ctx), int(ctx.config["seed"]))
    spaces = Spaces.read(ctx.inputs["spaces"])
    draws = {m: [asked.ranks(a) for a in spaces.fits(m)] for m in spaces.methods}
    control = [asked.ranks(a) for a in spaces.fits(spaces.exported, SHUFFLED)]
    numbers: Numbers = {
        "methods": {m: _summary(ranks) for m, ranks in draws.items()},
        "control": {name: s for name, s in _summary(control).items() if name in (TEXTS, MEANS)},
        "gains": _gains(draws[spaces.exported], asked),
        "chance": {f"A@{k}": k / len(asked.gallery) for k in RECALLS},
        "queries": len(asked.queries),
        "wanted": len({q.wanted for q in asked.queries}),
        "gallery": len(asked.gallery),
    }
    return numbers, _section(numbers, asked, spaces)


class _Asked:
    """Queries and the rows that they need; the gallery are the held-out items of the side that texts ask."""

    def __init__(self, corpora: Corpora, seed: int) -> None:
        self.corpora, self.seed = corpora, seed
        self.texts = _named_side(corpora)
        self.items = other(self.texts)
        partner = self._partners()
        self.names = {partner[i]: n for i, n in self._names().items() if n and i in partner}
        self.text_of = {item: text for text, item in partner.items()}
        self.gallery = corpora.heldout(self.items)
        self.queries: list[Query] = find_queries(self.names, self.gallery, seed=seed)

    def _names(self) -> dict[str, str | None]:
        return self.corpora.column(self.texts, "title", "text") or self.corpora.column(self.items, "title")

    def _partners(self) -> dict[str, str]:
        """Text id -> item id of every true pair that is known or held out: what operands are, and what is wanted."""
        splits = self.corpora.splits
        pairs = splits.pool + splits.heldout
        return {b: a for a, b in pairs} if self.texts == "right" else dict(pairs)

    def ranks(self, alignment: Any) -> dict[str, np.ndarray]:
        """Ranks of the wanted items under one fit, by kind of question. [Q] each"""
        points, gallery = self.points(alignment)
        return {name: ranks_without_operands(p, self.queries, gallery, self.gallery) for name, p in points.items()}

    def points(self, alignment: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
        space = uncorrected(alignment)
        a, c, own = (self._texts(space, [getattr(q, o) for q in self.queries]) for o in ("a", "c", "wanted"))
        one, means = c - self._texts(space, [q.b for q in self.queries]), self._mean_steps(space)
        item = self._place(space, self.items, [q.a for q in self.queries])
        sums = {TEXTS: a + one, MEANS: a + means, MIXED: item + one, MIXED_MEANS: item + means}
        found = {name: unit_rows(rows) for name, rows in sums.items()}
        return {**found, ALONE_A: a, ALONE_C: c, OWN: own, ITEM_A: item}, self._place(space, self.items, self.gallery)

    def _mean_steps(self, space: Any) -> np.ndarray:
        """Mean of c − b over all steps of each query. [Q, K]"""
        b, c = (self._texts(space, [s[n] for q in self.queries for s in q.steps]) for n in (0, 1))
        counts = [len(q.steps) for q in self.queries]
        starts = np.cumsum([0, *counts[:-1]])
        return np.asarray(np.add.reduceat(c - b, starts) / np.array(counts)[:, None])

    def _texts(self, space: Any, items: Sequence[str]) -> np.ndarray:
        return self._place(space, self.texts, [self.text_of[i] for i in items])

    def _place(self, space: Any, side: str, ids: Sequence[str]) -> np.ndarray:
        """Rows of the shared space, less the mean of their side, at unit length."""
        mapping, rows = map_of(space, side), self.corpora.rows[side]
        unique = sorted(set(ids))
        centred = centred_units(mapping(rows.rows(unique)), mapping(rows.rows(self.corpora.unpaired[side])))
        at = {i: n for n, i in enumerate(unique)}
        return centred[[at[i] for i in ids]]


def _named_side(corpora: Corpora) -> str:
    """The side of texts; of two sides of vectors the right one, if there are names. Raises UserError."""
    if any(corpora.column(side, "title") for side in SIDES) and "text" not in map(corpora.modality, SIDES):
        return "right"
    return corpora.text_side()


def _summary(draws: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    return {name: summarise_ranks([d[name] for d in draws]) for name in draws[0]}


def _gains(draws: Sequence[Mapping[str, np.ndarray]], asked: _Asked) -> dict[str, Any]:
    """Of every kind of sum over each of its parts."""

    def over(kind: str, part: str) -> dict[str, float]:
        ranks = [[d[name] for d in draws] for name in (kind, part)]
        return gain(ranks[0], ranks[1], asked.queries, k=K, seed=asked.seed).to_json()

    return {kind: {part: over(kind, part) for part in parts} for kind, parts in PARTS.items()}


def _section(numbers: Numbers, asked: _Asked, spaces: Spaces) -> Section:
    ours, control = numbers["methods"][spaces.exported], numbers["control"]
    at = f"A@{K}"
    share = {name: f"{percent(s[at])} %" for name, s in ours.items()}
    finding = (
        f"the sum a − b + c of texts has the wanted one of {numbers['gallery']} held-out items among its first {K} for"
        f" {share[TEXTS]} of {numbers['queries']} questions (c − b averaged {share[MEANS]}, a alone {share[ALONE_A]},"
        f" c alone {share[ALONE_C]}, the wanted item's own text {share[OWN]}); with an item of the other side as a for"
        f" {share[MIXED]} (alone {share[ITEM_A]})."
    )
    shown = {SHOWN[name]: ours[name][at] for name in (TEXTS, MEANS, ALONE_A, ALONE_C, OWN)}
    rows = shown | {"shuffled pairs": control[TEXTS][at]}
    mixed = {SHOWN[name]: ours[name][at] for name in (MIXED, MIXED_MEANS, ITEM_A, ALONE_C)}
    chance = numbers["chance"][at]
    figure = bars(
        {"texts only": rows, "an item and two texts": mixed},
        ours=[SHOWN[name] for name in PARTS],
        chance={"texts only": chance, "an item and two texts": chance},
        name="arithmetic",
        title=TITLE,
        caption=f"How often the wanted item is among the first {K}, operands left out; dashed: chance.",
        axis=f"accuracy at {K}",
    )
    gained = numbers["gains"]
    told = "; ".join(
        f"{SHOWN[kind]}: {100 * g['mean']:+.1f} points over {SHOWN[part]}"
        f" ({100 * g['low']:+.1f} to {100 * g['high']:+.1f})"
        for kind in (TEXTS, MIXED)
        for part, g in gained[kind].items()
    )
    return Section(
        title=TITLE,
        finding=finding,
        key=f"{share[TEXTS]} among the first {K}; a alone {share[ALONE_A]}, c alone {share[ALONE_C]}",
        about=f"Questions are found in the names alone: two that differ in one word, twice with the same words. Gain at"
        f" {K}, 95 % bootstrap over the {numbers['wanted']} wanted items: {told}.",
        figures=[figure],
        words=2,
        columns=("method", "question", *(f"first {k}, %" for k in RECALLS)),
        rows=[
            [m, SHOWN[name], *(percent(s[f"A@{k}"]) for k in RECALLS)]
            for m, by in [*numbers["methods"].items(), ("shuffled pairs", control)]
            for name, s in by.items()
        ],
        examples=_examples(asked, spaces),
    )


def _examples(asked: _Asked, spaces: Spaces) -> list[Example]:
    """A few questions, one for each wanted item, evenly over all, with the first answers of the primary fit."""
    points, gallery = asked.points(spaces.fits(spaces.exported, NONE)[0])
    first = {q.wanted: n for n, q in reversed(list(enumerate(asked.queries)))}
    places = sorted(first.values())
    chosen = [places[n] for n in np.unique(np.linspace(0, len(places) - 1, min(NUM_EXAMPLES, len(places))).astype(int))]
    found = []
    for n in chosen:
        query = asked.queries[n]
        scores = gallery @ points[TEXTS][n]
        order = [i for i in np.argsort(-scores, kind="stable") if asked.gallery[i] not in query.operands]
        found.append((query, [asked.gallery[i] for i in order[:ANSWERS]]))
    pictures = asked.corpora.pictures(asked.items, [i for _, ids in found for i in ids])
    name = asked.names
    return [
        Example(
            question=f"{name[q.a]} − {name[q.b]} + {name[q.c]} = {name[q.wanted]}",
            answers=[Shown.of(name.get(i, i), pictures.get(i), hit=i == q.wanted) for i in ids],
        )
        for q, ids in found
    ]
