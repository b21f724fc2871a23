"""``isthmus bench objectives``: Sinkhorn and the losses on it against their slow forms, and what the losses train.

Speeds are ratios of processor times of one thread within this run, contenders taking turns. The table has every
objective on the built-in pictures (classes: ``group``) and scikit-learn's digits, clean and noisy views, over seeds.
"""

from __future__ import annotations

from typing import Any

STEPS = {"digits": 400, "pictures": 300}
QUICK_STEPS = {"digits": 30, "pictures": 12}


def measure(*, quick: bool = False) -> dict[str, Any]:
    """All numbers.

    Returns:
        ``sinkhorn``: speedups against POT by size, and errors at small ε; ``loss``: GCA-INCE against its unrolled form;
        ``simlap``: products against the tensor, areas under the curve of gated pairs, effective ranks;
        ``train_overhead``: share of processor time that a step costs more on Ray Train; ``table``: world -> views ->
        objective -> probe with its interval; ``accelerator``: pictures a second and the loss's share, if there is one.
    """
    from pipelines.bench.objectives.accelerator import measure_accelerator
    from pipelines.bench.objectives.overhead import measure_overhead
    from pipelines.bench.objectives.simlap_study import measure_simlap
    from pipelines.bench.objectives.speed import loss_speed, simlap_speed, sinkhorn_speed
    from pipelines.bench.objectives.table import measure_table
    from pipelines.bench.objectives.timing import one_thread

    found: dict[str, Any] = {
        "sinkhorn": sinkhorn_speed(quick=quick),
        "loss": loss_speed(quick=quick),
        "simlap": simlap_speed(quick=quick),
    }
    overhead = measure_overhead(quick=quick)
    found |= {"train_overhead": overhead.pop("train_overhead"), "train": overhead}
    with one_thread():
        found["simlap"] |= measure_simlap(steps=300 if quick else 600, seeds=range(1, 2 if quick else 4))
        found["table"] = measure_table(steps=QUICK_STEPS if quick else STEPS, seeds=range(2 if quick else 5))
    return found | {"accelerator": measure_accelerator()}
