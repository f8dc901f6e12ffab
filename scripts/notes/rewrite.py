"""Notes made from others: with other words in the place of some mentions, or a part of one; spans go along."""

from collections.abc import Mapping

from .note import Note, Span


def with_mentions(note: Note, others: Mapping[Span, str]) -> Note:
    """NOTE with OTHERS in the place of the mentions of these of its spans; all spans keep their labels and are shifted.

    Spans must not overlap, as in every note that `check_note` has seen. `identifiers` are not carried on.
    """
    pieces: list[str] = []
    spans: list[Span] = []
    last = length = 0
    for span in sorted(note.spans or ()):
        before, mention = note.text[last : span.start], others.get(span, note.mention(span))
        start, length = length + len(before), length + len(before) + len(mention)
        pieces += [before, mention]
        spans.append(Span(start, length, span.label))
        last = span.end
    text = "".join(pieces) + note.text[last:]
    return Note(note.id, text, None if note.spans is None else tuple(spans), note.meta)


def part_of(note: Note, start: int, end: int) -> Note:
    """The characters [START, END) of NOTE as a note, with the spans that lie inside; `identifiers` stay behind."""
    inside = (s for s in note.spans or () if start <= s.start and s.end <= end)
    spans = tuple(Span(s.start - start, s.end - start, s.label) for s in inside)
    return Note(note.id, note.text[start:end], None if note.spans is None else spans, note.meta)
