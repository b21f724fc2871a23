"""Candidates and views on disk, so that each can be a cached step of its own: JSON and safetensors, no pickles."""

from __future__ import annotations

import numpy as np

from components.alignment.candidates import CandidateFit
from components.alignment.nested import Block
from components.alignment.protocol import Alignment
from components.alignment.tuned import on_encoder_rows
from components.alignment.views import View, Views, plain_view
from components.files import Place
from components.transforms import load_transform, save_transform

SIDES = ("left", "right")


def save_views(folder: Place, views: Views) -> None:
    """Write ``views.json``, ``views.safetensors`` and a transform per side."""
    tensors: dict[str, np.ndarray] = {}
    for side, view in zip(SIDES, (views.left, views.right), strict=True):
        save_transform(folder, f"views-{side}", view.map)
        tensors[f"{side}.eigenvalues"], tensors[f"{side}.spread"] = view.eigenvalues, view.spread
    folder.write_json("views.json", {"left": views.left.raw, "right": views.right.raw})
    folder.write_tensors("views.safetensors", tensors)


def load_views(folder: Place) -> Views:
    """Read what :func:`save_views` wrote."""
    raw, tensors = folder.read_json("views.json"), folder.read_tensors("views.safetensors")
    left, right = (
        View(load_transform(folder, f"views-{s}"), raw[s], tensors[f"{s}.eigenvalues"], tensors[f"{s}.spread"])
        for s in SIDES
    )
    return Views(left, right)


def save_candidate(folder: Place, fit: CandidateFit) -> None:
    """Write ``candidate.json``, ``blocks.safetensors`` and the maps of the views' rows. The views are not written."""
    save_transform(folder, "inner-left", fit.inner.left)
    save_transform(folder, "inner-right", fit.inner.right)
    folder.write_tensors(
        "blocks.safetensors",
        {f"{part}.{n}": getattr(b, part) for n, b in enumerate(fit.blocks) for part in ("scores", "rows")},
    )
    about = {
        "name": fit.name,
        "seconds": fit.seconds,
        "folds": len(fit.blocks),
        "diagnostics": dict(fit.inner.diagnostics),
    }
    dims = {"left": fit.views.left.raw, "right": fit.views.right.raw}
    folder.write_json("candidate.json", {**about, "dims": dims, "spectral": fit.views.left.dim > 0})


def load_candidate(folder: Place, views: Views | None = None) -> CandidateFit:
    """Read what :func:`save_candidate` wrote; ``views`` are those of all unpaired rows, needed if it used a graph.

    Raises ValueError: it used a graph and no views are given.
    """
    about, tensors = folder.read_json("candidate.json"), folder.read_tensors("blocks.safetensors")
    if not about["spectral"]:
        views = Views(plain_view(about["dims"]["left"]), plain_view(about["dims"]["right"]))
    if views is None:
        raise ValueError(f"{about['name']} needs the spectral views it was fitted on")
    inner = Alignment(load_transform(folder, "inner-left"), load_transform(folder, "inner-right"), about["diagnostics"])
    blocks = tuple(Block(tensors[f"scores.{n}"], tensors[f"rows.{n}"]) for n in range(about["folds"]))
    return CandidateFit(about["name"], on_encoder_rows(views, inner), inner, views, blocks, about["seconds"])
