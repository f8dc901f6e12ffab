"""Fresh identifiers in the place of labelled ones, so that a generator never sees whom a note is about."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import spacy

from scripts.generators.slots import read_lists
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
    spans are kept, on the surrogates. Places are those that the YAML file LISTS has for their label, if it has some:
    Faker knows too few in many languages (of Spain, the provinces).
    """

    locale: str
    labels: Mapping[str, Kind]
    copies: int = 1
    lists: Path | None = None

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
        labels = [label for label, kind in self.labels.items() if kind == "place"]
        places = read_lists(self.lists, labels) if self.lists else {}
        for _ in range(self.copies):
            for note in notes:
                yield self._replace(note, fake, rng, places)

    def _replace(self, note: Note, fake: "Faker", rng: random.Random, places: Mapping[str, Sequence[str]]) -> Note:
        made: dict[tuple[str, str], str] = {}
        taken = {w for s in note.spans or () if s.label in self.labels for w in words_in(note.mention(s))}
        others: dict[Span, str] = {}
        for span in sorted(note.spans or ()):
            kind, mention = self.labels.get(span.label), note.mention(span)
            if kind is None:
                continue
            if (kind, mention) not in made:
                made[kind, mention] = surrogate(kind, mention, fake, rng, taken, places.get(span.label, ()))
            others[span] = made[kind, mention]
        return with_mentions(note, others)


@spacy.registry.misc("clinical.surrogates.v1")
def make_surrogates(locale: str, labels: dict[str, str], copies: int = 1, lists: str | None = None) -> Surrogates:
    """Surrogates for the mentions of LABELS: name, relative, street, place, number, email or date.

    LOCALE: es_ES, sv_SE, ...; LISTS: a YAML file of places by label (assets/lists/es.yml), in place of Faker's.
    """
    return Surrogates(locale, labels, copies, Path(lists) if lists else None)
