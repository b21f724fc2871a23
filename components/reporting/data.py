"""What a report is made of: pure data, every optional part may be absent.

Letters: ``N1, N2`` rows of the two sides, ``K`` dimensions of the shared space, ``E`` fits (splits x draws).
Recall is in percent, ranks start at 1, FOSCTTM (fraction of candidates closer than the true match) is .5 at chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from components.reporting.promises import Promises

LEFT_TO_RIGHT, RIGHT_TO_LEFT, MEAN = DIRECTIONS = ("left_to_right", "right_to_left", "mean")
CHANCE = "chance"
_NOUNS = {"image": "picture", "text": "text"}


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Under which terms something may be used; ``url`` is shown as a link if it is https."""

    what: str
    licence: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One corpus.

    Attributes:
        name: ``"left"`` or ``"right"``.
        modality: ``"image"``, ``"text"`` or ``"embedding"``.
        rows, quarantined, duplicates: counts; ``reasons`` counts the quarantined rows by reason.
        encoder, dim: name of the frozen encoder and its output dimension.
        called: what one row is called, if the modality does not say it.
    """

    name: str
    modality: str
    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    encoder: str = ""
    dim: int | None = None
    licences: Sequence[Licence] = ()
    called: str = ""

    @property
    def noun(self) -> str:
        """What one row is called: ``"picture"``, ``"text"`` or ``"left item"``."""
        return self.called or _NOUNS.get(self.modality, f"{self.name} item")


@dataclass(frozen=True, kw_only=True)
class Score:
    """Retrieval in one direction (or the mean of both), averaged over draws of the known pairs.

    Attributes:
        values: ``{"R@1": percent, …, "median_rank": rank, "foscttm": fraction}``.
        ci95: 95 % interval of some of the values, ``(low, high)``.
        gallery: number of candidates; draws: how many draws are averaged.
    """

    values: Mapping[str, float]
    ci95: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    gallery: int = 0
    draws: int = 1


ByDirection = Mapping[str, Score]
ByMethod = Mapping[str, ByDirection]


@dataclass(frozen=True, kw_only=True)
class Null:
    """Permutation null of one gauge: mean, standard deviation and one-sided p-value of the observed value."""

    mean: float
    sd: float
    p_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """Can these two corpora be aligned at all? Measured on the known pairs.

    Attributes:
        values: ``{"cka": …, "mutual_knn": …}``, each in 0..1.
        nulls: the same names, on permuted pairs.
        verdict: one sentence.
    """

    values: Mapping[str, float]
    nulls: Mapping[str, Null] = field(default_factory=dict)
    verdict: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Recall (percent) at each ``k``, with a 95 % band if ``low`` and ``high`` are given. All of one length."""

    method: str
    direction: str
    k: Sequence[int]
    recall: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Eigenvalues of one side's random walk in descending order (trivial one dropped).

    ``gap_index`` is the number of eigenvalues before the chosen gap.
    """

    side: str
    eigenvalues: Sequence[float]
    gap_index: int | None = None
    solver: str = ""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Lower and upper edge, e.g. the 2.5 % and 97.5 % quantiles under permuted pairs."""

    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Correlations:
    """Canonical correlations of the primary draw on the known and on held-out pairs.

    The nulls are the same two when the known pairs are permuted and the map is fitted again.
    """

    known: Sequence[float]
    heldout: Sequence[float] = ()
    known_null: Band | None = None
    heldout_null: Band | None = None


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """Squared maximum mean discrepancy of each of the ``E`` fits, on rows the net has not seen."""

    before: Sequence[float]
    after: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class SharedSpace:
    """Held-out rows of both sides in the shared space: ``left`` [N1, K], ``right`` [N2, K].

    ``pairs`` holds ``(row of left, row of right)`` of true partners.
    """

    left: np.ndarray
    right: np.ndarray
    pairs: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, kw_only=True)
class Item:
    """One row of a corpus as a reader should see it: ``text`` or ``image`` (encoded bytes) or only a title."""

    id: str
    title: str = ""
    text: str | None = None
    image: bytes | None = None
    group: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Match:
    """One of the first answers; ``hit`` if it is the query's true partner."""

    item: Item
    score: float
    hit: bool = False


@dataclass(frozen=True, kw_only=True)
class Query:
    """A held-out query, its first answers in order, its true partner and that partner's rank."""

    item: Item
    matches: Sequence[Match]
    partner: Item
    rank: float


@dataclass(frozen=True, kw_only=True)
class NearHit:
    """A miss whose first answer shares ``shared`` (words, or the group's name) with the true partner."""

    query: Item
    answer: Item
    partner: Item
    rank: float
    shared: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class NearHits:
    """Near-hits in one direction: some to look at, and how many of all misses they are."""

    examples: Sequence[NearHit]
    num_near: int
    num_misses: int
    expected: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """How long a step took when it ran; ``cached`` if its output was reused this time."""

    name: str
    seconds: float
    cached: bool = False


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How the report was made."""

    recipe: str = ""
    seed: int | None = None
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    licences: Sequence[Licence] = ()


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One thing that ``auto`` could have chosen, judged out of fold on the known pairs.

    Attributes:
        values: ``{"R@1": percent, …, "score": mean of -log(1 + rank), "ahead_of_linear": …, "seconds": CPU}``; ``_se``
            behind a name is its standard error over the pairs.
        skipped: why it took no part after all.
    """

    name: str
    values: Mapping[str, float]
    skipped: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What ``auto`` chose on the primary draw, and why.

    Attributes:
        tried: best first.
        weights: of the candidates in the chosen one.
        left_out: candidates that could not be fitted -> why.
        gallery: rows that the held-out pairs of a fold were ranked among.
        draws: split -> how often each was chosen.
    """

    chosen: str
    reason: str
    tried: Sequence[Tried] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    gallery: float = 0
    draws: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report can show. Only the first five are needed.

    Attributes:
        left, right: the two corpora.
        num_pairs: how many known pairs each fit was given.
        exported: method whose maps are in the model; a key of ``retrieval[primary]``.
        retrieval: split -> method (``"chance"`` too) -> direction -> score.
        primary: the split that the headline speaks of; empty = the first one.
        controls: control -> method -> direction -> score, on the primary split.
        queries, near_hits: direction -> examples.
        card: of the exported model (:mod:`components.reporting.model_card`).
        notes: warnings of the run, one sentence each.
    """

    left: Side
    right: Side
    num_pairs: int
    exported: str
    retrieval: Mapping[str, ByMethod]
    primary: str = ""
    title: str = "Isthmus report"
    controls: Mapping[str, ByMethod] = field(default_factory=dict)
    gauge: Gauge | None = None
    choice: Choice | None = None
    promises: Promises | None = None
    curves: Sequence[Curve] = ()
    spectra: Sequence[Spectrum] = ()
    correlations: Correlations | None = None
    discrepancy: Discrepancy | None = None
    shared: SharedSpace | None = None
    queries: Mapping[str, Sequence[Query]] = field(default_factory=dict)
    near_hits: Mapping[str, NearHits] = field(default_factory=dict)
    steps: Sequence[StepTime] = ()
    provenance: Provenance | None = None
    card: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.primary:
            object.__setattr__(self, "primary", next(iter(self.retrieval), ""))
        known = self.retrieval.get(self.primary, {})
        if self.exported not in known:
            raise ValueError(f"no scores of {self.exported!r} on split {self.primary!r}; there are {sorted(known)}")

    @property
    def main(self) -> ByMethod:
        """Scores on the primary split."""
        return self.retrieval[self.primary]

    def nouns(self, direction: str) -> tuple[str, str]:
        """What is asked with and what is looked for; one modality on both sides gets ``left`` and ``right``."""
        pair = (self.left.noun, self.right.noun)
        if pair[0] == pair[1]:
            pair = (f"left {pair[0]}", f"right {pair[1]}")
        return pair if direction != RIGHT_TO_LEFT else (pair[1], pair[0])
