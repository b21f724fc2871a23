"""Step ``pairs`` of ``bridge``: which pairs are fitted on, which A–C pairs judge, what the bridge may be made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from cluster.workflow.step import Facts, StepContext
from components.corpora.pairs import Known, KnownPairs, known_pairs, refuse_leakage
from components.corpora.triples import SIDES, Fitted, TripleConfig, make_triples
from components.embeddings import Embeddings
from components.files import Folder
from components.judge import Judge
from pipelines.steps.pairs import side_ids


def run(ctx: StepContext) -> Facts:
    """Write ``triples.json``; see :class:`components.corpora.triples.Triples`.

    inputs: ``shard-a``, ``shard-b``, ``shard-c`` (ids are read, never contents), or ``space-ab``, ``space-bc``.
    config: the fields of :class:`TripleConfig`. locations: ``ab``, ``bc``, ``heldout``, ``oracle``, as far as given.
    """
    known = known_sides(ctx.inputs)
    read = {n: known_pairs(ctx.locations[n], *_ends(known, n), sides=_sides(n)) for n in ctx.locations}
    if {"heldout", "oracle"} <= read.keys():
        refuse_leakage(read["oracle"], read["heldout"])
    triples = make_triples(
        {side: sorted(known[side].ids) for side in SIDES},
        {edge: _pairs(read, edge) or [] for edge in ("ab", "bc")},
        TripleConfig(**{f.name: ctx.config[f.name] for f in fields(TripleConfig)}),
        heldout=_pairs(read, "heldout"),
        oracle=_pairs(read, "oracle"),
        fitted=fitted_in(ctx.inputs) if "space-ab" in ctx.inputs else None,
    )
    triples.write(ctx.out)
    warnings = [*(w for r in read.values() for w in r.warnings), *triples.warnings]
    for line in warnings:
        ctx.note(line)
    return triples.numbers() | {"heldout_from": triples.heldout_from, "warnings": warnings}


def known_sides(inputs: Mapping[str, Folder]) -> dict[str, Known]:
    """Ids of A, B and C. Of two spaces, B is what both have."""
    if "shard-a" in inputs:
        return {side: side_ids(inputs[f"shard-{side}"])[1] for side in SIDES}
    rows = {
        (edge, side): set(Embeddings.read(inputs[f"space-{edge}"], f"model/{side}-index.parquet").ids)
        for edge in ("ab", "bc")
        for side in ("left", "right")
    }
    middle = rows["ab", "right"] & rows["bc", "left"]
    return {"a": Known(ids=rows["ab", "left"]), "b": Known(ids=middle), "c": Known(ids=rows["bc", "right"])}


def fitted_in(inputs: Mapping[str, Folder]) -> Fitted:
    """Items of A and of C that the two spaces were fitted on, as far as their models say it."""
    judges = [Judge.read(inputs[f"space-{edge}"].sub("model")) for edge in ("ab", "bc")]
    return Fitted(
        a=judges[0].paired["left"] if judges[0] else frozenset(),
        c=judges[1].paired["right"] if judges[1] else frozenset(),
    )


def _sides(name: str) -> tuple[str, str]:
    return {"ab": ("a", "b"), "bc": ("b", "c")}.get(name, ("a", "c"))


def _ends(known: Mapping[str, Known], name: str) -> tuple[Known, Known]:
    first, second = _sides(name)
    return known[first], known[second]


def _pairs(read: Mapping[str, KnownPairs], name: str) -> list[tuple[str, str]] | None:
    return read[name].pairs if name in read else None
