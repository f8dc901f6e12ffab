"""Fresh identifiers in the place of labelled ones, so that a generator never sees whom a note is about."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import spacy

from scripts.notes.note import Note

if TYPE_CHECKING:
    from faker import Faker

Kind = Literal["name", "street", "place", "number", "email", "date"]
_DAY = re.compile(r"(\d{1,2})(\D)(\d{1,2})(\D)(\d{2,4})")


@dataclass(frozen=True)
class Surrogates:
    """Replaces the mentions of LABELS (label to kind) by others of the same kind and format (Faker, LOCALE).

    The same mention becomes the same surrogate throughout a note. COPIES of each note are made, each with surrogates of
    its own: what stays the same in all of them is what there is to learn. Notes without labels stay as they are.
    """

    locale: str
    labels: Mapping[str, Kind]
    copies: int = 1

    def __post_init__(self):
        for label, kind in self.labels.items():
            if kind not in get_args(Kind):
                raise ValueError(f"[surrogates]: {label} is of kind '{kind}'; kinds are {', '.join(get_args(Kind))}")

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]:
        """COPIES of each of NOTES with surrogates, without spans."""
        from faker import Faker

        fake = Faker(self.locale)
        fake.seed_instance(seed)
        rng = random.Random(seed)
        for _ in range(self.copies):
            for note in notes:
                yield self._replace(note, fake, rng)

    def _replace(self, note: Note, fake: "Faker", rng: random.Random) -> Note:
        made: dict[tuple[str, str], str] = {}
        pieces, end = [], 0
        for span in sorted(note.spans or ()):
            kind, mention = self.labels.get(span.label), note.mention(span)
            if kind is None:
                continue
            if (kind, mention) not in made:
                made[kind, mention] = surrogate(kind, mention, fake, rng)
            pieces += [note.text[end : span.start], made[kind, mention]]
            end = span.end
        return Note(note.id, "".join(pieces) + note.text[end:], None, note.meta)


@spacy.registry.misc("clinical.surrogates.v1")
def make_surrogates(locale: str, labels: dict[str, str], copies: int = 1) -> Surrogates:
    """Surrogates for the mentions of LABELS: name, street, place, number, email or date. LOCALE: es_ES, sv_SE, ..."""
    return Surrogates(locale, labels, copies)


def surrogate(kind: Kind, mention: str, fake: "Faker", rng: random.Random) -> str:
    """Another MENTION of the same KIND, with its separators, digit groups and upper case."""
    if kind == "email":
        return fake.ascii_free_email()
    if kind == "date":
        return _DAY.sub(lambda m: _other_day(m, rng), mention)
    if kind == "name":
        given = {name.lower() for name in _given_names(fake)}
        first = next(iter(re.findall(r"[^\W\d_]+", mention)), "")
        draw = iter([fake.first_name] if first.lower() in given else [])
        return _other_words(mention, lambda: next(draw, fake.last_name)())
    mention = re.sub(r"\d", lambda _: str(rng.randrange(10)), mention)
    if kind == "place":
        return mention if re.search(r"\d", mention) else _like(fake.city(), mention)
    if kind == "street":
        head, space, tail = mention.partition(" ")  # Calle, Avenida, c/
        return head + space + _other_words(tail, fake.last_name)
    return mention


def _other_words(text: str, draw) -> str:
    """TEXT with every capitalised word drawn anew; particles, initials and separators stay."""

    def other(match: re.Match) -> str:
        word = match.group()
        return _like(draw(), word) if word[0].isupper() and len(word) > 1 else word

    return re.sub(r"[^\W\d_]+", other, text)


def _like(word: str, model: str) -> str:
    return word.upper() if len(model) > 1 and model.isupper() else word


def _other_day(match: re.Match, rng: random.Random) -> str:
    """A date up to five years away that is written as MATCH is; the first two numbers stay a day and a month."""
    day, one, month, two, year = match.groups()
    first, second = rng.randint(1, 28), rng.randint(1, 12)
    if int(day) <= 12 < int(month):
        first, second = second, first
    number = int(year) + rng.randint(-5, 5)
    return f"{first:0{len(day)}}{one}{second:0{len(month)}}{two}{number % 10 ** len(year):0{len(year)}}"


def _given_names(fake: "Faker") -> Sequence[str]:
    provider = next(p for p in fake.get_providers() if hasattr(p, "first_names"))
    return tuple(provider.first_names)
