"""Fresh identifiers in the place of labelled ones, so that a generator never sees whom a note is about."""

import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Literal, get_args

import spacy

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.notes.rewrite import with_mentions

if TYPE_CHECKING:
    from faker import Faker

Kind = Literal["name", "street", "place", "number", "email", "date"]
_WORD = re.compile(r"[^\W\d_]+")
_DAY = re.compile(r"(?<!\d)(\d{1,2})(\D)(\d{1,2})(\D)(\d{4}|\d{2})(?!\d)")
_ISO_DAY = re.compile(r"(?<!\d)(\d{4})(\D)(\d{1,2})(\D)(\d{1,2})(?!\d)")


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
        from faker import Faker

        try:
            fake = Faker(self.locale)
        except AttributeError:
            raise UserError(f"Faker has no locale '{self.locale}'", "Mend 'locale' of clinical.surrogates.v1") from None
        fake.seed_instance(seed)
        rng = random.Random(seed)
        for _ in range(self.copies):
            for note in notes:
                yield self._replace(note, fake, rng)

    def _replace(self, note: Note, fake: "Faker", rng: random.Random) -> Note:
        made: dict[tuple[str, str], str] = {}
        taken = {w for s in note.spans or () if s.label in self.labels for w in _words(note.mention(s))}
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
    """Surrogates for the mentions of LABELS: name, street, place, number, email or date. LOCALE: es_ES, sv_SE, ..."""
    return Surrogates(locale, labels, copies)


def surrogate(kind: Kind, mention: str, fake: "Faker", rng: random.Random, taken: Iterable[str] = ()) -> str:
    """Another MENTION of the same KIND and form (separators, digits, case); no word of it or of TAKEN is drawn."""
    mention = unicodedata.normalize("NFC", mention)
    taken = {*taken, *_words(mention)}
    if kind == "email":
        return fake.ascii_free_email()
    if kind == "date":
        return _other_date(mention, rng)
    if kind == "name":
        given = {name.lower() for name in _given_names(fake)}
        first = next(iter(_WORD.findall(mention)), "")
        sources = [fake.first_name] if first.lower() in given else []
        return _other_words(mention, chain(sources, repeat(fake.last_name)), taken)
    mention = _other_digits(mention, rng)
    if kind == "place":
        return mention if re.search(r"\d", mention) else _like(_draw(fake.city, taken), mention)
    if kind == "street":
        head, space, tail = mention.partition(" ")
        if not _is_street_type(head, fake):
            head, space, tail = "", "", mention
        return head + space + _other_words(tail, repeat(fake.last_name), taken)
    return mention


def _other_words(text: str, sources: Iterator[Callable[[], str]], taken: set[str]) -> str:
    """TEXT with every word drawn anew; initials, separators and, beside capitalised words, short particles stay."""
    has_capitals = any(len(word) > 1 and word[0].isupper() for word in _WORD.findall(text))

    def other(match: re.Match) -> str:
        word = match.group()
        if len(word) == 1 or (has_capitals and word.islower() and len(word) < 4):
            return word
        return _like(_draw(next(sources), taken), word)

    return _WORD.sub(other, text)


def _draw(source: Callable[[], str], taken: set[str]) -> str:
    """What SOURCE gives first without a word of TAKEN; after a hundred trials, anything."""
    for _ in range(100):
        drawn = source()
        if taken.isdisjoint(_words(drawn)):
            break
    return drawn


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(unicodedata.normalize("NFC", text))}


def _like(word: str, model: str) -> str:
    if model.islower():
        return word.lower()
    return word.upper() if len(model) > 1 and model.isupper() else word


def _is_street_type(word: str, fake: "Faker") -> bool:
    """Whether WORD is no part of a street's name: Calle, Avda., c/ (languages that write it first)."""
    types = next((p.street_prefixes for p in fake.get_providers() if hasattr(p, "street_prefixes")), ())
    return word.endswith((".", "/")) or word.casefold() in {name.casefold() for name in types}


def _other_digits(text: str, rng: random.Random) -> str:
    other = text
    while other == text and re.search(r"\d", text):
        other = re.sub(r"\d", lambda _: str(rng.randrange(10)), text)
    return other


def _other_date(text: str, rng: random.Random) -> str:
    """A date up to five years away, written as TEXT is; words in it stay."""
    other = _ISO_DAY.sub(lambda m: _other_iso_day(m, rng), _DAY.sub(lambda m: _other_day(m, rng), text))
    return other if other != text else re.sub(r"\d+", lambda m: _other_number(m.group(), rng), text)


def _other_day(match: re.Match, rng: random.Random) -> str:
    """The first two numbers stay a day and a month, in their order."""
    day, one, month, two, year = match.groups()
    first, second = rng.randint(1, 28), rng.randint(1, 12)
    if int(day) <= 12 < int(month):
        first, second = second, first
    return f"{first:0{len(day)}}{one}{second:0{len(month)}}{two}{_other_year(year, rng)}"


def _other_iso_day(match: re.Match, rng: random.Random) -> str:
    year, one, month, two, day = match.groups()
    return f"{_other_year(year, rng)}{one}{rng.randint(1, 12):0{len(month)}}{two}{rng.randint(1, 28):0{len(day)}}"


def _other_year(year: str, rng: random.Random) -> str:
    number = int(year) + rng.choice((-5, -4, -3, -2, -1, 1, 2, 3, 4, 5))
    return f"{number % 10 ** len(year):0{len(year)}}"


def _other_number(number: str, rng: random.Random) -> str:
    """A year, or what can be a day as well as a month: of a date with words, or of a month and a year."""
    if len(number) > 2:
        return _other_year(number, rng)
    return f"{rng.choice([n for n in range(1, 13) if n != int(number)]):0{len(number)}}"


def _given_names(fake: "Faker") -> Sequence[str]:
    provider = next(p for p in fake.get_providers() if hasattr(p, "first_names"))
    return tuple(provider.first_names)
