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
_TOKEN = re.compile(r"[^\W\d_]+|\d+")


@dataclass(frozen=True, slots=True)
class Token:
    """A run of letters or a run of digits in normalised text; GAP counts the characters since the token before."""

    text: str
    gap: int


def plain(text: str) -> str:
    """TEXT without case, accents, compatibility forms, invisible characters and line breaks (NFC, NFD: the same)."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    if not folded.isascii():
        folded = folded.translate({ord(c): _plain_character(c) for c in set(folded)})
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


def squeeze(text: str) -> str:
    """TEXT in plain spelling, letters and digits only: "Pérez-Ruiz, Ana" gives "perezruizana"."""
    return "".join(token.text for token in tokenize(text))


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
