"""From the files that other steps leave to the parts of :class:`ReportData`. Nothing here reads a file itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from components.reporting.data import (
    Band,
    ByMethod,
    Choice,
    Correlations,
    Curve,
    Discrepancy,
    Gauge,
    Licence,
    Null,
    Score,
    Side,
    Spectrum,
    Tried,
)

_NOT_VALUES = {"gallery", "draws", "ci95"}


def scores(retrieval: Mapping[str, Any]) -> ByMethod:
    """``{method: {direction: {"R@1": …, "gallery": …, "draws": …, "ci95": {…}}}}`` of ``metrics.json``."""
    return {m: {d: _score(entry) for d, entry in by_direction.items()} for m, by_direction in retrieval.items()}


def splits(metrics: Mapping[str, Any]) -> dict[str, ByMethod]:
    """All splits of ``metrics.json``, the primary one first."""
    primary = metrics["primary_split"]
    others = {name: entry["retrieval"] for name, entry in metrics.get("splits", {}).items() if name != primary}
    return {name: scores(entry) for name, entry in {primary: metrics["retrieval"], **others}.items()}


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


def choice(entry: Mapping[str, Any] | None) -> Choice | None:
    """``auto`` of ``metrics.json``."""
    if not entry:
        return None
    rows = entry["rows"]
    tried = [
        Tried(name=r["name"], values={k: v for k, v in r.items() if not isinstance(v, str)}, skipped=r["skipped"])
        for r in rows
    ]
    return Choice(
        chosen=entry["chosen"],
        reason=entry["reason"],
        tried=tried,
        weights=entry["weights"],
        left_out=entry["left_out"],
        gallery=rows[0]["gallery"] if rows else 0,
        draws=entry["choices"],
    )


def curves(text: str, split: str) -> list[Curve]:
    """One split of ``recall_at_k.csv``: a row per split, method, direction and k, with recall, low and high."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        if row["split"] == split:
            rows.setdefault((row["method"], row["direction"]), []).append(row)
    return [_curve(method, direction, found) for (method, direction), found in rows.items()]


def spectrum(side: str, entry: Mapping[str, Any]) -> Spectrum:
    """``spectrum.json`` of one side."""
    return Spectrum(
        side=side,
        eigenvalues=entry["eigenvalues"],
        gap_index=entry.get("gap_index"),
        solver=entry.get("solver", ""),
    )


def correlations(entry: Mapping[str, Any] | None) -> Correlations | None:
    """The primary fit's entry of ``diagnostics.json``: ``canonical_correlations``, ``heldout_correlations`` and
    ``null`` = ``{"in_sample": {"low", "high"}, "heldout": {"low", "high"}}``."""
    if not entry or not entry.get("canonical_correlations"):
        return None
    bands = {name: Band(low=band["low"], high=band["high"]) for name, band in entry.get("null", {}).items()}
    return Correlations(
        known=entry["canonical_correlations"],
        heldout=entry.get("heldout_correlations", ()),
        known_null=bands.get("in_sample"),
        heldout_null=bands.get("heldout"),
    )


def discrepancy(entry: Mapping[str, Any] | None) -> Discrepancy | None:
    """``mmd.json``."""
    return Discrepancy(before=entry["before"], after=entry["after"]) if entry else None


def side(name: str, corpus: Mapping[str, Any], encoder: Mapping[str, Any] | None = None) -> Side:
    """One side from its ``corpus.json`` and ``encoder.json`` (absent if the source had embeddings)."""
    encoder = encoder or {}
    licences = [Licence(what=f"{name} corpus", licence=text) for text in map(str, corpus.get("licences") or ())]
    views = {view["encoder"]: view["licence"] for view in encoder.get("views") or [encoder] if view.get("licence")}
    licences += [Licence(what=f"{name} encoder, {used}", licence=text) for used, text in views.items()]
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
    draws = int(entry.get("draws", 1))
    ends = entry.get("ci95") or {} if draws else {}  # closed forms (chance) have no draws and no interval
    return Score(
        values={name: float(value) for name, value in entry.items() if name not in _NOT_VALUES and value is not None},
        ci95={name: (float(pair[0]), float(pair[1])) for name, pair in ends.items() if pair},
        gallery=int(entry.get("gallery", 0)),
        draws=draws,
    )


def _curve(method: str, direction: str, rows: list[dict[str, str]]) -> Curve:
    rows.sort(key=lambda row: int(row["k"]))
    k, recall, low, high = ([float(row[name]) for row in rows] for name in ("k", "recall", "low", "high"))
    band = {} if low == high else {"low": low, "high": high}
    return Curve(method=method, direction=direction, k=[int(n) for n in k], recall=recall, **band)
