"""Notes with their labels written along: `Takes <DRUG>aspirin</DRUG>.`, and back to a text with spans."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from scripts.generators.slots import Slots
from scripts.notes.canaries import ROLE
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span

TAGGED = "labels"  # the control key that says whether a note has its mentions between tags: yes or no


class Tagged(NamedTuple):
    """A text without tags, the spans that they enclosed, and what is wrong with them (None: nothing)."""

    text: str
    spans: tuple[Span, ...]
    fault: str | None


def write_tags(note: Note, labels: Sequence[str]) -> str:
    """NOTE's text with its spans of LABELS between tags; what looks like a tag in the text itself is escaped.

    `read_tags` gives text and spans back, whatever the text holds.
    """
    pieces, last = [], 0
    for span in sorted(note.with_labels(labels).spans or ()):
        before, mention = _escape(note.text[last : span.start], labels), _escape(note.mention(span), labels)
        pieces += [before, f"<{span.label}>{mention}</{span.label}>"]
        last = span.end
    return "".join(pieces) + _escape(note.text[last:], labels)


def read_tags(text: str, labels: Sequence[str]) -> Tagged:
    """TEXT without tags of LABELS, and the spans between them, blanks at their ends left out.

    Spans hold only where there is no fault: a tag that is not closed or was never opened, one inside another, two that
    cross, one around nothing, or one without its end. The text is plain in any case.
    """
    plain, last, spans = "", 0, []
    open_tags: list[tuple[str, int]] = []  # label, and where its mention starts
    faults: list[str] = []
    for tag in _patterns(tuple(labels)).tag.finditer(text):
        plain += _unescape(text[last : tag.start()], labels)
        last = tag.end()
        is_closing, label, end = tag.groups()
        if not end:
            faults.append("broken tag")
        elif not is_closing:
            open_tags.append((label, len(plain)))
        elif label not in (name for name, _ in open_tags):
            faults.append("tag never opened")
        elif open_tags[-1][0] != label:
            faults.append("crossing tags")
            open_tags = [opened for opened in open_tags if opened[0] != label]
        else:
            _, start = open_tags.pop()
            mention = plain[start:]
            start += len(mention) - len(mention.lstrip())
            spans.append(Span(start, start + len(mention.strip()), label))
            faults += ["nested tags"] if open_tags else []
            faults += [] if mention.strip() else ["empty tag"]
    plain += _unescape(text[last:], labels)
    fault = "unclosed tag" if open_tags else next(iter(faults), None)
    return Tagged(plain, () if fault else tuple(spans), fault)


def tag_canaries(notes: Sequence[Note], labels: Sequence[str]) -> list[Note]:
    """NOTES, the canaries among them labelled where they hold mentions of the others; a UserError if none is labelled.

    Asked for labelled notes alone, a generator would hardly write what it was shown as unlabelled: unlabelled canaries
    would show less of what it remembers than there is.
    """
    if all(note.spans is None for note in notes):
        raise UserError("no private note is labelled: there are no tags to learn", "Label some, or write without tags")
    known = Slots(notes, labels)
    return [note.with_spans(known.find(note.text)) if ROLE in note.meta else note for note in notes]


class _Patterns(NamedTuple):
    tag: re.Pattern[str]
    literal: re.Pattern[str]
    escaped: re.Pattern[str]


@cache
def _patterns(labels: tuple[str, ...]) -> _Patterns:
    """A tag or the beginning of one; what looks so in a note; and how that is escaped, once or more often."""
    name = rf"(?:{'|'.join(map(re.escape, labels))})(?!\w)"
    return _Patterns(
        re.compile(rf"<(/?)({name})(>?)"),
        re.compile(rf"<(?=/?{name})"),
        re.compile(rf"&((?:amp;)*)lt;(?=/?{name})"),
    )


def _escape(text: str, labels: Iterable[str]) -> str:
    patterns = _patterns(tuple(labels))
    return patterns.literal.sub("&lt;", patterns.escaped.sub(r"&amp;\1lt;", text))


def _unescape(text: str, labels: Iterable[str]) -> str:
    def less(match: re.Match[str]) -> str:
        return f"&{match[1].removeprefix('amp;')}lt;" if match[1] else "<"

    return _patterns(tuple(labels)).escaped.sub(less, text)
