"""A note and its spans: the first of the project's two currencies (the other is spaCy's Doc)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import UserError


@dataclass(frozen=True, order=True)
class Span:
    """LABEL on the characters [start, end) of a note's text."""

    start: int
    end: int
    label: str


ENTITIES = "entities"  # the key under which a generator is told what is labelled in a note; no meta need have it
NO_ENTITIES = "none"  # its value where nothing is


@dataclass(frozen=True)
class Note:
    """One clinical note. `spans` is None for a note that nobody labelled, and () for one in which nothing was found.

    `meta` is what the record system knows beside the text; `meta["patient"]` is the unit of splitting.
    `identifiers` are what people labelled as identifying, whatever the task: for the gate's eyes alone. No prompt, no
    prefix and no note that is made from another one carries them on.
    """

    id: str
    text: str
    spans: tuple[Span, ...] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    identifiers: tuple[Span, ...] = ()

    @property
    def patient(self) -> str:
        """The patient's key, or the note's own id where the source names no patient."""
        return str(self.meta.get("patient") or self.id)

    @property
    def labels(self) -> list[str]:
        """The labels of its spans, sorted, each once; none if nobody labelled it."""
        return sorted({span.label for span in self.spans or ()})

    def mention(self, span: Span) -> str:
        """The surface string of SPAN."""
        return self.text[span.start : span.end]

    def with_spans(self, spans: Iterable[Span] | None) -> "Note":
        """The same note with other SPANS, sorted by offset."""
        return replace(self, spans=None if spans is None else tuple(sorted(spans)))

    def with_labels(self, labels: Iterable[str]) -> "Note":
        """The same note with the spans of a task's LABELS only."""
        keep = set(labels)
        return self if self.spans is None else self.with_spans(s for s in self.spans if s.label in keep)


def check_note(note: Note, where: str) -> Note:
    """NOTE itself if it is sound, else a UserError that begins with WHERE (file and line).

    Sound: text that UTF-8 can carry, without NUL, not blank; spans and identifiers inside the text, not empty, with a
    label; spans not overlapping.
    """
    if not note.text.strip():
        raise UserError(f"{where}: the text is empty", "Remove the note or give it a text")
    if "\x00" in note.text:
        raise UserError(f"{where}: the text holds a NUL character", "Export the note again as plain text")
    try:
        note.text.encode("utf8")
    except UnicodeEncodeError as e:
        raise UserError(f"{where}: a lone surrogate at character {e.start}", "Export the note again as UTF-8") from None
    last_end = 0
    for span in sorted(note.spans or ()):
        _check_span(span, len(note.text), where)
        if span.start < last_end:
            raise UserError(
                f"{where}: span {span.start}-{span.end} overlaps the one before it",
                "Keep one of two overlapping spans",
            )
        last_end = span.end
    for span in note.identifiers:
        _check_span(span, len(note.text), where)
    return note


def _check_span(span: Span, length: int, where: str) -> None:
    if not 0 <= span.start < span.end <= length:
        raise UserError(
            f"{where}: span {span.start}-{span.end} lies outside the text of {length} characters",
            "Offsets count characters, end exclusive",
        )
    if not span.label:
        raise UserError(f"{where}: span {span.start}-{span.end} has no label", "Give each span a 'label'")
