"""Step ``generator-vae`` / ``generator-gan``: pictures from their places in the shared space, on Ray Train.

Texts and pairs are not read here. Held-out pictures are left out, so that none of them can be drawn from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.training import train
from cluster.workflow.step import Facts, StepContext
from components.alignment.hubness import uncorrected
from components.corpora.hashing import seeded_order
from components.encoders.pixels import squares
from components.errors import UserError
from components.files import Folder
from components.generation.config import GeneratorConfig
from components.generation.training import FEWEST, fit_generator
from components.training import Session
from pipelines.steps.application import Corpora, map_of, other
from pipelines.steps.spaces import Spaces

ABOUT, GENERATOR, RESULT, ROWS = "training.json", "generator", "result", "rows.safetensors"
MOST_PICTURES = 5000


def run(ctx: StepContext) -> Facts:
    """Write ``generator/`` and ``training.json``: ids of the pictures and the losses; or why there is no generator.

    config: ``seed``, ``generator`` (of :class:`GeneratorConfig`). inputs: ``spaces``, ``splits``, ``shard-…``,
    ``encode-…``. options: as of :class:`cluster.training.Scaling`.
    """
    corpora = Corpora(ctx)
    try:
        side, ids = picture_side(corpora), training_pictures(corpora)
    except UserError as error:
        ctx.out.write_json(ABOUT, {"absent": str(error)})
        return {"absent": str(error)}
    config = GeneratorConfig.of(dict(ctx.config["generator"]))
    _write_rows(ctx, corpora, side, ids, config.side)
    train("pipelines.steps.generator:train_loop", ctx, {"generator": ctx.config["generator"], "seed": seed_of(ctx)})
    ctx.work.sub(RESULT).copy_to(ctx.out)
    history = ctx.out.read_json(ABOUT)["history"]
    ctx.out.write_json(ABOUT, {"pictures": ids, "history": history})
    return {"pictures": len(ids), **{f"last_{name}": value for name, value in history[-1].items()}}


def train_loop(session: Session, work: Folder, config: Mapping[str, Any]) -> None:
    """One worker's part; rank 0 leaves the generator in ``work``."""
    rows = work.read_tensors(ROWS)
    settings = GeneratorConfig.of(dict(config["generator"]))
    fit = fit_generator(rows["pictures"], rows["coordinates"], settings, session, seed=config["seed"])
    if session.rank == 0:
        out = work.sub(RESULT)
        fit.generator.save(out.sub(GENERATOR).make())
        out.write_json(ABOUT, {"history": list(fit.history)})


def picture_side(corpora: Corpora) -> str:
    """The side with pictures, of a corpus whose other side has texts. Raises UserError: there is none."""
    side = other(corpora.text_side())
    if corpora.modality(side) != "image":
        raise UserError("neither side has pictures", where="left, right", do="a generator needs some to learn from")
    return side


def training_pictures(corpora: Corpora) -> list[str]:
    """Ids of all pictures that are not held out, at most 5,000. Raises UserError: they are too few."""
    side = picture_side(corpora)
    heldout, seed = set(corpora.heldout(side)), seed_of(corpora.ctx)
    ids = [i for i in corpora.rows[side].ids if i not in heldout]
    if len(ids) < FEWEST:
        told = f"{len(ids)} pictures are not held out, a generator needs {FEWEST}"
        raise UserError(told, where=side, do="give more pictures")
    return sorted(ids[n] for n in seeded_order(ids, seed, "generator")[:MOST_PICTURES])


def seed_of(ctx: StepContext) -> int:
    return int(ctx.config["seed"])


def coordinates(corpora: Corpora, spaces: Spaces, side: str, ids: list[str]) -> np.ndarray:
    """Places of rows in the exported method's space, fitted on the first draw of the pairs. [N, K]"""
    mapping = map_of(uncorrected(spaces.fits(spaces.exported)[0]), side)
    return mapping(corpora.rows[side].rows(ids))


def _write_rows(ctx: StepContext, corpora: Corpora, side: str, ids: list[str], pixels: int) -> None:
    """For the workers: nothing large travels through Ray."""
    images = corpora.pictures(side, ids)
    places = coordinates(corpora, Spaces.read(ctx.inputs["spaces"]), side, ids)
    ctx.work.make().write_tensors(
        ROWS, {"pictures": squares([images[i] for i in ids], pixels), "coordinates": np.asarray(places, np.float32)}
    )
