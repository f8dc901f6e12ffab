"""The direct identifiers of a set of notes: from their meta, a patient index, human labels and patterns in the text."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import get_args

import spacy

from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.notes.step import load_config

from .capitals import capitalised_names, ordinary_words
from .dates import MonthNames, dates_in, find_dates
from .formats import NumberFormat, find_numbers, read_formats
from .keys import Collector, Identifiers, Kind, keys_of
from .normalize import plain, tokenize

RELATIVE = "relative"
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_LONG_NUMBER = re.compile(r"(?<![\w.,])\d{7,}(?!\w)")
_PHONE = re.compile(r"(?<![\w/])(?:\+|\()?\d(?:[ .()-]{0,2}\d){8,}(?![\w/])")


@spacy.registry.misc("clinical.identifiers.v1")
@dataclass(frozen=True)
class IdentifierPolicy:
    """Where direct identifiers stand: meta keys, index columns and labels, each with its kind; how dates are written.

    A kind is name, number (record, telephone, e-mail), address or birth; that of a label may be relative, whose mention
    may hold a name of several words. `formats` are files of national number formats
    (configs/identifiers), which are found in the text by shape and check digits. Nothing is proved by the full names in
    the file `public_names`, nor by single given names and surnames that are common in one of `public_locales`.
    `index` is a CSV with a column `patient` and columns named as the meta keys. `birth_cues` are the words before a
    birth date, `number_cues` those before a number that is too short to be taken for an identifier by itself. With
    `capitals`, a note whose names neither meta nor index nor labels tell has those that its capital letters show.
    """

    meta: Mapping[str, str]
    labels: Mapping[str, str]
    months: list[str]
    birth_cues: list[str]
    number_cues: list[str]
    index: str | None = None
    public_names: str | None = None
    public_locales: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    capitals: bool = False
    month_names: MonthNames = field(init=False, repr=False, compare=False)
    number_formats: list[NumberFormat] = field(init=False, repr=False, compare=False)
    cued_number: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        for name, kind in [*self.meta.items(), *self.labels.items()]:
            if kind not in get_args(Kind) and (kind != RELATIVE or name in self.meta):
                raise ValueError(f"[identifiers]: {name} is of kind '{kind}'; kinds are {', '.join(get_args(Kind))}")
        object.__setattr__(self, "month_names", MonthNames(self.months))
        object.__setattr__(self, "number_formats", [f for path in self.formats for f in read_formats(Path(path))])
        object.__setattr__(self, "cued_number", cued_number(self.number_cues))

    def collect(self, notes: Iterable[Note], with_labels: bool = True) -> Identifiers:
        """The direct identifiers of NOTES; WITH_LABELS false leaves the human labels out, to measure what is missed."""
        notes = list(notes)
        found = Collector(self.month_names)
        indexed = self._of_index({note.patient for note in notes})
        ordinary = ordinary_words(note.text for note in notes) if self.capitals else set()
        for note in notes:
            of_record = [*self._of_meta(note), *indexed.get(note.patient, ())]
            labelled = list(self.labelled(note)) if with_labels else []
            for kind, value in of_record:
                found.add(kind, value, own=True)
            for kind, value in [*labelled, *self._by_pattern(note.text)]:
                found.add(kind, value)
            if self.capitals and not any(kind == "name" for kind, _ in [*of_record, *labelled]):
                for name in capitalised_names(note.text, ordinary):
                    found.add("name", name, with_parts=False)
        return found.finish()

    def labelled(self, note: Note) -> Iterator[tuple[Kind, str]]:
        """The identifiers that human labels mark in NOTE: those of its task, and those that `prepare` set aside."""
        for span in sorted({*(note.spans or ()), *note.identifiers}):
            kind = self.labels.get(span.label)
            if kind == RELATIVE:
                yield from (("name", name) for name in capitalised_names(note.mention(span), set()))
            elif kind:
                yield kind, note.mention(span)

    def public_keys(self) -> set[str]:
        """The full names in `public_names`, one a line, that prove nothing when they are found."""
        return {key for line in self._public_lines() for key in keys_of("name", line)}

    def public_parts(self) -> set[str]:
        """Given names and surnames that many people have: those of `public_names` and of Faker's `public_locales`."""
        parts = {token.text for name in self._public_lines() for token in tokenize(name)}
        return parts.union(*map(common_parts, self.public_locales))

    def _public_lines(self) -> list[str]:
        if self.public_names is None:
            return []
        names = Path(self.public_names)
        if not names.is_file():
            raise UserError(
                f"{self.public_names} does not exist", "Mend 'public_names' in the policy, or set it to null"
            )
        return names.read_text(encoding="utf8").splitlines()

    def _of_meta(self, note: Note) -> Iterator[tuple[Kind, str]]:
        for key, kind in self.meta.items():
            if note.meta.get(key) not in (None, ""):
                yield kind, str(note.meta[key])

    def _of_index(self, patients: set[str]) -> dict[str, list[tuple[Kind, str]]]:
        """What the index says of PATIENTS."""
        known: dict[str, list[tuple[Kind, str]]] = defaultdict(list)
        for row in self._index_rows():
            if row["patient"] in patients:
                known[row["patient"]] += [(self.meta[k], v) for k, v in row.items() if k in self.meta and v]
        return known

    def _index_rows(self) -> Iterator[dict[str, str]]:
        if self.index is None:
            return
        index = Path(self.index)
        if not index.is_file():
            raise UserError(f"{self.index} does not exist", "Mend 'index' in the policy, or set it to null")
        with index.open(encoding="utf-8-sig", newline="") as stream:
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
        yield from (("number", number) for number in find_numbers(text, self.number_formats))
        spelled = plain(text)
        for number in self.cued_number.findall(spelled):
            if not dates_in(number, self.month_names):
                yield "number", number
        for cue in self.birth_cues:
            for match in re.finditer(rf"\b{re.escape(plain(cue))}\b", spelled):
                # The first date within a few words of the cue.
                near = tokenize(spelled[match.end() : match.end() + 40])
                for first, last, _ in find_dates(near, self.month_names):
                    if first <= 3:
                        yield "birth", " ".join(t.text for t in near[first : last + 1])
                    break


def cued_number(cues: Iterable[str]) -> re.Pattern[str]:
    """Finds numbers of five digits or more in plain spelling, right after one of CUES.

    Letters may stand before the digits ("MRN: HN 48210"), and single separators between them; the match's group is the
    digits with these.
    """
    longest_first = sorted(map(plain, cues), key=len, reverse=True)
    cue = "|".join(map(re.escape, longest_first)) or "(?!)"
    return re.compile(rf"(?<!\w)(?:{cue})(?!\w)\D{{0,12}}(?<![\d.,])(\d(?:[ ./-]?\d){{4,}})(?!\w|[.,]\d)")


@cache
def common_parts(locale: str) -> frozenset[str]:
    """The words of Faker's given names and surnames of LOCALE (es_ES, sv_SE, ...) in plain spelling."""
    return frozenset(token.text for name in common_names(locale) for token in tokenize(name))


def common_names(locale: str) -> Iterator[str]:
    """Faker's given names and surnames of LOCALE (es_ES, sv_SE, ...)."""
    from faker import Faker

    try:
        providers = Faker(locale).get_providers()
    except AttributeError:
        raise UserError(f"Faker has no locale '{locale}'", "Mend 'public_locales' in the policy") from None
    for provider in providers:
        for kind in ("first_names", "first_names_male", "first_names_female", "last_names"):
            yield from getattr(provider, kind, ())


def load_identifier_policy(path: Path) -> IdentifierPolicy:
    """The [identifiers] block of the gate's policy at PATH."""
    config = load_config(path)
    try:
        return spacy.registry.resolve({"identifiers": config["identifiers"]})["identifiers"]
    except (KeyError, ValueError) as e:
        raise UserError(f"{path}: {type(e).__name__}: {e}", "Compare it with configs/audit_small.cfg") from None
