"""Step ``report``: everything the other steps found, on one self-contained page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import yaml

from cluster.workflow.manifest import MANIFEST, Manifest
from cluster.workflow.step import Facts, StepContext
from components.alignment.hubness import uncorrected
from components.alignment.protocol import Alignment
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.files import Folder
from components.reporting import intake
from components.reporting.data import Item, Provenance, ReportData, SharedSpace, StepTime
from components.reporting.examples import Asked, find_near_hits, pair_words, pick_queries
from components.reporting.page import render
from components.reporting.promises import read_promises
from components.transforms import load_transform
from pipelines.steps.bank import folders_of

SIDES = ("left", "right")
MAX_MAP_ROWS = 400
SHOWN_VERSIONS = ("isthmus", "ray", "torch", "mlflow", "pyarrow", "numpy", "scikit-learn", "faiss-cpu")


def run(ctx: StepContext) -> Facts:
    """Write ``report.html``, ``figures/`` (SVG, PNG and the data as CSV), ``tables/`` and ``metrics.json``."""
    report = render(gather(ctx))
    for name, data in report.files().items():
        ctx.out.write_bytes(name, data)
    ctx.out.write_bytes("metrics.json", ctx.inputs["evaluate"].read_bytes("metrics.json"))
    return {"headline": report.headline, "figures": len(report.figures), "html_bytes": len(report.html)}


def gather(ctx: StepContext) -> ReportData:
    """Read the inputs' files into :class:`ReportData`."""
    metrics = ctx.inputs["evaluate"].read_json("metrics.json")
    splits = Splits.read(ctx.inputs["splits"])
    corpora = {
        side: Corpus(ctx.inputs[f"shard-{side}"], [p[n] for p in splits.heldout]) for n, side in enumerate(SIDES)
    }
    left, right = (corpora[side].side(side, ctx.inputs[f"encode-{side}"]) for side in SIDES)
    alignment = _exported(ctx)
    coords = _heldout_coordinates(ctx, alignment, splits)
    queries, near = _examples(splits, corpora, coords)
    recipe = ctx.options.get("recipe", {})
    return ReportData(
        title=f"Isthmus: {recipe.get('name', 'report')}",
        left=left,
        right=right,
        num_pairs=metrics["pairs"]["pairs"],
        exported=ctx.config["aligner"],
        retrieval=intake.splits(metrics),
        controls=intake.controls(metrics),
        gauge=intake.gauge(metrics["alignability"]),
        choice=intake.choice(metrics.get("auto")),
        card=ctx.inputs["export"].read_json("model/card.json"),
        promises=read_promises(metrics.get("confidence")),
        curves=intake.curves(ctx.inputs["evaluate"].read_bytes("recall_at_k.csv").decode(), metrics["primary_split"]),
        spectra=[intake.spectrum(side, folder.read_json("spectrum.json")) for side, folder in _spectral(ctx)],
        correlations=_correlations(ctx),
        discrepancy=_discrepancy(ctx),
        shared=_map(_heldout_coordinates(ctx, uncorrected(alignment), splits)),
        queries=queries,
        near_hits=near,
        steps=list(_timings(ctx.inputs)),
        provenance=_provenance(ctx, recipe),
        notes=[*splits.warnings, *(f"no {name} split: {why}" for name, why in splits.absent.items())],
    )


class Corpus:
    """The rows of one side that the report shows: the held-out ones."""

    def __init__(self, folder: Folder, ids: Iterable[str]) -> None:
        self.about = folder.read_json("corpus.json")
        wanted = set(ids)
        self.items: dict[str, Item] = {}
        for table in folder.iter_tables("shards"):
            for row in _rows(table, wanted):
                self.items[row["id"]] = _item(row)

    def side(self, name: str, encode: Folder) -> Any:
        return intake.side(name, self.about, encode.read_json("encoder.json"))

    def item(self, row_id: str) -> Item:
        return self.items[row_id]


def _rows(table: Any, wanted: set[str]) -> list[dict[str, Any]]:
    keep = [n for n, i in enumerate(table["id"].to_pylist()) if i in wanted]
    columns = [c for c in table.column_names if c != "embedding"]
    rows: list[dict[str, Any]] = table.select(columns).take(keep).to_pylist()
    return rows


def _item(row: Mapping[str, Any]) -> Item:
    return Item(
        id=row["id"],
        title=row.get("title") or "",
        text=row.get("text"),
        image=row.get("image"),
        group=row.get("group") or "",
        label=row.get("label") or "",
    )


def _exported(ctx: StepContext) -> Alignment:
    """The exported aligner's primary maps."""
    folder = folders_of(ctx.inputs, "method:")[ctx.config["aligner"]]
    return Alignment(load_transform(folder, "left"), load_transform(folder, "right"))


def _heldout_coordinates(ctx: StepContext, alignment: Alignment, splits: Splits) -> dict[str, np.ndarray]:
    """The held-out rows of both sides in the shared space, [T, K] each."""
    maps = {"left": alignment.left, "right": alignment.right}
    return {
        side: maps[side](Embeddings.read(ctx.inputs[f"encode-{side}"]).rows([p[n] for p in splits.heldout]))
        for n, side in enumerate(SIDES)
    }


def _examples(splits: Splits, corpora: Mapping[str, Corpus], coords: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
    scores = coords["left"] @ coords["right"].T
    left, right = ([p[n] for p in splits.heldout] for n in (0, 1))
    words = pair_words([corpora["left"].item(i) for i in left], [corpora["right"].item(i) for i in right])
    get: dict[str, Callable[[str], Item]] = {side: corpora[side].item for side in SIDES}
    asked = {
        "left_to_right": Asked(
            scores=scores, query_ids=left, gallery_ids=right, query=get["left"], answer=get["right"]
        ),
        "right_to_left": Asked(
            scores=scores.T, query_ids=right, gallery_ids=left, query=get["right"], answer=get["left"]
        ),
    }
    queries = {name: pick_queries(a) for name, a in asked.items()}
    return queries, {name: find_near_hits(a, words) for name, a in asked.items()}


def _map(coords: Mapping[str, np.ndarray]) -> SharedSpace:
    """Held-out pairs in the shared space, thinned evenly for the picture."""
    total = len(coords["left"])
    rows = np.unique(np.linspace(0, total - 1, min(total, MAX_MAP_ROWS)).astype(int))
    pairs = [(n, n) for n in range(len(rows))]
    return SharedSpace(left=coords["left"][rows], right=coords["right"][rows], pairs=pairs)


def _spectral(ctx: StepContext) -> list[tuple[str, Folder]]:
    names = [n for n in ctx.inputs if n.startswith("spectral:")]
    return [(name.rsplit("-", 1)[1], ctx.inputs[name]) for name in sorted(names)]


def _correlations(ctx: StepContext) -> Any:
    for name in ("cca:sue", "method:eigen-cca"):
        if name in ctx.inputs:
            return intake.correlations(ctx.inputs[name].read_json("diagnostics.json")[0])
    return None


def _discrepancy(ctx: StepContext) -> Any:
    folder = ctx.inputs.get("method:sue")
    return intake.discrepancy(folder.read_json("mmd.json")) if folder else None


def _timings(inputs: Mapping[str, Folder]) -> Iterable[StepTime]:
    seen: dict[str, float] = {}
    for folder in inputs.values():
        manifest = _manifest(folder)
        seen[manifest.step] = float(manifest.made.get("seconds", 0.0))
    return [StepTime(name=name, seconds=seconds) for name, seconds in seen.items()]


def _provenance(ctx: StepContext, recipe: Mapping[str, Any]) -> Provenance:
    digests = {}
    for side in SIDES:
        digests[f"{side} corpus"] = _manifest(ctx.inputs[f"shard-{side}"]).digest
    return Provenance(
        recipe=yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True) if recipe else "",
        seed=recipe.get("seed"),
        command=f"isthmus run {recipe.get('name', '')}".strip(),
        versions={name: v for name in SHOWN_VERSIONS if (v := _version(name))},
        digests=digests,
    )


def _manifest(folder: Folder) -> Manifest:
    return Manifest.from_bytes(folder.read_bytes(MANIFEST))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
