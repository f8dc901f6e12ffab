"""Notes put together from the sections of others: a generator reads each section among other neighbours."""

import random
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import spacy

from scripts.notes.canaries import is_canary
from scripts.notes.note import Note, Span
from scripts.notes.rewrite import part_of

MIN_NOTES = 3  # that have a line in common before it is taken for a heading
MAX_WORDS = 6  # of a heading
MAX_SECTIONS = 2**24  # of a note
_LINE = re.compile(r"[^\r\n]+")
_BLANK = re.compile(r"\n[^\S\n]*\n\s*")
# What stands before a colon, or a line by itself; with a digit it is rather a result or a dose.
_HEADING = re.compile(r"\s*([^\W\d_][^\d:.;!?]{0,59}?)\s*(?::(?=\s|$)|[.:]?\s*$)")
# Kinds of paragraphs without a heading; no heading begins so.
BEGINNING, MIDDLE, END = "¶beginning", "¶middle", "¶end"

Group = tuple[Any, ...]


@dataclass(frozen=True)
class Section:
    """A part of a note: its KIND (a heading, or where a paragraph stands), its text and the white space after it."""

    kind: str
    body: Note
    gap: str


@dataclass(frozen=True)
class Sections:
    """COPIES of each note in which SHARE of the sections are those of the same kind in another note, drawn at random.

    Sections are cut at headings: lines, or their beginnings before a colon, that at least three notes have; a note with
    fewer than two is cut at blank lines. Sections come from notes of the same patient whose meta has the same values of
    the keys SAME. In SHUFFLE of the copies the sections between the first and the last change places.

    ACROSS_PATIENTS takes them from other patients' notes too, whose names, numbers and dates would then stand in one
    note: `Stages` demands surrogates before it, and refuses notes with identifiers that these do not replace. Notes
    without labels, in which nobody knows where identifiers stand, are mixed with the same patient's even then.

    Where each section stands is held, in 16 bytes; it is cut again when it is drawn.
    """

    copies: int = 1
    share: float = 0.5
    shuffle: float = 0.0
    same: tuple[str, ...] = ()
    across_patients: bool = False

    @property
    def mixes_patients(self) -> bool:
        """Whether a note may hold what stood in notes of several patients."""
        return self.across_patients

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]:
        """COPIES of each of NOTES, with spans; a note of one section stays as it is."""
        headings = headings_of(note for note in notes if not is_canary(note))
        donors = _Donors(notes, headings, self._group)
        rng = random.Random(seed)
        for _ in range(self.copies):
            for note in notes:
                sections = [] if is_canary(note) else sections_of(note, headings)
                yield self._recombine(note, sections, donors, rng) if len(sections) > 1 else note

    def _group(self, note: Note) -> Group:
        """Notes of one group may exchange sections; labelled and unlabelled ones may not."""
        is_alone = not self.across_patients or note.spans is None
        patient = note.patient if is_alone else None
        return patient, note.spans is None, *(str(note.meta.get(key)) for key in self.same)

    def _recombine(
        self,
        note: Note,
        sections: Sequence[Section],
        donors: "_Donors",
        rng: random.Random,
    ) -> Note:
        group = self._group(note)
        bodies = [
            donors.draw(group, section.kind, rng) if rng.random() < self.share else section.body for section in sections
        ]
        if rng.random() < self.shuffle:
            middle = bodies[1:-1]
            rng.shuffle(middle)
            bodies[1:-1] = middle
        return _joined(note, list(zip(bodies, (section.gap for section in sections), strict=True)))


@spacy.registry.misc("clinical.sections.v1")
def make_sections(
    copies: int = 1,
    share: float = 0.5,
    shuffle: float = 0.0,
    same: list[str] | None = None,
    across_patients: bool = False,
) -> Sections:
    """Notes recombined of sections of the same kind; SAME: keys of the meta, such as genre and sex."""
    return Sections(copies, share, shuffle, tuple(same or ()), across_patients)


class _Donors:
    """The sections of NOTES but canaries, to be drawn from those of a group and kind.

    Group and kind are known by a hash of 64 bits: that two of ten million share one by chance is one in 400,000.
    """

    def __init__(self, notes: Sequence[Note], headings: Collection[str], group_of: Callable[[Note], Group]):
        self._notes, self._headings = notes, headings
        keys, places = array("q"), array("q")
        for i, note in enumerate(notes):
            for number, section in enumerate([] if is_canary(note) else sections_of(note, headings)):
                keys.append(hash((group_of(note), section.kind)))
                places.append(i * MAX_SECTIONS + number)
        order = np.argsort(keys, kind="stable")
        self._keys, self._places = np.array(keys, np.int64)[order], np.array(places, np.int64)[order]

    def draw(self, group: Group, kind: str, rng: random.Random) -> Note:
        key = hash((group, kind))
        first, end = (int(np.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        i, number = divmod(int(self._places[rng.randrange(first, end)]), MAX_SECTIONS)
        return sections_of(self._notes[i], self._headings)[number].body


def headings_of(notes: Iterable[Note]) -> set[str]:
    """What three of NOTES or more begin a line with; copies of a note (the same id) count once."""
    found: dict[str, tuple[str, ...]] = {}  # ids, MIN_NOTES at most
    for note in notes:
        for key in filter(None, map(_heading, _LINE.findall(note.text))):
            ids = found.get(key, ())
            if len(ids) < MIN_NOTES and note.id not in ids:
                found[key] = (*ids, note.id)
    return {key for key, ids in found.items() if len(ids) == MIN_NOTES}


def sections_of(note: Note, headings: Collection[str]) -> list[Section]:
    """NOTE cut at HEADINGS, or else at blank lines; together the sections and gaps are its text, and no span is cut."""
    starts = [(m.start(), key) for m in _LINE.finditer(note.text) if (key := _heading(m[0])) in headings]
    if len(starts) < 2:
        starts = [(match.end(), MIDDLE) for match in _BLANK.finditer(note.text, 0, len(note.text.rstrip()))]
        starts = [start for start in starts if note.text[: start[0]].strip()]
    starts = [(at, kind) for at, kind in starts if not any(s.start < at < s.end for s in note.spans or ())]
    if starts and not note.text[: starts[0][0]].strip():
        starts[0] = (0, starts[0][1])
    else:
        starts.insert(0, (0, BEGINNING))
    if len(starts) > 1 and starts[-1][1] == MIDDLE:
        starts[-1] = (starts[-1][0], END)
    ends = [*(at for at, _ in starts[1:]), len(note.text)]
    return [_section(note, kind, start, end) for (start, kind), end in zip(starts, ends, strict=True)]


def _section(note: Note, kind: str, start: int, end: int) -> Section:
    """The characters [START, END) of NOTE; white space at the end is a gap, unless a span holds it."""
    stop = start + len(note.text[start:end].rstrip())
    stop = max([stop, *(s.end for s in note.spans or () if start <= s.start and s.end <= end)])
    return Section(kind, part_of(note, start, stop), note.text[stop:end])


def _heading(line: str) -> str | None:
    """What LINE begins with, if it looks like a heading, without case."""
    match = _HEADING.match(line)
    words = match[1].casefold().split() if match else []
    return " ".join(words) if 0 < len(words) <= MAX_WORDS else None


def _joined(note: Note, parts: Sequence[tuple[Note, str]]) -> Note:
    """PARTS (a body and the gap after it) as one note, which is NOTE in all but its text and spans."""
    spans, text = [], ""
    for body, gap in parts:
        spans += [Span(s.start + len(text), s.end + len(text), s.label) for s in body.spans or ()]
        text += body.text + gap
    return Note(note.id, text, None if note.spans is None else tuple(spans), note.meta)
