"""Fresh identifiers in the place of labelled ones, so that a generator never sees whom a note is about."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import spacy

from scripts.notes.note import Note, Span
from scripts.notes.rewrite import with_mentions
from scripts.notes.surrogates import Kind, new_faker, surrogate, words_in

if TYPE_CHECKING:
    from faker import Faker


@dataclass(frozen=True)
class Surrogates:
    """Replaces the mentions of LABELS (label to kind) by others of the same kind and format (Faker, LOCALE).

    The same mention becomes the same surrogate throughout a note. COPIES of each note are made, each with surrogates of
    its own: what stays the same in all of them is what there is to learn. Notes without labels stay as they are. All
    spans are kept, on the surrogates.
    """

    locale: str
    labels: Mapping[str, Kind]
    copies: int = 1

    def __post_init__(self):
        for label, kind in self.labels.items():
            if kind not in get_args(Kind):
                raise ValueError(f"[surrogates]: {label} is of kind '{kind}'; kinds are {', '.join(get_args(Kind))}")

    @property
    def replaces(self) -> tuple[str, ...]:
        """The labels of personal data that no note has afterwards but on surrogates."""
        return tuple(self.labels)

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]:
        """COPIES of each of NOTES with surrogates."""
        fake = new_faker(self.locale, "generator.stages")
        fake.seed_instance(seed)
        rng = random.Random(seed)
        for _ in range(self.copies):
            for note in notes:
                yield self._replace(note, fake, rng)

    def _replace(self, note: Note, fake: "Faker", rng: random.Random) -> Note:
        made: dict[tuple[str, str], str] = {}
        taken = {w for s in note.spans or () if s.label in self.labels for w in words_in(note.mention(s))}
        others: dict[Span, str] = {}
        for span in sorted(note.spans or ()):
            kind, mention = self.labels.get(span.label), note.mention(span)
            if kind is None:
                continue
            if (kind, mention) not in made:
                made[kind, mention] = surrogate(kind, mention, fake, rng, taken)
            others[span] = made[kind, mention]
        return with_mentions(note, others)


@spacy.registry.misc("clinical.surrogates.v1")
def make_surrogates(locale: str, labels: dict[str, str], copies: int = 1) -> Surrogates:
    """Surrogates for the mentions of LABELS: name, relative, street, place, number, email or date.

    LOCALE: es_ES, sv_SE, ...
    """
    return Surrogates(locale, labels, copies)
