"""The built-in corpus has both sides of every item, and head words that make sense."""

from __future__ import annotations

import pytest

from components.corpora.emoji import LANGUAGES, TEXTS, emoji_corpus, emoji_texts, head_word, parse_builtin
from components.corpora.images import decode_rgb
from components.errors import UserError


def test_size_and_content() -> None:
    items = emoji_corpus()
    by_id = {e.id: e for e in items}
    assert len(items) == len(by_id) == 1914
    grin = by_id["1f600"]
    assert (grin.name, grin.group, grin.label) == ("grinning face", "face", "Smileys & Emotion")
    assert grin.text.startswith("grinning face. face, smile")
    assert decode_rgb(grin.picture.read_bytes()).size == (72, 72)
    assert by_id["1f1eb-1f1f7"].group == by_id["1f3f4-e0067-e0062-e0065-e006e-e0067-e007f"].group == "flag"
    assert by_id["23-fe0f-20e3"].name == "keycap #"
    assert not [e.id for e in items if "_" in e.name or not e.text.strip() or not e.group]


def test_no_skin_tones() -> None:
    assert not [e.id for e in emoji_corpus() if any(f"1f3f{c}" in e.id for c in "bcdef")]


def test_every_language_has_its_own_names() -> None:
    english = {e.id: e.name for e in emoji_corpus()}
    for language in set(LANGUAGES) - {"en"}:
        names = {e.id: e.name for e in emoji_corpus(language)}
        assert len(names) > 1800, language
        assert sum(names[i] == english[i] for i in names) < 200, language
    assert {e.id: e.text for e in emoji_corpus("fr")}["1f600"] == "visage rieur"


def test_head_words() -> None:
    assert head_word("grinning face") == "face"
    assert head_word("flag in hole", "26f3") == "hole"
    assert head_word("flag france", "1f1eb-1f1f7") == "flag"


@pytest.mark.parametrize("bad", ["builtin:cats", "builtin:emoji-names:xx", "builtin:emoji-pictures:fr"])
def test_unknown_builtin(bad: str) -> None:
    with pytest.raises(UserError, match=r"built-in ones are|languages: en"):
        parse_builtin(bad)


def test_further_texts_of_the_names() -> None:
    items = emoji_corpus()
    grinning = next(n for n, item in enumerate(items) if item.id == "1f600")
    found = {column: emoji_texts(items, column)[grinning] for column in TEXTS}
    assert found["text"] == f"{found['name']}. {found['keywords']}"
    assert (found["en"], found["fr"]) == (found["name"], "visage rieur")
    assert set(TEXTS) == {"text", "name", "keywords", *LANGUAGES}
    keywords = emoji_texts(items, "keywords")
    assert 0 < keywords.count("") < 20  # a few have a name only
