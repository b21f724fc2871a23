"""A source, opened: which files it has, what form they are in, and which columns hold what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.corpora.digest import source_digest
from components.corpora.emoji import LICENCES, PICTURES, TEXTS, is_builtin, parse_builtin
from components.corpora.forms import column_names, form_of, of_form
from components.corpora.listing import Listing, list_files, shown
from components.corpora.source_config import EXTRAS, PAYLOADS, SourceConfig
from components.corpora.table import no_column, view_columns, view_names
from components.errors import UserError

__all__ = ["Source", "open_source", "source_digest"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Ready to be read; picklable.

    Attributes:
        location: as the user gave it, without secrets; for messages.
        form: ``images``, ``parquet``, ``csv``, ``jsonl`` or ``builtin``.
        payload: ``image``, ``path``, ``text`` or ``embedding``.
        listing: its files; None for a built-in one.
        columns: our name (``id``, the payload, ``group``, ``label``, ``title``) -> column of the table.
        ignored: number of files of another form that were left out.
        licences: of its content, as far as known.
        builtin: name and language.
    """

    location: str
    form: str
    payload: str
    listing: Listing | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    ignored: int = 0
    licences: tuple[str, ...] = ()
    builtin: tuple[str, str] = ("", "")

    @property
    def modality(self) -> str:
        return "image" if self.payload == "path" else self.payload

    @property
    def views(self) -> list[str]:
        """Our names of the columns with the content: ``text``, or ``text`` and ``text:COLUMN`` for further ones."""
        return view_names(self.columns, self.payload)

    @property
    def extras(self) -> list[str]:
        """Optional columns that this source has."""
        return [e for e in EXTRAS if e in self.columns]

    @property
    def files(self) -> Listing:
        assert self.listing is not None
        return self.listing


def open_source(config: SourceConfig) -> Source:
    """Look at a source without reading its content.

    Raises:
        UserError: missing file, no usable file, unknown column (with the columns found), ambiguous content.
    """
    licences = (config.licence,) if config.licence else ()
    if is_builtin(config.source):
        return _open_builtin(config, licences)
    listing = list_files(config.source)
    form = form_of(listing, config.source)
    kept = of_form(listing, form)
    columns = {"id": "", "image": ""} if form == "images" else _columns(config, kept, form)
    return Source(
        location=shown(config.source),
        form=form,
        payload=next(c for c in columns if c in PAYLOADS),
        listing=kept,
        columns=columns,
        ignored=len(listing.files) - len(kept.files),
        licences=licences,
    )


def _open_builtin(config: SourceConfig, licences: tuple[str, ...]) -> Source:
    name, language = parse_builtin(config.source)
    payload = "image" if name == PICTURES else "text"
    found = ("image",) if name == PICTURES else TEXTS
    views = view_columns(payload, getattr(config, payload) or payload)
    for column in views.values():
        if column not in found:
            raise no_column(payload, column, found, where=config.source)
    columns = {"id": "id", **views, **{c: c for c in EXTRAS}}
    return Source(
        location=config.source,
        form="builtin",
        payload=payload,
        columns=columns,
        licences=licences + tuple(LICENCES[name]),
        builtin=(name, language),
    )


def _columns(config: SourceConfig, listing: Listing, form: str) -> dict[str, str]:
    first = listing.files[0].name
    found = column_names(listing, form)
    payload = _payload(config, found, listing.full(first))
    wanted = {"id": config.id, **view_columns(payload, getattr(config, payload) or payload)}
    wanted |= {e: getattr(config, e) for e in EXTRAS if getattr(config, e)}
    for name, column in wanted.items():
        if column not in found:
            do = f"name the right one as {name}: COLUMN"
            raise no_column(name, column, found, where=listing.full(first), do=do)
    return wanted | {e: e for e in EXTRAS if e in found and e not in wanted}


def _payload(config: SourceConfig, found: list[str], where: str) -> str:
    """Which of image, path, text, embedding holds the content: the one named, else the only one there is."""
    named = [p for p in PAYLOADS if getattr(config, p)]
    there = named or [p for p in PAYLOADS if p in found]
    if len(there) == 1:
        return there[0]
    if there:
        raise UserError(
            f"the columns {' and '.join(there)} could all be the content",
            where=where,
            do=f"say which: {there[0]}: NAME",
        )
    raise UserError(
        f"there is no column image, path, text or embedding; the columns are {', '.join(found) or 'none'}",
        where=where,
        do="name the one with the content, e.g. text: COLUMN",
    )
