"""Where in a synthetic note, as it is written, the identifiers stand that were found in its plain spelling."""

from collections.abc import Iterable
from dataclasses import replace

from scripts.notes.note import Note, Span

from .keys import Kind
from .normalize import locate

Place = tuple[Kind, int, int]  # kind, first and last token of the note's searchable text


def marks_in(note: Note, places: Iterable[Place]) -> tuple[Span, ...]:
    """The characters of NOTE's text on which PLACES stand, as spans labelled with their kinds.

    None at all if one of them stands beside the text, in the note's id or meta, or cannot be told: what is replaced in
    part still leaks.
    """
    located, marks = locate(note.text), []
    for kind, first, last in places:
        if located is None or last >= len(located):
            return ()
        marks.append(Span(located[first][0], located[last][1], kind))
    return join_marks(marks)


def join_marks(marks: Iterable[Span]) -> tuple[Span, ...]:
    """MARKS in their order, those that overlap as one; it has the kind of the first and longest of them."""
    joined: list[Span] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        if joined and mark.start < joined[-1].end:
            joined[-1] = replace(joined[-1], end=max(joined[-1].end, mark.end))
        else:
            joined.append(mark)
    return tuple(joined)
