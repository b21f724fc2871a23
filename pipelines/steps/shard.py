"""Step ``shard-left`` / ``shard-right``: read, validate, deduplicate, quarantine and shard one corpus."""

from __future__ import annotations

from collections import Counter

from cluster.data import shard_corpus
from cluster.workflow.step import Facts, StepContext
from components.corpora.source_config import SourceConfig
from components.corpora.sources import open_source


def run(ctx: StepContext) -> Facts:
    """Write ``shards/``, ``quarantine/`` and ``corpus.json``; see :func:`cluster.data.shard_corpus`.

    config: ``side``, ``max_bad_fraction``, and any column name of :class:`SourceConfig`.
    locations: ``source``. options: ``engine`` (ray or local), ``shards`` (number; null decides by size).
    """
    source = open_source(SourceConfig.of(ctx.locations["source"], ctx.config))
    if source.ignored:
        ctx.note(f"{source.ignored} files of another form than {source.form} are left out")
    nodes: Counter[str] = Counter()
    corpus = shard_corpus(
        source,
        ctx.out,
        ctx.work,
        engine=ctx.options.get("engine", "ray"),
        shards=ctx.options.get("shards"),
        max_bad_fraction=ctx.config.get("max_bad_fraction", 0.05),
        progress=ctx.progress,
        nodes=nodes,
    )
    ctx.placed(nodes)
    if corpus.quarantined:
        reasons = ", ".join(f"{n} × {reason}" for reason, n in corpus.reasons.items())
        ctx.note(f"{corpus.quarantined} rows are left out ({reasons}); which ones: isthmus show {ctx.name}")
    return corpus.to_json() | {"shards": corpus.shards}
