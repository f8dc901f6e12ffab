"""An invented identifier in the place of another one: of the same kind, written in the same form."""

import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from string import ascii_letters, ascii_lowercase
from typing import TYPE_CHECKING, Literal

from .errors import UserError

if TYPE_CHECKING:
    from faker import Faker

Kind = Literal["name", "relative", "street", "place", "number", "email", "date"]
_WORD = re.compile(r"[^\W\d_]+")
_DAY = re.compile(r"(?<!\d)(\d{1,2})(\D)(\d{1,2})(\D)(\d{4}|\d{2})(?!\d)")
_ISO_DAY = re.compile(r"(?<!\d)(\d{4})(\D)(\d{1,2})(\D)(\d{1,2})(?!\d)")


def new_faker(locale: str, where: str) -> "Faker":
    """Faker's lists for LOCALE (es_ES, sv_SE, ...); a UserError that names WHERE it is set if there are none."""
    from faker import Faker

    try:
        return Faker(locale)
    except AttributeError:
        raise UserError(f"Faker has no locale '{locale}'", f"Mend 'locale' under [{where}]") from None


def surrogate(
    kind: Kind,
    mention: str,
    fake: "Faker",
    rng: random.Random,
    taken: Iterable[str] = (),
    places: Sequence[str] = (),
) -> str:
    """Another MENTION of the same KIND and form (separators, digits, case); no word of it or of TAKEN is drawn.

    Of a relative only names are replaced: "Ann" in "her sister Ann". A place is one of PLACES, if there are any.
    """
    mention = unicodedata.normalize("NFC", mention)
    taken = {*taken, *words_in(mention)}
    if kind == "email":
        return _other_address(_other_digits(mention, rng), fake, rng, taken)
    if kind == "date":
        return _other_date(mention, rng)
    if kind == "name":
        first = next(iter(_WORD.findall(mention)), "")
        sources = [fake.first_name] if first.casefold() in _listed("first_names", fake) else []
        return _other_words(mention, chain(sources, repeat(fake.last_name)), taken)
    if kind == "relative":
        return _other_names(mention, fake, taken)
    mention = _other_digits(mention, rng)
    if kind == "place":
        if re.search(r"\d", mention):
            return mention
        if not places:
            return like(_draw(fake.city, taken), mention)
        long = {word for word in taken if len(word) > 3}  # "de" and "San" are in too many names
        return like(_draw(lambda: rng.choice(places), long), mention)
    if kind == "street":
        head, space, tail = mention.partition(" ")
        if not _is_street_type(head, fake):
            head, space, tail = "", "", mention
        return head + space + _other_words(tail, repeat(fake.last_name), taken)
    return mention


def _other_names(text: str, fake: "Faker", taken: set[str]) -> str:
    """TEXT with other names: the capitalised words but for one that only begins it ("Uncle on his mother's side")."""
    given, last = (_listed(names, fake) for names in ("first_names", "last_names"))

    def other(match: re.Match) -> str:
        word, after = match[0], text[match.end() :].lstrip(" -")
        is_name = match.start() > 0 or after[:1].isupper() or word.casefold() in given | last
        if len(word) == 1 or not (word[0].isupper() and is_name):
            return word
        return like(_draw(fake.first_name if word.casefold() in given else fake.last_name, taken), word)

    return _WORD.sub(other, text)


def _other_words(text: str, sources: Iterator[Callable[[], str]], taken: set[str]) -> str:
    """TEXT with every word drawn anew; initials, separators and, beside capitalised words, short particles stay."""
    has_capitals = any(len(word) > 1 and word[0].isupper() for word in _WORD.findall(text))

    def other(match: re.Match) -> str:
        word = match.group()
        if len(word) == 1 or (has_capitals and word.islower() and len(word) < 4):
            return word
        return like(_draw(next(sources), taken), word)

    return _WORD.sub(other, text)


def _other_address(text: str, fake: "Faker", rng: random.Random, taken: set[str]) -> str:
    """An e-mail address with the separators of TEXT; of a domain that not just anybody has, its end stays."""

    def other(match: re.Match) -> str:
        if len(match[0]) == 1:
            return rng.choice([c for c in ascii_lowercase if c != match[0].lower()])
        drawn = unicodedata.normalize("NFKD", _draw(fake.last_name, taken))
        letters = "".join(c for c in drawn if c in ascii_letters).lower()
        # Of a name in another script none is left.
        return like(letters or "".join(rng.choices(ascii_lowercase, k=len(match[0]))), match[0])

    local, at, domain = text.partition("@")
    if domain.lower() not in _open_domains(fake):
        host, dot, end = domain.rpartition(".")
        domain = _WORD.sub(other, host) + dot + end
    return _WORD.sub(other, local) + at + domain


def _open_domains(fake: "Faker") -> Sequence[str]:
    return next(p.free_email_domains for p in fake.get_providers() if hasattr(p, "free_email_domains"))


def _draw(source: Callable[[], str], taken: set[str]) -> str:
    """What SOURCE gives first without a word of TAKEN; after a hundred trials, anything."""
    for _ in range(100):
        drawn = source()
        if taken.isdisjoint(words_in(drawn)):
            break
    return drawn


def words_in(text: str) -> set[str]:
    """The words of TEXT, composed (NFC) and without case."""
    return {word.casefold() for word in _WORD.findall(unicodedata.normalize("NFC", text))}


def like(word: str, model: str) -> str:
    """WORD in the case of MODEL; where that is neither all small nor all capital, as it is."""
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


def _listed(names: str, fake: "Faker") -> set[str]:
    """Faker's list of NAMES (first_names, last_names), without case; some locales have none."""
    lists = (getattr(provider, names) for provider in fake.get_providers() if hasattr(provider, names))
    return {name.casefold() for name in next(lists, ())}
