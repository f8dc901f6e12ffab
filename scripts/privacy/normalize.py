"""Text as an attacker reads it: case, accents, invisible characters, spacing and separators do not hide a thing."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from scripts.notes.note import Note

# Letters that Unicode does not decompose, in their usual plain spelling.
_PLAIN = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ħ": "h"}
# Scripts that put no space between words: Han, kana, Hangul (whose particles cling to a name).
_UNSPACED = (
    r"\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+|\d+")
CHARACTER_WEIGHT = 3  # an unspaced character tells as much as so many letters


@dataclass(frozen=True, slots=True)
class Token:
    """A run of letters or of digits in normalised text, or one character of a script that puts no space between words.

    GAP counts the characters since the token before.
    """

    text: str
    gap: int

    @property
    def is_character(self) -> bool:
        """Whether the token is one Chinese, Japanese or Korean character, part of a word whose ends nobody marks."""
        return bool(_UNSPACED_CHARACTER.match(self.text))


def plain(text: str) -> str:
    """TEXT without case, accents, compatibility forms, invisible characters and line breaks (NFC, NFD: the same)."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    if not folded.isascii():
        folded = folded.translate({ord(c): _plain_character(c) for c in set(folded)})
        folded = unicodedata.normalize("NFC", folded)  # a Korean syllable is one character again
    return " ".join(folded.split())


@cache
def _plain_character(c: str) -> str:
    # Mn: accents. Cf: zero-width characters, soft hyphens, direction marks.
    if unicodedata.category(c) in ("Mn", "Cf"):
        return ""
    return _PLAIN.get(c) or str(unicodedata.decimal(c, c))  # digits of any script


def tokenize(text: str) -> list[Token]:
    """The letter runs and digit runs of TEXT in plain spelling; "40mg" and "40 mg" give the same two."""
    tokens, end = [], 0
    for match in _TOKEN.finditer(plain(text)):
        tokens.append(Token(match.group(), match.start() - end))
        end = match.end()
    return tokens


def locate(text: str) -> list[tuple[int, int]] | None:
    """Where in TEXT, as it is written, each token of `tokenize` begins and ends; None where that cannot be told.

    Accents and invisible characters belong to the letter before them. Each character is spelled by itself: where its
    neighbours change how it is read (Korean in single letters) there is no telling.
    """
    plain_forms = {c: " " if c.isspace() else plain(c) for c in set(text)}
    owners = [i for i, c in enumerate(text) for _ in plain_forms[c]]
    matches = list(_TOKEN.finditer("".join(plain_forms[c] for c in text)))
    if [match.group() for match in matches] != [token.text for token in tokenize(text)]:
        return None
    places = []
    for match in matches:
        end = owners[match.end() - 1] + 1
        while end < len(text) and not plain_forms[text[end]]:
            end += 1
        places.append((owners[match.start()], end))
    return places


def squeeze(text: str) -> str:
    """TEXT in plain spelling, letters and digits only: "Pérez-Ruiz, Ana" gives "perezruizana"."""
    return "".join(token.text for token in tokenize(text))


def weight(key: str) -> int:
    """How much KEY tells, in letters: short keys occur by chance."""
    return len(key) + (CHARACTER_WEIGHT - 1) * (0 if key.isascii() else len(_UNSPACED_CHARACTER.findall(key)))


def searchable(note: Note) -> str:
    """Everything of NOTE that would be released: its text, its id and its meta, set well apart."""
    return " ##### ".join([note.text, note.id, *_values(note.meta)])


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _values(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner)
    elif value is not None:
        yield str(value)
