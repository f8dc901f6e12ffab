"""The direct identifiers of a set of notes: from their meta, a patient index, human labels and patterns in the text."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, get_args

import spacy

from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.notes.step import load_config

from .dates import MonthNames, dates_in, find_dates
from .normalize import plain, squeeze, tokenize

Kind = Literal["name", "number", "address", "birth"]

# Hard identifiers of the patient stay leaks even where the control notes hold them too.
HARD = ("number", "address")
MIN_LENGTH = 5  # letters and digits; shorter identifiers occur by chance and cannot be searched for
MIN_DIGITS = 6  # of a number without its letters ("HN 4821-0093" as 48210093)
PHONE_DIGITS = 9  # a phone number without its country's prefix
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_LONG_NUMBER = re.compile(r"(?<![\w.,])\d{7,}(?!\w)")
_PHONE = re.compile(r"(?<![\w/])(?:\+|\()?\d(?:[ .()-]{0,2}\d){8,}(?![\w/])")


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


@dataclass(frozen=True)
class IdentifierPolicy:
    """Where direct identifiers stand: meta keys, index columns and labels, each with its kind; how dates are written.

    A kind is name, number (record, telephone, e-mail), address or birth. `index` is a CSV with a column `patient` and
    columns named as the meta keys. `birth_cues` are the words before a birth date in a text.
    """

    meta: Mapping[str, str]
    labels: Mapping[str, str]
    months: tuple[str, ...]
    birth_cues: tuple[str, ...] = ()
    index: Path | None = None
    public_names: Path | None = None
    month_names: MonthNames = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        for name, kind in [*self.meta.items(), *self.labels.items()]:
            if kind not in get_args(Kind):
                raise ValueError(f"[identifiers]: {name} is of kind '{kind}'; kinds are {', '.join(get_args(Kind))}")
        object.__setattr__(self, "month_names", MonthNames(self.months))

    def collect(self, notes: Iterable[Note], with_labels: bool = True) -> Identifiers:
        """The direct identifiers of NOTES; WITH_LABELS false leaves the human labels out, to measure what is missed."""
        notes = list(notes)
        found = _Collector(self.month_names)
        for kind, value in self._known_values(notes):
            found.add(kind, value, own=True)
        for note in notes:
            if with_labels:
                for kind, value in self.labelled(note):
                    found.add(kind, value)
            for kind, value in self._by_pattern(note.text):
                found.add(kind, value)
        return found.finish()

    def labelled(self, note: Note) -> Iterator[tuple[Kind, str]]:
        """The identifiers that human labels mark in NOTE."""
        for span in note.spans or ():
            if span.label in self.labels:
                yield self.labels[span.label], note.mention(span)

    def public_keys(self) -> set[str]:
        """The names in `public_names`, one a line, that prove nothing when they are found."""
        if self.public_names is None:
            return set()
        if not self.public_names.is_file():
            raise UserError(
                f"{self.public_names} does not exist", "Mend 'public_names' in the policy, or set it to null"
            )
        lines = self.public_names.read_text(encoding="utf8").splitlines()
        return {key for line in lines for key in keys_of("name", line)}

    def _known_values(self, notes: list[Note]) -> Iterator[tuple[Kind, str]]:
        for note in notes:
            for key, kind in self.meta.items():
                if note.meta.get(key) not in (None, ""):
                    yield kind, str(note.meta[key])
        patients = {note.patient for note in notes}
        for row in self._index_rows():
            if row["patient"] in patients:
                yield from ((self.meta[k], v) for k, v in row.items() if k in self.meta and v)

    def _index_rows(self) -> Iterator[dict[str, str]]:
        if self.index is None:
            return
        if not self.index.is_file():
            raise UserError(f"{self.index} does not exist", "Mend 'index' in the policy, or set it to null")
        with self.index.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = set(rows.fieldnames or ())
            unknown = sorted(c or "" for c in columns - set(self.meta) - {"patient"})
            if "patient" not in columns or unknown:
                raise UserError(
                    f"{self.index}: no column 'patient', or columns of no known kind ({', '.join(unknown)})",
                    "Name each column's kind under [identifiers.meta] of the policy",
                )
            yield from rows

    def _by_pattern(self, text: str) -> Iterator[tuple[Kind, str]]:
        yield from (("number", match) for match in _EMAIL.findall(text))
        for match in [*_LONG_NUMBER.findall(text), *(m.group() for m in _PHONE.finditer(text))]:
            if not dates_in(match, self.month_names):
                yield "number", match
        spelled = plain(text)
        for cue in self.birth_cues:
            for match in re.finditer(rf"\b{re.escape(plain(cue))}\b", spelled):
                # The first date within a few words of the cue.
                near = tokenize(spelled[match.end() : match.end() + 40])
                for first, last, _ in find_dates(near, self.month_names):
                    if first <= 3:
                        yield "birth", " ".join(t.text for t in near[first : last + 1])
                    break


def load_identifier_policy(path: Path) -> IdentifierPolicy:
    """The [identifiers] block of the gate's policy at PATH."""
    config = load_config(path)
    try:
        return spacy.registry.resolve({"identifiers": config["identifiers"]})["identifiers"]
    except (KeyError, ValueError) as e:
        raise UserError(f"{path}: {type(e).__name__}: {e}", "Compare it with configs/audit_small.cfg") from None


class _Collector:
    def __init__(self, months: MonthNames):
        self.months = months
        self.keys: dict[str, Kind] = {}
        self.own: set[str] = set()
        self.births: set[date] = set()
        self.parts: set[str] = set()
        self.searchable: set[tuple[Kind, str]] = set()
        self.unsearchable: set[tuple[Kind, str]] = set()

    def add(self, kind: Kind, value: str, own: bool = False) -> None:
        if kind == "birth":
            days = dates_in(value, self.months)
            self.births |= days
            keys = set(map(str, days))
        else:
            keys = keys_of(kind, value)
            self.keys |= {key: self.keys.get(key, kind) for key in keys}
            self.own |= keys if own else set()
        if kind == "name":
            self.parts |= {t.text for t in tokenize(value) if len(t.text) >= 4 and t.text.isalpha()}
        (self.searchable if keys else self.unsearchable).add((kind, squeeze(value)))

    def finish(self) -> Identifiers:
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
        # A full name has two parts that are more than initials; "Halloran, Margaret" is a rotation of it.
        parts = [w for w in words if len(w) > 1]
        if len(parts) < 2 or len(spelled) < MIN_LENGTH:
            return set()
        return {"".join(form[i:] + form[:i]) for form in (words, parts) for i in range(len(form))}
    if kind == "address":
        # Town names alone are no direct identifier; a street with its number is one, in the whole and by itself.
        return {squeeze(part) for part in [value, *re.split(r"[,;\n]", value)] if _is_street(part)}
    digits = "".join(w for w in words if w.isdigit())
    if not digits and "@" not in value:
        return set()
    keys = {spelled, digits} if len(digits) >= MIN_DIGITS and "@" not in value else {spelled}
    if len(digits) > PHONE_DIGITS and "@" not in value:
        keys.add(digits[-PHONE_DIGITS:])
    return {key for key in keys if len(key) >= MIN_LENGTH}


def _is_street(part: str) -> bool:
    words = [t.text for t in tokenize(part)]
    n_words = sum(w.isalpha() and len(w) > 1 for w in words)
    return n_words >= 2 and any(w.isdigit() for w in words) and len("".join(words)) >= 8


@spacy.registry.misc("clinical.identifiers.v1")
def make_identifier_policy(
    meta: dict[str, str],
    labels: dict[str, str],
    months: list[str],
    birth_cues: list[str],
    index: Path | None = None,
    public_names: Path | None = None,
) -> IdentifierPolicy:
    """Where the direct identifiers of the private notes stand."""
    return IdentifierPolicy(meta, labels, tuple(months), tuple(birth_cues), index, public_names)
