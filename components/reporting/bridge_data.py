"""What the page about a bridge shows; filled in from the files of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.reporting.data import ReportData

ORACLE = "oracle"
SHUFFLED = "shuffled-pairs"


@dataclass(frozen=True, kw_only=True)
class BridgeData:
    """All of it.

    Attributes:
        report: table, controls and examples of A (left) and C (right); ``exported`` is the chosen way and estimator.
        names: of the sides ``a``, ``b``, ``c``.
        pairs: counts: ``ab``, ``bc``, ``oracle``, ``heldout``, ``draws``, ``bridge``.
        way, estimator: that are exported.
        ways: way -> edges, ESS, and what else is known without A–C pairs.
        curve: rows of way, method, size, recall, low, high.
        ambiguity: rows of way, method, direction, ambiguity, recall, low, high.
        truth: method -> rank correlation with the true log ratio.
        recipe: as YAML.
    """

    report: ReportData
    names: Mapping[str, str]
    pairs: Mapping[str, Any]
    way: str
    estimator: str
    ways: Mapping[str, Mapping[str, Any]]
    curve: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    ambiguity: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    truth: Mapping[str, float] | None = None
    recipe: str = ""

    @property
    def judged(self) -> bool:
        """Whether there are A–C pairs to judge by."""
        return bool(self.report.main[self.report.exported])
