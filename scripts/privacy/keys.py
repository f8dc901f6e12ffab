"""Direct identifiers as they are searched for: in plain spelling, without anything between letters and digits."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from .dates import MonthNames, dates_in
from .normalize import squeeze, tokenize, weight

Kind = Literal["name", "number", "address", "birth"]

# Hard identifiers of the patient stay leaks even where the control notes hold them too.
HARD = ("number", "address")
MIN_LENGTH = 5  # in letters and digits (`weight`); shorter identifiers occur by chance and cannot be searched for
MIN_DIGITS = 6  # of a number without its letters ("HN 4821-0093" as 48210093)
MIN_PART = 4  # letters of a given name or surname by itself


@dataclass(frozen=True)
class Identifiers:
    """What to search for. `keys` maps plain spellings without separators to their kind.

    `own` holds the keys that the record system or the index names as a patient's; the rest may be a ward's telephone.
    `parts` holds single given names and surnames. `n_values` and `n_unsearchable` count different values by kind; what
    cannot be searched for is too short, or no direct identifier by itself (a given name, a town).
    """

    keys: Mapping[str, Kind]
    own: frozenset[str]
    births: frozenset[date]
    parts: frozenset[str]
    n_values: Mapping[str, int]
    n_unsearchable: Mapping[str, int]


class Collector:
    """Gathers values of any kind into Identifiers."""

    def __init__(self, months: MonthNames):
        self.months = months
        self.keys: dict[str, Kind] = {}
        self.own: set[str] = set()
        self.births: set[date] = set()
        self.parts: set[str] = set()
        self.searchable: set[tuple[Kind, str]] = set()
        self.unsearchable: set[tuple[Kind, str]] = set()

    def add(self, kind: Kind, value: str, own: bool = False, with_parts: bool = True) -> None:
        """Take VALUE in; OWN if the record system names it as a patient's; a name WITH_PARTS, or only as a whole."""
        if kind == "birth":
            days = dates_in(value, self.months)
            self.births |= days
            keys = set(map(str, days))
        else:
            keys = keys_of(kind, value)
            self.keys |= {key: self.keys.get(key, kind) for key in keys}
            self.own |= keys if own else set()
        if kind == "name" and with_parts:
            self.parts |= {t.text for t in tokenize(value) if len(t.text) >= MIN_PART and t.text.isalpha()}
        (self.searchable if keys else self.unsearchable).add((kind, squeeze(value)))

    def finish(self) -> Identifiers:
        """All that was taken in."""
        own, births, parts = frozenset(self.own), frozenset(self.births), frozenset(self.parts)
        n_values, n_unsearchable = (
            Counter(kind for kind, _ in values) for values in (self.searchable, self.unsearchable)
        )
        return Identifiers(self.keys, own, births, parts, n_values, n_unsearchable)


def keys_of(kind: Kind, value: str) -> set[str]:
    """The searchable spellings of VALUE; empty if it is too short or no direct identifier of its kind."""
    words = [t.text for t in tokenize(value)]
    spelled = "".join(words)
    if kind == "name":
        # A full name has two parts that are more than initials; "Halloran, Margaret" is a rotation of it. Where
        # no spaces are written it is one word, of two characters at least.
        words = _name_words(value)
        parts = [w for w in words if len(w) > 1]
        is_unspaced = any(t.is_character for t in tokenize(value))
        if len(parts) < (1 if is_unspaced else 2) or weight(spelled) < MIN_LENGTH:
            return set()
        return {"".join(form[i:] + form[:i]) for form in (words, parts) for i in range(len(form))}
    if kind == "address":
        # Town names alone are no direct identifier; a street with its number is one, in the whole and by itself.
        return {squeeze(part) for part in [value, *re.split(r"[,;\n]", value)] if _is_street(part)}
    digits = "".join(w for w in words if w.isdigit())
    if not digits and "@" not in value:
        return set()
    keys = {spelled, digits} if len(digits) >= MIN_DIGITS and "@" not in value else {spelled}
    return {key for key in keys if weight(key) >= MIN_LENGTH}


def _name_words(value: str) -> list[str]:
    """The words of a name; characters of a script without spaces are a word as far as they stand together."""
    words: list[str] = []
    for token in tokenize(value):
        if words and token.is_character and not token.gap:
            words[-1] += token.text
        else:
            words.append(token.text)
    return words


def _is_street(part: str) -> bool:
    tokens = tokenize(part)
    # Two words, or as many characters of a script without spaces as tell as much.
    n_words = sum((t.is_character or len(t.text) > 1) and t.text.isalpha() for t in tokens)
    return n_words >= 2 and any(t.text.isdigit() for t in tokens) and weight(squeeze(part)) >= 8
