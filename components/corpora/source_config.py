"""What a user says about a source. Fast to import: recipes need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from components.errors import UserError

PAYLOADS = ("image", "path", "text", "embedding")
EXTRAS = ("group", "label", "title")


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Where a corpus is, and which columns of its table to read.

    Attributes:
        source: image folder, Parquet / CSV / JSONL file, folder or glob (``*``, ``**``; ``?`` in local paths), or any
            URI that pyarrow opens; or ``builtin:emoji-pictures``, ``builtin:emoji-names``, ``builtin:emoji-names:fr``.
        id: name of the id column.
        image, path, text, embedding: name of the one column with the content; may be left out if the table has
            exactly one column of these default names. ``path`` is relative to the folder of the table's file.
            ``text`` and ``embedding`` may name several columns: further views of the same items. An item may lack
            some of them, but not all.
        group, label, title: names of optional columns; None takes the column of that name if there is one.
        licence: shown in the report.
    """

    source: str
    id: str = "id"
    image: str | None = None
    path: str | None = None
    text: str | Sequence[str] | None = None
    embedding: str | Sequence[str] | None = None
    group: str | None = None
    label: str | None = None
    title: str | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise UserError("a source must not be empty", where="source")
        named = [p for p in PAYLOADS if getattr(self, p)]
        if len(named) > 1:
            raise UserError(
                f"columns {' and '.join(named)} are both named", where=self.source, do="name one of them as the content"
            )
        for name in ("text", "embedding"):
            object.__setattr__(self, name, one_or_several(getattr(self, name), where=name))

    @classmethod
    def of(cls, source: str, settings: Mapping[str, Any]) -> SourceConfig:
        """From a step's config, which may hold further keys; null means the default."""
        names = {f.name for f in fields(cls)} - {"source"}
        return cls(source=source, **{k: v for k, v in settings.items() if k in names and v is not None})

    def columns(self) -> dict[str, Any]:
        """The column names that were given, for a step's config."""
        return {k: v for k, v in asdict(self).items() if k != "source" and v is not None}


def one_or_several(names: str | Sequence[str] | None, *, where: str) -> str | tuple[str, ...] | None:
    """A name, or names without repetition; a list of one name is that name.

    Raises:
        UserError: an empty list, a blank name, or a name that occurs twice.
    """
    if names is None or isinstance(names, str):
        return names
    if not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise UserError(f"{list(names)} is not allowed", where=where, do="give one name or a list of names")
    if len(set(names)) < len(names):
        raise UserError(f"{', '.join(names)} holds a name twice", where=where, do="name each once")
    return names[0] if len(names) == 1 else tuple(names)
