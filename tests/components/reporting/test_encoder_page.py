"""The page about a trained encoder: what it says, what it leaves out, and that it trusts no label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from components.reporting.encoder_data import EncoderData
from components.reporting.encoder_page import headline, render_encoder


def share(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.05, "high": mean + 0.05, "rows": 200}


def probes(**more: Any) -> dict[str, Any]:
    found = {"effective_rank": 12.3, "spectrum": [0.6, 0.3, 0.1], "uniformity": -2.1, "alignment": 0.3}
    known = {"knn": share(0.71), "linear": share(0.8), "majority": share(0.25)}
    untrained = found | known | {"knn": share(0.5), "effective_rank": 30.0}
    return {"trained": found | known, "untrained": untrained, **more}


def data(**changes: Any) -> EncoderData:
    history = [
        {"loss": 2.0 / n, "validation_loss": 2.1 / n, "effective_rank": 10.0, "probe_accuracy": 0.5} for n in (1, 2)
    ]
    basis = EncoderData(
        name="mine",
        modality="image",
        objective="gca-ince",
        corpus={"rows": 100},
        rows={"train": 75, "valid": 10, "test": 15},
        history=history,
        best_epoch=2,
        dim=64,
        parameters=12345,
        probes=probes(),
    )
    return replace(basis, **changes)


def test_the_headline_compares_with_the_untrained_network_and_the_commonest_class() -> None:
    assert headline(data()) == (
        "Nearest neighbours name the class of 71.0 % of the held-out rows (untrained: 50.0 %, commonest class: 25.0 %)."
    )
    blind = {n: {k: v for k, v in p.items() if not isinstance(v, dict)} for n, p in probes().items()}
    assert "fill 12.3 of 64 dimensions (untrained: 30.0)" in headline(data(probes=blind))


def test_figures_are_drawn_for_what_there_is() -> None:
    plain = render_encoder(data())
    assert set(plain.figures) == {"training", "spectrum", "probes"}
    assert "12,345" in plain.html and "encoder: trained:mine" in plain.html
    plan = np.eye(30) + 0.01
    full = render_encoder(
        data(
            plan=plan,
            plan_classes=np.repeat([0, 1], 15),
            gates=np.eye(2),
            classes=["a", "b"],
            probes=probes(gate_rank=3.2),
        )
    )
    assert set(full.figures) == {"training", "spectrum", "probes", "plan", "gates"}
    assert "the heaviest one for 100 % of the rows" in full.figures["plan"].caption
    assert "an effective rank of 3.2" in full.figures["gates"].caption
    assert {"figures/plan.png", "figures/plan.csv", "figures/gates.png", "report.html"} <= set(full.files())
    assert full.figures["gates"].csv.splitlines() == ["class,a,b", "a,1,0", "b,0,1"]


def test_a_large_plan_is_thinned_and_the_same_data_gives_the_same_bytes() -> None:
    large = data(plan=np.random.default_rng(0).random((300, 300)))
    first, second = render_encoder(large), render_encoder(large)
    assert len(first.figures["plan"].csv.splitlines()) == 129
    assert first.files() == second.files()


def test_labels_and_names_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    page = render_encoder(data(name=evil, recipe=evil, gates=np.eye(2), classes=[evil, "b"], notes=[evil])).html
    assert "<script>" not in page and page.count("&lt;script&gt;") >= 3
