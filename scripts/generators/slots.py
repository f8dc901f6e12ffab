"""Notes whose mentions are slots: the generator learns where a mention stands, and which one comes from a list."""

import random
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import srsly

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span

# How a mention is made: with letters, of digits alone, or of digits and other marks. No postcode stands for a town.
FORMS = LETTERS, DIGITS, MARKS = "", "9", "9/9"


class Slots:
    """Empties the mentions of LABELS into slots (`<DRUG>`), and fills the slots of new texts.

    A mention without letters leaves a slot of its form (`<DATE 9/9>`). A slot is filled with a mention of that form of
    the labelled among NOTES, but for those that are RARE (`rare_mentions`), or, half of the time where LISTS (label to
    mentions) has some, with one that no note need have. Never name a label of personal data here, unless surrogates
    stand in its mentions' place. A UserError if nothing is left to fill slots of one of LABELS with.
    """

    def __init__(
        self,
        notes: Iterable[Note],
        labels: Sequence[str],
        lists: Mapping[str, Sequence[str]] | None = None,
        rare: Collection[tuple[str, str]] = (),
    ):
        self.labels, lists = tuple(labels), lists or {}
        own = mentions_of(notes, labels)
        known = pools_of(own, labels, lists)
        self._label_of = {
            text.casefold(): label for label in reversed(labels) for pool in known[label] for text in pool
        }
        pools = pools_of(own, labels, lists, rare)
        if lost := [label for label in labels if known[label] and not pools[label]]:
            raise UserError(
                f"[generator] every labelled mention of {', '.join(lost)} is of fewer patients than slot_patients",
                "Lower slot_patients, label more notes, or name lists",
            )
        self._pools = {(label, form): _of_form(pools[label], form) for label in labels for form in FORMS}
        texts = sorted({text for both in known.values() for pool in both for text in pool}, key=_longest_first)
        self._known = re.compile(rf"(?<!\w)(?:{'|'.join(map(_pattern, texts))})(?!\w)") if texts else None
        # A small model does not always close a slot.
        self._slot = re.compile(rf"<({'|'.join(map(re.escape, labels))})(?: ({MARKS}|{DIGITS}))?(?:[>)\]]|\b)")

    def empty(self, note: Note) -> str:
        """NOTE's text with slots for its mentions: its labels' or, of a note without labels, those of any other."""
        spans = self.find(note.text) if note.spans is None else note.with_labels(self.labels).spans
        pieces, last = [], 0
        for span in sorted(spans):
            pieces += [note.text[last : span.start], slot_of(span.label, form_of(note.mention(span)))]
            last = span.end
        return "".join(pieces) + note.text[last:]

    def fill(self, text: str, rng: random.Random) -> tuple[str, tuple[Span, ...]]:
        """TEXT with a mention in each slot, and where they stand."""
        filled, last, spans = "", 0, []
        for match in self._slot.finditer(text):
            filled += text[last : match.start()]
            label = match[1]
            mention = self._draw(label, match[2] or LETTERS, rng)
            if begins_sentence(filled):
                mention = mention[0].upper() + mention[1:]
            spans.append(Span(len(filled), len(filled) + len(mention), label))
            filled, last = filled + mention, match.end()
        return filled + text[last:], tuple(spans)

    def _draw(self, label: str, form: str, rng: random.Random) -> str:
        pools = next((pools for other in (form, *FORMS) if (pools := self._pools[label, other])), None)
        return rng.choice(rng.choice(pools)) if pools else label.lower()

    def find(self, text: str) -> Iterator[Span]:
        """Where TEXT holds a mention that is known, without overlap."""
        for match in self._known.finditer(text) if self._known else ():
            # None where a regex without case and Unicode's folding disagree: "İ" is an i to the one alone.
            if label := self._label_of.get(_one_line(match[0]).casefold()):
                yield Span(*match.span(), label)


def slot_of(label: str, form: str = LETTERS) -> str:
    """How a slot for LABEL is written, of a mention of FORM."""
    return f"<{label} {form}>" if form else f"<{label}>"


def form_of(mention: str) -> str:
    """The one of FORMS that MENTION has."""
    if any(character.isalpha() for character in mention):
        return LETTERS
    return DIGITS if mention.isdecimal() else MARKS


def _of_form(pools: Sequence[Sequence[str]], form: str) -> list[Sequence[str]]:
    found = ([mention for mention in pool if form_of(mention) == form] for pool in pools)
    return [pool for pool in found if pool]


def pools_of(
    own: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    lists: Mapping[str, Sequence[str]],
    rare: Collection[tuple[str, str]] = (),
) -> dict[str, list[Sequence[str]]]:
    """For each of LABELS the mentions of notes (OWN) that are not RARE, and those of LISTS, where there are any."""
    shared = {label: [text for text in own.get(label, ()) if (label, text.casefold()) not in rare] for label in labels}
    return {label: [pool[label] for pool in (shared, lists) if pool.get(label)] for label in labels}


def mentions_of(notes: Iterable[Note], labels: Sequence[str]) -> dict[str, list[str]]:
    """The mentions of the labelled among NOTES by label, as often as they come.

    One that comes again takes eight bytes more.
    """
    own: dict[str, list[str]] = {}
    known: dict[str, str] = {}
    for note in notes:
        for span in note.with_labels(labels).spans or ():
            mention = _one_line(note.mention(span))
            own.setdefault(span.label, []).append(known.setdefault(mention, mention))
    return own


def rare_mentions(notes: Iterable[Note], labels: Sequence[str], min_patients: int) -> set[tuple[str, str]]:
    """The mentions of the labelled among NOTES, as (label, folded), that fewer than MIN_PATIENTS patients have.

    To be asked of the notes as they are: stages hand sections of one patient on to another, and surrogates belong to
    nobody.
    """
    patients: dict[tuple[str, str], set[str]] = {}
    for note in notes:
        for span in note.with_labels(labels).spans or ():
            having = patients.setdefault((span.label, _one_line(note.mention(span)).casefold()), set())
            if len(having) < min_patients:
                having.add(note.patient)
    return {mention for mention, having in patients.items() if len(having) < min_patients}


def begins_sentence(before: str) -> bool:
    """Whether what follows BEFORE begins a text, a line or a sentence."""
    return bool(re.search(r"(?:^|\n|[.!?]\s)\s*$", before))


def read_lists(path: Path, labels: Sequence[str]) -> dict[str, list[str]]:
    """The mentions that the YAML file PATH lists for each of LABELS."""
    try:
        rows = srsly.read_yaml(path)
        return {label: [_one_line(str(text)) for text in rows[label]] for label in labels if rows.get(label)}
    except (OSError, ValueError, AttributeError, TypeError) as e:
        raise UserError(f"{path}: no lists of mentions ({type(e).__name__})", "See assets/lists/en.yml") from None


def _longest_first(text: str) -> tuple[int, str]:
    return -len(text), text


def _pattern(mention: str) -> str:
    """A regex for MENTION across lines and in any case; PT is physiotherapy and pt a patient: short ones as written."""
    words = r"\s+".join(map(re.escape, mention.split()))
    return words if len(mention) < 4 else f"(?i:{words})"


def _one_line(mention: str) -> str:
    return " ".join(mention.split())
