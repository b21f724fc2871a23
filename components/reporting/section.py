"""A section of the page of applications: what a step found, its figures, a table and examples; files of that step.

The page takes any number of them, so a further application is a further step that writes a section.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from components.files import Folder
from components.reporting.style import Figure
from components.reporting.thumbnails import thumbnail

FILE = "section.json"
THUMBNAIL = 64


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One item as a person sees it. ``picture`` is a PNG in hexadecimal digits, or empty."""

    title: str
    picture: str = ""
    hit: bool = False

    @classmethod
    def of(cls, title: str, image: bytes | None, *, hit: bool = False) -> Shown:
        """With a small, safe copy of ``image``, if it is a picture."""
        small = thumbnail(image, size=THUMBNAIL) if image else None
        return cls(title=title, picture=small.hex() if small else "", hit=hit)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A question in words and its first answers."""

    question: str
    answers: Sequence[Shown]


@dataclass(frozen=True, kw_only=True)
class Section:
    """What a step says.

    Attributes:
        title: heading.
        finding: one sentence; why there is nothing, if ``absent``.
        key: the numbers of the finding in a few words, for the list of sections.
        about: how it was measured.
        figures: in order.
        columns, rows: of a table of texts; no columns, no table. The first ``words`` columns are words, not numbers.
        examples: for the eye.
    """

    title: str
    finding: str
    key: str = ""
    absent: bool = False
    about: str = ""
    figures: Sequence[Figure] = ()
    columns: Sequence[str] = ()
    words: int = 1
    rows: Sequence[Sequence[str]] = field(default_factory=list)
    examples: Sequence[Example] = ()

    def write(self, folder: Folder) -> None:
        """Write ``section.json`` and ``figures/``: SVG, PNG and CSV of each."""
        told: dict[str, Any] = {k: v for k, v in asdict(self).items() if k != "figures"}
        told["figures"] = [{k: getattr(f, k) for k in ("name", "title", "caption", "alt", "csv")} for f in self.figures]
        folder.write_json(FILE, told)
        for f in self.figures:
            files = {"svg": f.svg, "png": f.png, "csv": f.csv.encode()}
            for ending, data in files.items():
                folder.write_bytes(f"figures/{f.name}.{ending}", data)

    @classmethod
    def read(cls, folder: Folder) -> Section:
        told = folder.read_json(FILE)
        figures = [
            Figure(**f, svg=_figure(folder, f["name"], "svg"), png=_figure(folder, f["name"], "png"))
            for f in told.pop("figures")
        ]
        examples = [
            Example(question=e["question"], answers=[Shown(**a) for a in e["answers"]]) for e in told.pop("examples")
        ]
        return cls(figures=figures, examples=examples, **told)


def _figure(folder: Folder, name: str, ending: str) -> bytes:
    return folder.read_bytes(f"figures/{name}.{ending}")


def percent(value: dict[str, float], *, digits: int = 1) -> str:
    """``54.2 ± 1.3`` of a share with its interval, in percent."""
    half = 50 * (value["high"] - value["low"])
    mean = f"{100 * value['mean']:.{digits}f}"
    return f"{mean} ± {half:.{digits}f}" if half > 1e-9 else mean
