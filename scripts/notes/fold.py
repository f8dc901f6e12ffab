"""Text as it is compared: without case, white space and typography, with the way back to the characters."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, compress, repeat

# Writers and language models exchange these freely; NFKD keeps them apart.
VARIANTS = {c: base for base, variants in {"'": "‘’‚‛′´`ʼ", '"': "“”„‟″«»", "-": "‐‑‒–—―−"}.items() for c in variants}

DOT_ABOVE = "\u0307"  # what is left of İ in lower case


@dataclass(frozen=True)
class Folded:
    """The `key` of a text, and for each character of the key the index of the character that it came from."""

    key: str
    source: tuple[int, ...]

    def find(self, key: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of the text whose key is KEY, overlapping ones included; never half of a character."""
        at = self.key.find(key)
        while at >= 0:
            end = at + len(key)
            starts_whole = at == 0 or self.source[at - 1] != self.source[at]
            ends_whole = end == len(self.source) or self.source[end] != self.source[end - 1]
            if starts_whole and ends_whole:
                yield self.source[at], self.source[end - 1] + 1
            at = self.key.find(key, at + 1)


def fold(text: str) -> Folded:
    """TEXT folded: case, compatibility forms, quotes and dashes levelled; white space and invisible characters gone.

    Characters whose lower case is longer (İ, ß) and composed or decomposed accents give the same key as their likes.
    """
    pieces = list(map(_fold_character, text))
    lengths = list(map(len, pieces))
    if max(lengths, default=0) <= 1:  # nearly every text, and quicker
        source = compress(range(len(pieces)), lengths)
    else:
        source = chain.from_iterable(map(repeat, range(len(pieces)), lengths))
    return Folded("".join(pieces), tuple(source))


@cache
def _fold_character(c: str) -> str:
    if c.isspace() or unicodedata.category(c) == "Cf":
        return ""
    decomposed = unicodedata.normalize("NFKD", VARIANTS.get(c, c))
    folded = unicodedata.normalize("NFKD", decomposed.casefold())
    return folded.replace(" ", "").replace(DOT_ABOVE, "")


@cache
def kind(c: str) -> str:
    """What C is within a word: a "letter" (marks included), a "digit", or else a "symbol"."""
    if c.isdigit():
        return "digit"
    return "letter" if c.isalpha() or unicodedata.category(c).startswith("M") else "symbol"


CUT, GLUED, JOINED, CLEAN = range(4)


def edge(text: str, at: int) -> int:
    """How well a span can begin or end before character AT of TEXT.

    CUT: inside a word or a number, no span has its edge there. GLUED: between words that lack a blank ("aspirin100mg",
    "CP28016", "PérezCalle"). JOINED: beside a hyphen, slash or apostrophe with a word behind it. CLEAN: anywhere else.
    """
    if at in (0, len(text)):
        return CLEAN
    before, after = text[at - 1], text[at]
    if unicodedata.category(after).startswith("M"):
        return CUT
    kinds = kind(before), kind(after)
    if kinds == ("letter", "letter"):
        glued = before.islower() and after.isupper() and _run(text, at, -1) >= 4 and _run(text, at, 1) >= 3
        return GLUED if glued else CUT
    if kinds == ("letter", "digit"):
        n_letters, n_digits = _run(text, at, -1), _run(text, at, 1)
        times = n_letters == 1 and before in "xX"  # x|2/7, but not B|12
        return GLUED if n_letters >= 4 or n_digits >= 3 or times else CUT
    if kinds == ("digit", "letter"):
        return GLUED
    if kinds == ("digit", "digit") or _inside_number(text, at):
        return CUT
    joins = (before in "-/'’" and at > 1 and text[at - 2].isalnum()) or (
        after in "-/'’" and text[at + 1 : at + 2].isalnum()
    )
    return JOINED if joins else CLEAN


def _inside_number(text: str, at: int) -> bool:
    """Whether AT is beside the point or comma of a number such as 2.5 or 5,000."""
    mark = at if text[at] in ".," else at - 1
    return text[mark] in ".," and text[mark - 1 : mark].isdigit() and text[mark + 1 : mark + 2].isdigit()


def _run(text: str, at: int, step: int) -> int:
    """How many characters of one kind stand before (STEP -1) or after (1) AT; counting stops at 4."""
    i = at if step == 1 else at - 1
    first, n = kind(text[i]), 0
    while 0 <= i < len(text) and n < 4 and kind(text[i]) == first:
        i, n = i + step, n + 1
    return n
