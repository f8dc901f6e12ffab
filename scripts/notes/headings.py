"""The headings of a note, as far as its lines show them in any language: by a colon, or by capitals."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_WORDS = 6  # of a heading; a longer line is a sentence
_COLON = re.compile(r"\W*([^\W\d_][^:\n]{0,80})[ \t]*:(?!//)(.*)")
_NO_LETTERS = re.compile(r"[\W\d_]+")


@dataclass(frozen=True)
class Heading:
    """The WORDS of a heading, in lower case, without digits and marks; and whether nothing is in its section."""

    words: str
    is_empty: bool


@dataclass(frozen=True)
class _Line:
    words: str
    by_colon: bool
    has_text: bool  # on the same line


def headings_in(text: str) -> list[Heading]:
    """The headings in TEXT, in order.

    A heading is what stands before the first colon of a line, or a line in capitals after a blank line, of six words at
    most. It is empty if nothing, or another bare heading of its kind, comes below it. A heading with text on its line
    ("Allergies: none") is not counted as another one: it may belong under the one before. The first line is the title,
    which is never empty.
    """
    lines = list(_lines(text))
    headings = []
    for i, heading in enumerate(lines):
        if heading is None:
            continue
        below = lines[i + 1] if i + 1 < len(lines) else heading
        bare_below = below is not None and not below.has_text and below.by_colon == heading.by_colon
        is_empty = i > 0 and not heading.has_text and bare_below
        headings.append(Heading(heading.words, is_empty))
    return headings


def _lines(text: str) -> Iterator[_Line | None]:
    """For each line of TEXT that is not blank its heading, or None."""
    after_blank = True
    for line in text.splitlines():
        if line.strip():
            yield _heading_of(line, after_blank)
        after_blank = not line.strip()


def _heading_of(line: str, after_blank: bool) -> _Line | None:
    match = _COLON.match(line)
    by_colon = match is not None
    words = _NO_LETTERS.sub(" ", match[1] if match else line).split()
    if not words or len(words) > MAX_WORDS:
        return None
    if not by_colon and not (after_blank and line.isupper() and len("".join(words)) > 2):
        return None
    has_text = by_colon and bool(match[2].strip(" \t*_"))
    return _Line(" ".join(words).casefold(), by_colon, has_text)
