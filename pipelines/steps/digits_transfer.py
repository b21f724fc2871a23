"""Step ``digits-transfer``: scikit-learn's digits from one domain to another with few correspondences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.auto import Auto
from components.alignment.hubness import uncorrected
from components.alignment.preprocess import fit_standardizer
from components.alignment.protocol import Aligner, Pairs
from components.alignment.registry import make_aligner
from components.corpora.digit_domains import DigitDomains, digit_domains
from components.evaluation.transfer import (
    DISPLACED,
    MMD,
    ORACLE,
    SOURCE,
    Domains,
    mmd_space,
    oracle,
    source_only,
    summarise_transfer,
    through_displacement,
    through_space,
)
from components.reporting.section import Section, percent
from pipelines.steps.application import Numbers, run_application
from pipelines.steps.transfer import CONTROL, transfer_section

TITLE = "Transfer between domains of digits"
OURS, BASELINE = "auto", "ridge CCA"
CANDIDATES = ("procrustes", "csa", "ridge-map", "kernel-ridge", "fused-csa", "fused-kernel-ridge")
TITLES = {"rotated": "turned and inverted", "waves": "cosines of random projections"}


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``kinds``, ``pairs``, ``seeds``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """All kinds of target domains."""
    num_pairs = int(ctx.config["pairs"])
    numbers = {kind: measure_kind(kind, num_pairs, ctx.config["seeds"]) for kind in ctx.config["kinds"]}
    told = "; ".join(
        f"{TITLES[k]}: {percent(v['accuracy'][OURS])} % (source only {percent(v['accuracy'][SOURCE])} %, MMD only"
        f" {percent(v['accuracy'][MMD])} %, oracle {percent(v['accuracy'][ORACLE])} %)"
        for k, v in numbers.items()
    )
    finding = f"with {num_pairs} correspondences, labels of pixels are used on another domain of digits: {told}."
    section = transfer_section(TITLE, "digits-transfer", finding, {TITLES[k]: v for k, v in numbers.items()}, OURS)
    key = ", ".join(f"{percent(v['closed'][OURS], digits=0)} % of the gap ({TITLES[k]})" for k, v in numbers.items())
    return {**numbers, "pairs": num_pairs}, replace(section, key=key)


def measure_kind(kind: str, num_pairs: int, seeds: Sequence[int]) -> Numbers:
    """Accuracies over seeds: of the items, the pairs and the random domain. The aligner is chosen on the pairs."""
    return summarise_transfer([_one(digit_domains(kind, num_pairs, seed), seed) for seed in seeds])


def _one(world: DigitDomains, seed: int) -> dict[str, float]:
    starts = [fit_standardizer(rows, None) for rows in (world.left, world.right)]
    left, right = starts[0](world.left), starts[1](world.right)
    pairs = Pairs(starts[0](world.pairs.left), starts[1](world.pairs.right))
    domains = Domains(
        source=np.concatenate([left, pairs.left]),
        source_classes=np.concatenate([world.left_digits, world.pair_digits]),
        target=starts[1](world.heldout),
        target_classes=world.heldout_digits,
        labelled=np.concatenate([right, pairs.right]),
        labelled_classes=np.concatenate([world.right_digits, world.pair_digits]),
    )
    wrong = Pairs(pairs.left, pairs.right[np.random.default_rng(seed).permutation(len(pairs))])
    aligners: dict[str, tuple[Aligner, Pairs]] = {
        OURS: (Auto(candidates=CANDIDATES, seed=seed), pairs),
        BASELINE: (make_aligner("ridge-cca", seed=seed), pairs),
        CONTROL: (make_aligner("ridge-cca", seed=seed), wrong),
    }
    found: dict[str, Any] = {
        name: through_space(domains, uncorrected(aligner.fit(left, right, known)))
        for name, (aligner, known) in aligners.items()
    }
    floor, moved = source_only(domains), through_displacement(domains, pairs)
    assert floor is not None and moved is not None  # both domains have 64 columns
    return {
        **found,
        DISPLACED: moved,
        MMD: through_space(domains, mmd_space(left, right, seed=seed)),
        SOURCE: floor,
        ORACLE: oracle(domains),
    }
