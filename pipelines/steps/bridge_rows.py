"""What the steps of ``bridge`` share: rows of the sides, and fitted critics of all draws in one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from components.bridging.fitted import FittedCritics
from components.bundle import Bundle
from components.corpora.triples import SIDES, Triples
from components.embeddings import Embeddings
from components.evaluation.controls import NONE, SHUFFLED
from components.files import Folder

CRITICS = "critics.safetensors"
SIDE_OF = {"a": "a", "b_first": "b", "b_second": "b", "c": "c"}


def read_rows(inputs: Mapping[str, Folder]) -> dict[str, Embeddings]:
    """Raw rows of ``a``, ``b_first``, ``b_second`` and ``c``: of the encoders, or of two spaces.

    B is seen twice: two spaces have coordinates of their own for it, encoders the same rows.
    """
    if "encode-a" in inputs:
        rows = {side: Embeddings.read(inputs[f"encode-{side}"]) for side in SIDES}
        return {name: rows[side] for name, side in SIDE_OF.items()}
    places = {"a": ("ab", "left"), "b_first": ("ab", "right"), "b_second": ("bc", "left"), "c": ("bc", "right")}
    return {
        name: Embeddings.read(inputs[f"space-{edge}"], f"model/{side}-index.parquet")
        for name, (edge, side) in places.items()
    }


def write_critics(out: Folder, fits: Mapping[tuple[str, int], FittedCritics]) -> None:
    """Write ``critics.safetensors``: (control, draw) -> critics."""
    bundle = Bundle()
    bundle.write_json("fits", [list(key) for key in fits])
    for (control, draw), fitted in fits.items():
        fitted.write(bundle.sub(f"{control}-{draw}"))
    bundle.save(out, CRITICS)


def read_critics(folder: Folder) -> dict[tuple[str, int], FittedCritics]:
    """What :func:`write_critics` wrote; the primary fit is ``("none", 0)``."""
    bundle = Bundle.load(folder, CRITICS)
    return {(c, d): FittedCritics.read(bundle.sub(f"{c}-{d}")) for c, d in bundle.read_json("fits")}


def each_fit(triples: Triples, *, controls: int) -> Iterator[tuple[tuple[str, int], dict[str, list[tuple[str, str]]]]]:
    """(control, draw) and its pairs ``ab``, ``bc``: every draw, then ``controls`` of them with shuffled A–B pairs."""
    for n, draw in enumerate(triples.draws):
        yield (NONE, n), {"ab": draw.ab, "bc": draw.bc}
    for n, draw in enumerate(triples.draws[:controls]):
        yield (SHUFFLED, n), {"ab": triples.shuffled("ab", n), "bc": draw.bc}


def wanted(triples: Triples, side: str, sample: Sequence[str]) -> list[str]:
    """Ids of a side that a fit on any draw reads: those of the pairs, and a sample of the unpaired ones."""
    edges = {"a": [("ab", 0), ("ac", 0)], "b": [("ab", 1), ("bc", 0)], "c": [("bc", 1), ("ac", 1)]}[side]
    paired = {p[n] for draw in triples.draws for edge, n in edges for p in getattr(draw, edge)}
    return sorted(paired | set(sample))
