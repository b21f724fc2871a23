"""The page about a trained encoder, and its figures as files. As safe as :mod:`components.reporting.page`."""

from __future__ import annotations

from components.reporting import figures_encoder
from components.reporting.encoder_data import EncoderData
from components.reporting.page import Report, environment, shown
from components.reporting.style import Figure


def render_encoder(data: EncoderData) -> Report:
    """Draw all figures for which there is data and write the page. The same data gives the same bytes."""
    figures = [f for f in _figures(data) if f is not None]
    html = (
        environment()
        .get_template("encoder_page.html.j2")
        .render(
            data=data,
            headline=headline(data),
            tiles=_tiles(data),
            figures=[shown(figure) for figure in figures],
        )
    )
    return Report(html=html, headline=headline(data), figures={f.name: f for f in figures}, tables={})


def headline(data: EncoderData) -> str:
    """One sentence: what the probes say, beside the untrained network."""
    trained, untrained = data.probes.get("trained", {}), data.probes.get("untrained", {})
    if "knn" not in trained:
        return (
            f"Held-out vectors fill {trained['effective_rank']:.1f} of {data.dim} dimensions"
            f" (untrained: {untrained['effective_rank']:.1f}); without labels no probe says more."
        )
    found, before, floor = (100 * s["mean"] for s in (trained["knn"], untrained["knn"], trained["majority"]))
    return (
        f"Nearest neighbours name the class of {found:.1f} % of the held-out rows"
        f" (untrained: {before:.1f} %, commonest class: {floor:.1f} %)."
    )


def _figures(data: EncoderData) -> list[Figure | None]:
    drawn = (figures_encoder.probes, figures_encoder.curves, figures_encoder.spectrum)
    return [draw(data) for draw in (*drawn, figures_encoder.plan, figures_encoder.gates)]


def _tiles(data: EncoderData) -> list[tuple[str, str]]:
    trained = data.probes.get("trained", {})
    tiles = [
        (f"{data.dim}", "dimensions"),
        (f"{data.parameters:,}", "weights"),
        (f"{len(data.history)}", f"epochs; number {data.best_epoch} is kept"),
        (f"{trained['effective_rank']:.1f}", "effective rank"),
        (f"{trained['uniformity']:.2f}", "uniformity"),
    ]
    return tiles + ([(f"{trained['alignment']:.2f}", "alignment")] if "alignment" in trained else [])
