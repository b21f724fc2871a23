"""How the exported method can be fitted again on some of its pairs, for out-of-fold scores and for a learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cluster.workflow.step import StepContext
from components.alignment.hubness import Corrected, HubnessConfig
from components.alignment.mmd_config import MMDConfig
from components.alignment.moved_cca import MovedCCA
from components.alignment.preprocess import standardize
from components.alignment.protocol import Aligner
from components.alignment.registry import make_aligner
from components.alignment.ridge_cca import RidgeCCA
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.evaluation.trials import World, sample_unpaired
from components.transforms import Transform, load_transform
from pipelines.steps.fit import SIDES, make_world

# They learn from pairs only, and a fit takes a fraction of a second at a few hundred pairs.
LIGHT = ("ridge-cca", "procrustes", "kernel-ridge", "csa", "ridge-map", "asif")
STAND_IN = "kernel-ridge"
DISTRACTORS = 1000


@dataclass(frozen=True, kw_only=True)
class Refit:
    """An aligner and what it is fitted on.

    Attributes:
        name: as the report calls it.
        aligner: fits the method.
        distractors: rows that may stand among its distractors although they were in the fit.
        spectral: fitted on spectral coordinates instead of standardised encoder rows.
    """

    name: str
    aligner: Aligner
    distractors: int = 0
    spectral: bool = False


def exported_refit(config: Mapping[str, Any]) -> Refit:
    """The exported method itself, its correction included."""
    plain = _plain(config)
    if not config.get("hubness"):
        return plain
    hubness = HubnessConfig(kind=config["hubness"], seed=int(config["seed"]))
    aligner = Corrected(aligner=plain.aligner, hubness=hubness)
    return Refit(name=config["exported"], aligner=aligner, distractors=plain.distractors, spectral=plain.spectral)


def curve_refit(config: Mapping[str, Any]) -> Refit:
    """What the learning curve is made with: the method without its correction if it is light, else one like it."""
    method, seed = config["method"], int(config["seed"])
    if method in LIGHT:
        return _plain(config)
    if "cca" in config:
        return Refit(name="ridge CCA of spectral coordinates", aligner=_cca(config), spectral=True)
    return Refit(name=STAND_IN, aligner=make_aligner(STAND_IN, seed=seed), distractors=DISTRACTORS)


def fit_world(ctx: StepContext, splits: Splits, *, spectral: bool, heldout: bool = False) -> World:
    """The rows that a method is fitted on: of the primary draw's pairs and of (a sample of) the unpaired items.

    With ``heldout`` also those of the held-out pairs; no map or standardiser is fitted on them.
    """
    judged = splits.heldout if heldout else []
    unpaired = sample_unpaired(splits, int(ctx.config["seed"]))
    features = {}
    for n, side in enumerate(SIDES):
        wanted = sorted({p[n] for p in [*splits.pairs(), *judged]} | set(unpaired[n]))
        features[side] = side_features(ctx, splits, side, wanted, spectral=spectral)[1]
    return replace(make_world(splits, unpaired, features), heldout=judged)


def side_features(
    ctx: StepContext, splits: Splits, side: str, ids: list[str], *, spectral: bool
) -> tuple[Transform, Embeddings]:
    """What makes features of a side's encoder rows, and those of ``ids``: spectral coordinates or standardised rows."""
    if spectral:
        folder = ctx.inputs[f"spectral-{side}"]
        return load_transform(folder, "map"), Embeddings.read(folder).take(ids)
    fit_ids = splits.unpaired_left if side == "left" else splits.unpaired_right
    settings = {"pca_dim": ctx.config["preprocess"]["pca_dim"], "seed": int(ctx.config["seed"])}
    made = standardize(Embeddings.read(ctx.inputs[f"encode-{side}"]), fit_ids, ids, **settings)
    return made.standardizer, made.features


def _plain(config: Mapping[str, Any]) -> Refit:
    method, seed = config["method"], int(config["seed"])
    if "cca" in config:
        cca = _cca(config)
        mmd = config.get("mmd")
        moved = MovedCCA(cca=cca, mmd=_mmd(mmd), seed=seed) if mmd else cca
        return Refit(name=method, aligner=moved, spectral=True)
    aligner = make_aligner(method, config.get("settings"), seed=seed)
    return Refit(name=method, aligner=aligner, distractors=DISTRACTORS if method in LIGHT else 0)


def _cca(config: Mapping[str, Any]) -> RidgeCCA:
    return RidgeCCA(**config["cca"], scale=True, seed=int(config["seed"]))


def _mmd(settings: Mapping[str, Any]) -> MMDConfig:
    return MMDConfig(**{**settings, "widths": tuple(settings["widths"])})
