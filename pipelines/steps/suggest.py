"""Step ``suggest``: which items to find partners for next, as a list to fill in and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.preprocess import fused
from components.corpora.pairs import known_pairs, refuse_leakage
from components.corpora.splits import KnownSoFar, known_so_far
from components.embeddings import Embeddings
from components.pairing.config import CoverageConfig
from components.pairing.sequential import suggest_next
from components.pairing.suggestion import Suggestion
from components.reporting.suggest_page import SuggestPage, Wanted, render_suggestion
from components.reporting.worksheet import worksheet
from pipelines.steps.pairs import side_ids, split_config
from pipelines.steps.report import Corpus

SIDES = ("left", "right")
LIST, PAGE = "to_pair.csv", "to_pair.html"
METHODS = {"facility-location": "facility location", "kernel-variance": "kernel variance", "k-medoids": "k-medoids"}


def run(ctx: StepContext) -> Facts:
    """Write ``to_pair.csv``, ``to_pair.html`` and ``suggestion.json``.

    inputs: ``shard-left``, ``shard-right``, ``left``, ``right`` (embeddings); of a side that nothing is asked of and no
    pair needs, none. config: ``budget``, ``side``, ``coverage`` (fields of :class:`CoverageConfig`) and those of
    :class:`~components.corpora.split_config.SplitConfig`. locations: ``pairs``, ``known`` (instead of ``pairs``),
    ``heldout``; none is needed.
    """
    known = _known(ctx)
    rows = {side: _without(ctx, side, [p[n] for p in known.heldout]) for n, side in enumerate(SIDES)}
    config = CoverageConfig(**ctx.config["coverage"])
    chosen = suggest_next(
        rows["left"], rows["right"], known.fitted, ctx.config["budget"], side=ctx.config["side"], config=config
    )
    page = _page(ctx, chosen, known, {side: len(rows[side]) for side in chosen.start_coverage})
    ctx.out.write_bytes(LIST, worksheet(page.wanted))
    ctx.out.write_bytes(PAGE, render_suggestion(page).encode())
    ctx.out.write_json("suggestion.json", chosen.to_json())
    return _facts(chosen, known)


@dataclass(frozen=True, kw_only=True)
class _Known(KnownSoFar):
    """With sentences for the user."""

    notes: list[str]


def _known(ctx: StepContext) -> _Known:
    """Pairs to go on from and held-out ones; held-out pairs are never among the former."""
    names = [name for name in ("pairs", "known", "heldout") if name in ctx.locations]
    if not names:
        return _Known(fitted=[], heldout=[], notes=[])
    left, right = (side_ids(ctx.inputs[f"shard-{side}"])[1] for side in SIDES)
    found = {name: known_pairs(ctx.locations[name], left, right) for name in names}
    if "heldout" in found:
        for name in ("pairs", "known"):
            if name in found:
                refuse_leakage(found[name], found["heldout"])
    given = found["heldout"].pairs if "heldout" in found else None
    pairs = found["pairs"].pairs if "pairs" in found else []
    now = known_so_far(pairs, given, split_config(ctx.config))
    notes = [line for read in found.values() for line in read.warnings]
    if "known" in found:
        return _instead(now, found["known"].pairs, notes)
    return _Known(fitted=now.fitted, heldout=now.heldout, notes=notes + _notes(len(pairs), now, given is None))


def _instead(now: KnownSoFar, known: list[tuple[str, str]], notes: list[str]) -> _Known:
    """``--known`` in place of the recipe's pairs, without those that the recipe holds out."""
    out = [{p[n] for p in now.heldout} for n in (0, 1)]
    kept = [p for p in known if p[0] not in out[0] and p[1] not in out[1]]
    if len(kept) < len(known):
        notes = [*notes, f"{len(known) - len(kept)} of the pairs to go on from are held out by the recipe: not used"]
    return _Known(fitted=kept, heldout=now.heldout, notes=notes)


def _notes(num_pairs: int, now: KnownSoFar, drawn: bool) -> list[str]:
    notes = []
    beyond = num_pairs - len(now.fitted) - (len(now.heldout) if drawn else 0)
    if beyond > 0:
        notes.append(
            f"the choice goes on from the {len(now.fitted)} pairs that pairs_budget lets a run fit on; the other"
            f" {beyond} count as not known (set pairs_budget to null to use all)"
        )
    if drawn and now.heldout:
        notes.append(
            f"{len(now.heldout)} pairs are held out for evaluation and took no part. Chosen pairs are no fair sample:"
            " keep evaluating on pairs drawn at random, named as `heldout`"
        )
    return notes


def _without(ctx: StepContext, side: str, heldout: list[str]) -> Embeddings:
    """A side's rows without the held-out ones; no rows of a side that is not needed."""
    if side not in ctx.inputs:
        return Embeddings([], np.zeros((0, 1), np.float32))
    rows, out = fused(Embeddings.read(ctx.inputs[side]), seed=int(ctx.config["seed"])), set(heldout)
    return rows.take([i for i in rows.ids if i not in out]) if out else rows


def _page(ctx: StepContext, chosen: Suggestion, known: _Known, rows: dict[str, int]) -> SuggestPage:
    corpora = {side: Corpus(ctx.inputs[f"shard-{side}"], chosen.of(side)) for side in rows}
    for line in known.notes:
        ctx.note(line)
    return SuggestPage(
        title=f"Isthmus: {ctx.options.get('name', 'suggest')}",
        wanted=[
            Wanted(item=corpora[side].item(row), side=side, gain=gain, coverage=coverage)
            for row, side, gain, coverage in zip(chosen.ids, chosen.sides, chosen.gains, chosen.coverage, strict=True)
        ],
        method=METHODS[ctx.config["coverage"]["method"]],
        num_known=len(known.fitted),
        rows=rows,
        start=chosen.start_coverage,
        random=chosen.random_coverage,
        file=LIST,
        notes=known.notes,
    )


def _facts(chosen: Suggestion, known: KnownSoFar) -> Facts:
    facts: Facts = {"items": len(chosen), "known": len(known.fitted), "heldout": len(known.heldout)}
    for side, start in chosen.start_coverage.items():
        reached = [c for c, s in zip(chosen.coverage, chosen.sides, strict=True) if s == side]
        facts |= {f"coverage_before.{side}": start, f"coverage.{side}": reached[-1]}
        facts |= {f"coverage_of_random.{side}": chosen.random_coverage[side][-1]}
    return facts


def headline(facts: Mapping[str, Any]) -> str:
    """One line of what the choice comes to."""
    sides = [name.partition(".")[2] for name in facts if name.startswith("coverage.")]
    parts = [
        f"{side} coverage {facts[f'coverage.{side}']:.3f} (random items {facts[f'coverage_of_random.{side}']:.3f})"
        for side in sides
    ]
    return f"{facts['items']} items; {', '.join(parts)}"
