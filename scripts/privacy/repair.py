"""Repair: identifiers that checks have marked in synthetic notes, replaced by invented ones of their kind and form."""

import random
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from scripts.notes import surrogates
from scripts.notes.note import Note, Span

from .check import Evidence
from .collect import IdentifierPolicy
from .keys import Kind
from .marks import join_marks
from .normalize import plain, squeeze, tokenize
from .search import Finder

if TYPE_CHECKING:
    from faker import Faker

KINDS: Mapping[Kind, surrogates.Kind] = {"name": "name", "number": "number", "address": "street", "birth": "date"}
N_DRAWS = 20  # surrogates of one identifier that may be somebody's before its note is given up
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Replacement:
    """Mends notes with surrogates from Faker's lists for LOCALE, none of which the private, holdout or gold notes have.

    Whose identifiers these notes hold is told by IDENTIFIERS, as for G1: a surrogate is not one of them, mistyped
    neither, nor has it a part of a name that is in no public list.
    """

    identifiers: IdentifierPolicy
    locale: str

    def __call__(self, evidence: Evidence, marks: Mapping[str, Sequence[Span]]) -> dict[str, Note]:
        """The synthetic notes of EVIDENCE that MARKS names by id, mended; those that cannot be are left out."""
        if not marks:
            return {}
        fake = surrogates.new_faker(self.locale, "gate")
        known = self.identifiers.collect([*evidence.private, *evidence.holdout, *evidence.gold])
        theirs = Theirs(Finder(known, self.identifiers.month_names), known.parts - self.identifiers.public_parts())
        mended = {}
        for note in evidence.synthetic:
            if note.id in marks:
                # Each note by itself: what becomes of one does not depend on the others.
                rng = random.Random(f"repair {evidence.seed} {note.id}")
                fake.seed_instance(rng.getrandbits(32))
                other = mend(note, join_marks(marks[note.id]), Draw(theirs, fake, rng))
                mended |= {note.id: other} if other else {}
        return mended


@dataclass(frozen=True)
class Theirs:
    """What is somebody's: what FINDER finds, and the rare PARTS of names."""

    finder: Finder
    parts: frozenset[str]

    def hold(self, text: str) -> bool:
        """Whether TEXT is, or has, an identifier of somebody."""
        tokens = tokenize(text)
        return bool(self.finder.find(tokens)) or any(token.text in self.parts for token in tokens)


class Draw:
    """The surrogates of one note: the same identifier, and the same word of a name, becomes the same one throughout."""

    def __init__(self, theirs: Theirs, fake: "Faker", rng: random.Random):
        self._theirs, self._fake, self._rng = theirs, fake, rng
        self._made: dict[tuple[Kind, str], str | None] = {}
        self._words: dict[str, str] = {}

    def __call__(self, kind: Kind, mention: str) -> str | None:
        """A surrogate for MENTION; None where none was found that is nobody's."""
        mention = _visible(mention)
        words = _WORD.findall(mention)
        if kind == "name" and words and all(plain(word) in self._words for word in words):
            return _WORD.sub(lambda match: self._word(match.group()), mention)
        key = kind, squeeze(mention)
        if key not in self._made:
            self._made[key] = made = self._draw(kind, mention)
            others = _WORD.findall(made or "")
            if kind == "name" and len(others) == len(words):
                self._words = dict(zip(map(plain, words), others, strict=True)) | self._words
        return self._made[key]

    def _word(self, word: str) -> str:
        other = self._words[plain(word)]
        is_plain = other.islower() or other.isupper()
        return surrogates.like(other.capitalize() if is_plain else other, word)

    def _draw(self, kind: Kind, mention: str) -> str | None:
        for _ in range(N_DRAWS):
            made = surrogates.surrogate(_kind_of(kind, mention), mention, self._fake, self._rng)
            if squeeze(made) != squeeze(mention) and not self._theirs.hold(made):
                return made
        return None


def mend(note: Note, marks: Sequence[Span], draw: Draw) -> Note | None:
    """NOTE with a surrogate in the place of each of MARKS, which do not overlap, and its labels moved along.

    A label that ends inside a mark covers all of the surrogate. None where a surrogate is lacking, or where two labels
    would then overlap.
    """
    # Whole names first: parts of theirs are then known.
    order = sorted(marks, key=lambda mark: mark.start - mark.end)
    made = {mark: draw(mark.label, note.mention(mark)) for mark in order}
    if None in made.values():
        return None
    pieces, end = [], 0
    for mark in sorted(marks):
        pieces += [note.text[end : mark.start], made[mark]]
        end = mark.end
    spans = note.spans and tuple(
        Span(_moved(span.start, made, False), _moved(span.end, made, True), span.label) for span in sorted(note.spans)
    )
    if any(first.end > second.start for first, second in pairwise(spans or ())):
        return None
    return replace(note, text="".join(pieces) + note.text[end:], spans=spans, identifiers=())


def _moved(at: int, made: Mapping[Span, str], is_end: bool) -> int:
    """Where the character AT stands once all of MADE are in the place of their marks."""
    shift = sum(len(text) - (mark.end - mark.start) for mark, text in made.items() if mark.end <= at)
    for mark, text in made.items():
        if mark.start < at < mark.end:
            return mark.start + shift + (len(text) if is_end else 0)
    return at + shift


def _kind_of(kind: Kind, mention: str) -> surrogates.Kind:
    if "@" in mention:
        return "email"
    # 19510312 with another year at its end would be another day of the same year.
    return "number" if mention.isdigit() else KINDS[kind]


def _visible(text: str) -> str:
    """TEXT composed, without characters that nobody sees, which would part a word in two."""
    return "".join(c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c) != "Cf")
