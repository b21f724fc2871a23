"""Objectives by name. Imports no torch until one is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from components.errors import UserError

if TYPE_CHECKING:
    from components.objectives.protocol import ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An objective that can be named in a recipe.

    Attributes:
        place: module:class of the config.
        summary: one line for listings.
        labelled, target_network, classifies: as of its :class:`components.objectives.protocol.Criterion`.
    """

    place: str
    summary: str
    labelled: bool = False
    target_network: bool = False
    classifies: bool = False


OBJECTIVES: dict[str, Entry] = {
    "info-nce": Entry(place="info_nce:InfoNCE", summary="each view finds the other one of its row (SimCLR, CLIP)"),
    "rince": Entry(place="rince:RINCE", summary="InfoNCE that forgives views without relation"),
    "gca-ince": Entry(place="gca_ince:GCAINCE", summary="InfoNCE after Sinkhorn: hubs win nothing"),
    "gca-rince": Entry(place="gca_rince:GCARINCE", summary="RINCE after Sinkhorn"),
    "gca-uot": Entry(place="gca_uot:GCAUOT", summary="the same with marginals that may be missed at a price"),
    "hard-negatives": Entry(place="hard_negatives:HardNegatives", summary="similar negatives weigh more"),
    "target-plan": Entry(place="target_plan:TargetPlan", summary="KL to any target plan; rows may be unpaired"),
    "domain-plan": Entry(
        place="domain_plan:DomainPlan", summary="a target plan that keeps domains together or apart", labelled=True
    ),
    "byol": Entry(place="byol:BYOL", summary="predicts the view of an averaged network", target_network=True),
    "supcon": Entry(place="supcon:SupCon", summary="all views of a class find each other", labelled=True),
    "cross-entropy": Entry(
        place="cross_entropy:CrossEntropy", summary="a plain classifier", labelled=True, classifies=True
    ),
    "simlap": Entry(place="simlap:SimLAP", summary="any two classes meet in a subspace of their own", labelled=True),
}


def make_objective(name: str, settings: Mapping[str, Any] | None = None) -> ObjectiveConfig:
    """The config of an objective.

    Raises:
        UserError: no such objective, unknown or impossible settings.
    """
    if name not in OBJECTIVES:
        raise UserError(f"there is no objective {name!r}", where="objective", do=f"use one of {', '.join(OBJECTIVES)}")
    module, _, attribute = OBJECTIVES[name].place.partition(":")
    config: Any = getattr(import_module(f"components.objectives.{module}"), attribute)
    known = {f.name for f in fields(config)}
    unknown = sorted(set(settings or {}) - known)
    if unknown:
        allowed = ", ".join(sorted(known))
        raise UserError(f"{name} has no setting {unknown[0]!r}", where="objective", do=f"it has: {allowed}")
    made: ObjectiveConfig = config(**(settings or {}))
    return made
