"""Step ``universality``: do both sides have one geometry? Walks, cosines, spans and eigenvalues, each with a null."""

from __future__ import annotations

from cluster.workflow.step import Facts, StepContext
from components.alignment.hubness import uncorrected
from components.alignment.preprocess import fit_standardizer
from components.embeddings import Embeddings
from components.evaluation.universality import (
    UniversalityConfig,
    eigenvalue_curves,
    pair_cosines,
    span_angles,
    walk_distances,
)
from components.reporting.figures_applications import eigenvalues, universality
from components.reporting.section import Section
from pipelines.steps.application import Corpora, Numbers, run_application
from pipelines.steps.fit import SIDES
from pipelines.steps.spaces import Spaces

TITLE = "One geometry"


def run(ctx: StepContext) -> Facts:
    """See :func:`pipelines.steps.application.run_application`. config: ``seed``, ``preprocess``."""
    return run_application(ctx, TITLE, measure)


def measure(ctx: StepContext) -> tuple[Numbers, Section]:
    """Raises UserError: too few held-out pairs for graphs and spans."""
    corpora, config = Corpora(ctx), UniversalityConfig(seed=int(ctx.config["seed"]))
    spaces = Spaces.read(ctx.inputs["spaces"])
    space = uncorrected(spaces.fits(spaces.exported)[0])
    features, heldout, spans, mapped = [], [], [], []
    for side, mapping in zip(SIDES, (space.left, space.right), strict=True):
        rows, ids = corpora.rows[side], corpora.heldout(side)
        start = fit_standardizer(rows.rows(corpora.unpaired[side]), ctx.config["preprocess"]["pca_dim"], rows.blocks)
        features.append(start(rows.rows(corpora.unpaired[side])))
        heldout.append(start(rows.rows(ids)))
        spans.append(Embeddings.read(ctx.inputs[f"spectral-{side}"]).rows(ids))
        mapped.append(mapping(rows.rows(ids)))
    numbers: Numbers = {
        "walks": walk_distances(heldout[0], heldout[1], config),
        "cosines": pair_cosines(mapped[0], mapped[1], config),
        "angles": span_angles(spans[0], spans[1], config),
        "eigenvalues": eigenvalue_curves(features[0], features[1], config),
    }
    return numbers, _section(numbers)


def _section(numbers: Numbers) -> Section:
    walks, cosines, angles, curves = (numbers[n] for n in ("walks", "cosines", "angles", "eigenvalues"))
    finding = (
        f"random walks of the same held-out items are {walks['corresponding']['mean']:.2f} apart, of permuted items"
        f" {walks['permuted']['mean']:.2f} (p = {walks['p']:.3f}); a true pair is closer than another combination"
        f" {100 * cosines['separation']:.0f} % of the time."
    )
    rows = [
        ("distance of random walks", walks["corresponding"]["mean"], walks["permuted"]["mean"], walks["p"]),
        ("true pair above another combination", cosines["separation"], cosines["permuted"]["mean"], cosines["p"]),
        ("overlap of the spectral spans", angles["overlap"], angles["permuted"]["mean"], angles["p"]),
        ("distance of the eigenvalue curves", curves["distance"], curves["null_distance"]["mean"], curves["p"]),
    ]
    return Section(
        title=TITLE,
        finding=finding,
        key=f"walks {walks['corresponding']['mean']:.2f} apart, permuted {walks['permuted']['mean']:.2f}, p ="
        f" {walks['p']:.3f}",
        about=f"Walks: graphs of {walks['neighbours']} neighbours among {walks['items']} held-out items, by each side's"
        " encoder; ‖Px − Py‖ / √(‖Px‖² + ‖Py‖²), mean of random subsets; 0: equal, 1: nothing in common. Spans: mean"
        " squared cosine of the principal angles. Only the cosines use the fitted space. p: one-sided, by permutation;"
        " that of the curves by rows with shuffled columns, of which there are few.",
        figures=[universality(walks, cosines, angles), eigenvalues(curves)],
        columns=("measure", "found", "null", "p"),
        rows=[(name, f"{a:.3f}", f"{b:.3f}", f"{p:.3f}") for name, a, b, p in rows],
    )
