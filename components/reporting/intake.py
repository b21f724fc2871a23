"""From the files that other steps leave to the parts of :class:`ReportData`. Nothing here reads a file itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from components.reporting.data import (
    Band,
    ByMethod,
    Correlations,
    Curve,
    Discrepancy,
    Gauge,
    Licence,
    Null,
    Score,
    Side,
    Spectrum,
)

_NOT_VALUES = {"gallery", "draws", "ci95"}


def scores(retrieval: Mapping[str, Any]) -> ByMethod:
    """``{method: {direction: {"R@1": …, "gallery": …, "draws": …, "ci95": {…}}}}`` of ``metrics.json``."""
    return {m: {d: _score(entry) for d, entry in by_direction.items()} for m, by_direction in retrieval.items()}


def splits(metrics: Mapping[str, Any]) -> dict[str, ByMethod]:
    """All splits of ``metrics.json``, the primary one first."""
    found = {name: entry["retrieval"] for name, entry in metrics.get("splits", {}).items()}
    primary = [name for name, entry in found.items() if entry == metrics["retrieval"]]
    if not primary:
        found, primary = {"random": metrics["retrieval"], **found}, ["random"]
    return {name: scores(found[name]) for name in [primary[0], *(n for n in found if n != primary[0])]}


def controls(metrics: Mapping[str, Any]) -> dict[str, ByMethod]:
    """Controls of ``metrics.json``: control -> method -> direction -> score."""
    return {name: scores(entry) for name, entry in metrics.get("controls", {}).items() if entry}


def gauge(entry: Mapping[str, Any] | None) -> Gauge | None:
    """``gauge.json``, or ``alignability`` of ``metrics.json``."""
    if not entry:
        return None
    return Gauge(
        values={name: float(entry[name]) for name in ("cka", "mutual_knn") if name in entry},
        nulls={n: Null(mean=v["mean"], sd=v["sd"], p_value=v.get("p")) for n, v in entry.get("null", {}).items()},
        verdict=entry.get("verdict", ""),
    )


def curves(text: str) -> list[Curve]:
    """``recall_at_k.csv``: a row per method, direction and k, columns ``method,direction,k,recall,low,high``."""
    rows: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        point = tuple(float(row[name]) for name in ("k", "recall", "low", "high") if row.get(name))
        rows.setdefault((row["method"], row["direction"]), []).append(point)
    return [_curve(method, direction, sorted(points)) for (method, direction), points in rows.items()]


def spectrum(side: str, entry: Mapping[str, Any]) -> Spectrum:
    """``spectrum.json`` of one side."""
    return Spectrum(
        side=side,
        eigenvalues=entry["eigenvalues"],
        gap_index=entry.get("gap_index"),
        solver=entry.get("solver", ""),
        num_components=entry.get("components"),
    )


def correlations(
    known: list[float], heldout: list[float] | None, null: Mapping[str, Any] | None = None
) -> Correlations | None:
    """Correlations of the primary draw; ``null`` = ``{"in_sample": {"low", "high"}, "heldout": {…}}``."""
    if not known:
        return None
    bands = {name: Band(low=band["low"], high=band["high"]) for name, band in (null or {}).items()}
    return Correlations(
        known=known, heldout=heldout or (), known_null=bands.get("in_sample"), heldout_null=bands.get("heldout")
    )


def discrepancy(entry: Mapping[str, Any] | None) -> Discrepancy | None:
    """``mmd.json``."""
    return Discrepancy(before=entry["before"], after=entry["after"]) if entry else None


def side(name: str, corpus: Mapping[str, Any], encoder: Mapping[str, Any] | None = None) -> Side:
    """One side from its ``corpus.json`` and ``encoder.json`` (absent if the source had embeddings)."""
    encoder = encoder or {}
    licences = [Licence(what=f"{name} corpus", licence=text) for text in map(str, corpus.get("licences") or ())]
    if encoder.get("licence"):
        licences.append(Licence(what=f"{name} encoder, {encoder['encoder']}", licence=encoder["licence"]))
    return Side(
        name=name,
        modality=corpus["modality"],
        rows=corpus["rows"],
        quarantined=corpus.get("quarantined", 0),
        duplicates=corpus.get("duplicates", 0),
        reasons=corpus.get("reasons", {}),
        encoder=encoder.get("encoder", ""),
        dim=encoder.get("dim") or corpus.get("dim"),
        licences=licences,
    )


def _score(entry: Mapping[str, Any]) -> Score:
    return Score(
        values={name: float(value) for name, value in entry.items() if name not in _NOT_VALUES and value is not None},
        ci95={name: (float(ends[0]), float(ends[1])) for name, ends in (entry.get("ci95") or {}).items() if ends},
        gallery=int(entry.get("gallery", 0)),
        draws=int(entry.get("draws", 1)),
    )


def _curve(method: str, direction: str, points: list[tuple[float, ...]]) -> Curve:
    columns = [list(column) for column in zip(*points, strict=True)]
    band = {"low": columns[2], "high": columns[3]} if len(columns) == 4 else {}
    return Curve(method=method, direction=direction, k=[int(k) for k in columns[0]], recall=columns[1], **band)
