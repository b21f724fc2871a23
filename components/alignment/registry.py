"""Aligners by name. Imports numpy at most: recipes and ``plan`` validate settings through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from components.alignment.asif import Asif
from components.alignment.auto import Auto
from components.alignment.contrastive import Contrastive
from components.alignment.functional_map import FunctionalMap
from components.alignment.fused import FusedCSA, FusedKernelRidge
from components.alignment.fused_gromov import FusedGromov
from components.alignment.kernel_ridge import KernelRidge
from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Aligner
from components.alignment.ridge_cca import RidgeCCA
from components.alignment.ridge_map import RidgeMap
from components.alignment.self_training import SelfTraining
from components.alignment.semi_cca import SemiCCA
from components.alignment.spectral_transport import SpectralTransport
from components.alignment.teacher_plan import TeacherPlan
from components.alignment.wasserstein_procrustes import WassersteinProcrustes
from components.checks import check_one_of
from components.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Method:
    """An aligner's config class, its defaults, and the features it wants.

    Attributes:
        config: class of the settings; an instance is an :class:`Aligner`.
        defaults: settings that differ from the class's own.
        spectral: fitted on spectral coordinates instead of the encoder's rows.
        refined: moved by an MMD net after the fit.
        needs_pairs: whether it refuses a fit without any known pair.
        summary: one line for listings.
    """

    config: type[Any]
    summary: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    spectral: bool = False
    refined: bool = False
    needs_pairs: bool = True


_SPECTRAL = {"scale": True, "dim": 8}
METHODS: dict[str, Method] = {
    "ridge-cca": Method(config=RidgeCCA, summary="ridge CCA with CSA weights on the known pairs"),
    "procrustes": Method(config=Procrustes, summary="orthogonal rotation fitted to the known pairs"),
    "kernel-ridge": Method(config=KernelRidge, summary="kernel ridge regression both ways on the pairs"),
    "csa": Method(
        config=RidgeCCA, defaults={"gamma": None}, summary="ridge CCA, exponent of the CSA weights chosen too"
    ),
    "ridge-map": Method(config=RidgeMap, summary="linear ridge regression both ways on the pairs"),
    "asif": Method(config=Asif, summary="relative representations: similarities to the known pairs"),
    "functional-map": Method(
        config=FunctionalMap, summary="map between both sides' eigenvectors that commutes with their walks"
    ),
    "spectral-transport": Method(
        config=SpectralTransport, summary="functional map taught by a transport plan of unpaired rows"
    ),
    "fused-kernel-ridge": Method(
        config=FusedKernelRidge, summary="kernel ridge on rows beside their diffusion coordinates"
    ),
    "fused-csa": Method(config=FusedCSA, summary="CSA on rows beside their diffusion coordinates"),
    "semi-cca": Method(config=SemiCCA, summary="CCA with covariances within a side from all of its rows"),
    "self-training": Method(
        config=SelfTraining, summary="semi-cca, and rounds of transport matches if held-out pairs gain"
    ),
    "wasserstein-procrustes": Method(
        config=WassersteinProcrustes,
        needs_pairs=False,
        summary="assignments and rotations in turn; needs no pairs",
    ),
    "fused-gromov": Method(
        config=FusedGromov, summary="landmarks matched by teacher and shape, if held-out pairs gain"
    ),
    "teacher-plan": Method(
        config=TeacherPlan, summary="linear heads that learn a teacher's transport plan, if pairs gain"
    ),
    "auto": Method(config=Auto, summary="fits the good methods, judges them on the pairs, stacks or picks"),
    "contrastive": Method(config=Contrastive, summary="linear InfoNCE heads trained on the known pairs"),
    "contrastive-mlp": Method(
        config=Contrastive, defaults={"hidden": 256}, summary="InfoNCE heads with a hidden layer, trained on the pairs"
    ),
    "eigen-cca": Method(
        config=RidgeCCA, defaults=_SPECTRAL, spectral=True, summary="ridge CCA on the unpaired rows' eigenvectors"
    ),
    "sue": Method(
        config=RidgeCCA, defaults=_SPECTRAL, spectral=True, refined=True, summary="eigen-cca, then an MMD net (SUE)"
    ),
}
BASELINES = ("ridge-cca", "procrustes", "kernel-ridge", "contrastive")


def find_method(name: str) -> Method:
    """Raises UserError for an unknown name, naming the known ones."""
    check_one_of("aligner", name, METHODS)
    return METHODS[name]


def make_aligner(name: str, settings: Mapping[str, Any] | None = None, *, seed: int = 0) -> Aligner:
    """The validated aligner ``name`` with ``settings`` over its defaults; ``seed`` where it takes one.

    Raises:
        UserError: unknown method or setting, value out of range; names what is allowed.
    """
    method = find_method(name)
    known = {f.name for f in fields(method.config)}
    unknown = sorted(set(settings or {}) - known)
    if unknown:
        raise UserError(
            f"{unknown[0]!r} is not a setting of {name}", where="aligner", do=f"choose from {', '.join(sorted(known))}"
        )
    seeded = {"seed": seed} if "seed" in known else {}
    try:
        aligner: Aligner = method.config(**{**method.defaults, **seeded, **(settings or {})})
    except UserError as error:
        raise UserError(error.what, where=f"{name}.{error.where}", do=error.do) from None
    return aligner
