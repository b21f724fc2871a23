"""A small report with everything in it, for the tests of this folder."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from PIL import Image

from components.reporting.data import (
    Band,
    Choice,
    Correlations,
    Curve,
    Discrepancy,
    Gauge,
    Item,
    Licence,
    Null,
    Provenance,
    ReportData,
    Score,
    SharedSpace,
    Side,
    Spectrum,
    StepTime,
    Tried,
)
from components.reporting.examples import Asked, find_near_hits, pair_words, pick_queries
from components.reporting.page import Report, render

NASTY = "<script>alert('x')</script><img src=http://evil.example/a.png onerror=alert(1)>"


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def score(r1: float, r5: float, r10: float, half: float = 1.0) -> Score:
    values = {"R@1": r1, "R@5": r5, "R@10": r10, "median_rank": 500 / (r10 + 1), "foscttm": 0.4 - r10 / 200}
    ci95 = {n: (values[n] - half, values[n] + half) for n in ("R@1", "R@5", "R@10")}
    return Score(values=values, ci95=ci95, gallery=200, draws=5)


def chance() -> Score:
    return Score(values={"R@1": 0.5, "R@5": 2.5, "R@10": 5.0, "median_rank": 100.5, "foscttm": 0.5}, gallery=200)


def both_ways(r1: float, r5: float, r10: float, half: float = 1.0) -> dict[str, Score]:
    return {
        "left_to_right": score(r1, r5, r10, half),
        "right_to_left": score(r1 + 1, r5 + 2, r10 + 4, half),
        "mean": score(r1 + 0.5, r5 + 1, r10 + 2, half),
    }


def retrieval() -> dict[str, dict[str, Score]]:
    return {
        "ridge-cca": both_ways(5.0, 15.0, 26.0),
        "kernel-ridge": both_ways(6.25, 16.0, 28.0),
        "chance": dict.fromkeys(("left_to_right", "right_to_left", "mean"), chance()),
    }


def minimum() -> ReportData:
    return ReportData(
        left=Side(name="left", modality="image"),
        right=Side(name="right", modality="text"),
        num_pairs=100,
        exported="ridge-cca",
        retrieval={"random": {"ridge-cca": {"left_to_right": score(5.0, 15.0, 26.0)}}},
    )


def asked(size: int = 12, seed: int = 0) -> Asked:
    rng = np.random.default_rng(seed)
    ids = [f"item-{n:02d}" for n in range(size)]
    return Asked(
        scores=rng.standard_normal((size, size)) + 0.5 * np.eye(size),
        query_ids=ids,
        gallery_ids=ids,
        query=lambda name: Item(id=name, title=f"picture {NASTY}", image=png()),
        answer=lambda name: Item(id=name, text=f"{name} {NASTY}", group="flag"),
    )


def tried(name: str, score: float, ahead: float, skipped: str = "") -> Tried:
    recall = {"R@1": 12.0, "R@1_se": 3.0, "R@10": 40.0, "R@10_se": 4.5}
    ahead_by = {"ahead_of_linear": ahead, "ahead_se": 0.06}
    values = {"score": score, "score_se": 0.12, **recall, **ahead_by, "seconds": 1.25, "gallery": 187.0}
    return Tried(name=name, values=values, skipped=skipped)


def choice() -> Choice:
    return Choice(
        chosen="stack+bank",
        reason="stack+bank, as nothing clearly beats it; it is +0.27 ± 0.06 in log rank against csa",
        tried=[
            tried("stack+bank", -2.0, 0.27),
            tried("stack", -2.1, 0.2),
            tried("kernel-ridge+bank", -2.15, 0.15),
            tried("kernel-ridge", -2.2, 0.1),
            tried("csa", -2.3, 0.0),
            tried("functional-map", -2.9, -0.6, f"far behind {NASTY}"),
        ],
        weights={"kernel-ridge": 3.0, "csa": 1.0, "procrustes": 0.0},
        left_out={"fused-csa": "12 unpaired rows are too few for a graph"},
        gallery=187,
        draws={"random": {"stack+bank": 4, "csa": 1}, "group": {"csa": 1}},
    )


def card() -> dict[str, Any]:
    """Of a model whose licence and advice come from somebody who means harm."""
    from components.reporting.model_card import make_card

    index = {"kind": "cells", "rows": 300, "bytes": 10_000, "recall": 0.98, "k": 10}
    encoder = {"encoder": "lite0", "licence": NASTY, "fingerprint": "lite0@1"}
    side = {
        "modality": "image",
        "rows": 300,
        "digest": "abc",
        "licences": [NASTY],
        "encoders": [encoder],
        "index": index,
    }
    return make_card(
        name="sample",
        aligner="kernel-ridge",
        sides={"left": side},
        metrics={"confidence": {"absent": NASTY}},
        hubs={"left_to_right": {"share": 0.4, "even": 0.1, "queries": 90}},
    )


def everything() -> ReportData:
    """Every optional part is there; ids, titles, texts and reasons are hostile."""
    rng = np.random.default_rng(1)
    words = pair_words([Item(id="a", title="red flag")] * 12, [Item(id="b", title="flag", group="flag")] * 12)
    control = {"ridge-cca": {"mean": score(0.5, 2.5, 5.2)}, "kernel-ridge": {"mean": score(0.4, 2.4, 4.9)}}
    return ReportData(
        left=Side(name="left", modality="image", rows=300, quarantined=2, reasons={NASTY: 2}, encoder="lite0", dim=8),
        right=Side(name="right", modality="text", rows=290),
        num_pairs=100,
        exported="kernel-ridge",
        retrieval={"random": retrieval(), "group": retrieval()},
        controls={"shuffled-pairs": control, "random-features": control},
        gauge=Gauge(values={"cka": 0.4, "mutual_knn": 0.2}, nulls={"cka": Null(mean=0, sd=0.01)}, verdict="Moderate."),
        choice=choice(),
        curves=[
            Curve(method="kernel-ridge", direction="left_to_right", k=[1, 2], recall=[6, 8], low=[5, 7], high=[7, 9]),
            Curve(method="chance", direction="left_to_right", k=[1, 2], recall=[0.5, 1]),
        ],
        spectra=[Spectrum(side=s, eigenvalues=[0.9, 0.8, 0.3], gap_index=2, solver="eigen") for s in ("left", "right")],
        correlations=Correlations(
            known=[0.9, 0.8], heldout=[0.5, 0.1], known_null=Band(low=[0.5, 0.4], high=[0.7, 0.6])
        ),
        discrepancy=Discrepancy(before=[0.4, 0.5], after=[0.1, 0.2]),
        shared=SharedSpace(left=rng.random((12, 4)), right=rng.random((12, 4)), pairs=[(n, n) for n in range(12)]),
        queries={"left_to_right": pick_queries(asked()), "right_to_left": pick_queries(asked(seed=1))},
        near_hits={"left_to_right": find_near_hits(asked(), words)},
        steps=[StepTime(name="encode-left", seconds=4.0), StepTime(name="pairs", seconds=0.5, cached=True)],
        provenance=Provenance(
            recipe=f"seed: 0 # {NASTY}",
            seed=0,
            command="isthmus run",
            versions={"numpy": "2.4.6"},
            digests={"left": "sha256:ab"},
            licences=[
                Licence(what="drawings", licence="CC BY 4.0", url="https://creativecommons.org/licenses/by/4.0/"),
                Licence(what="trap", licence="free", url="javascript:alert(1)"),
            ],
        ),
        card=card(),
        notes=[NASTY],
    )


@functools.cache
def rendered() -> Report:
    """``everything()`` as a report; drawing takes a second or two, so it is done once."""
    return render(everything())
