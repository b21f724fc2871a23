"""Step ``oracle``: what real A–C pairs would have given. Only judged by, never part of what is exported."""

from __future__ import annotations

import pyarrow as pa

from cluster.workflow.step import Facts, StepContext
from components.bridging.edges import fit_edge
from components.corpora.triples import Triples
from components.evaluation.retrieval import RANKS_SCHEMA, ranks_of
from components.evaluation.trials import PRIMARY
from pipelines.steps.bridge_aligned import edge_world, standardized_sides
from pipelines.steps.bridge_rows import read_rows
from pipelines.steps.scores import headline


def run(ctx: StepContext) -> Facts:
    """Write ``ranks.parquet``: of the held-out A–C pairs by an aligner that was given other A–C pairs, every draw.

    config: ``aligners`` (the likeliest out of fold is taken), ``preprocess``, ``seed``. inputs: ``pairs`` and the rows.
    """
    triples = Triples.read(ctx.inputs["pairs"])
    if not triples.heldout or not all(draw.ac for draw in triples.draws):
        ctx.out.write_table("ranks.parquet", RANKS_SCHEMA.empty_table())
        return {"pairs": 0}
    sides, sample = standardized_sides(ctx, triples)
    rows, tables, aligners = read_rows(ctx.inputs), [], []
    for number, draw in enumerate(triples.draws):
        world = edge_world(sides, sample, "a", "c")
        edge = fit_edge(list(ctx.config["aligners"]), world, draw.ac, seed=int(ctx.config["seed"]))
        mapped = [
            part(sides[side].standardizer(rows[side].rows([p[n] for p in triples.heldout])))
            for n, (side, part) in enumerate((("a", edge.alignment.left), ("c", edge.alignment.right)))
        ]
        tables.append(ranks_of(mapped[0], mapped[1], triples.heldout, PRIMARY, number))
        aligners.append(edge.judged.aligner)
    ranks = pa.concat_tables(tables)
    ctx.out.write_table("ranks.parquet", ranks)
    return {"pairs": len(triples.draws[0].ac), "aligners": aligners, **headline(ranks)}
