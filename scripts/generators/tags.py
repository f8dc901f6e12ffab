"""Notes with their labels written along, as in the shipped notes' files: `Takes [aspirin](DRUG).`; and back.

The label stands behind the mention, and once: a small model that has to name it before and after names two.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from scripts.generators.slots import Slots
from scripts.notes.canaries import ROLE
from scripts.notes.errors import UserError
from scripts.notes.lazy import Mapped
from scripts.notes.note import Note, Span

TAGGED = "labels"  # the control key that says whether a note has its mentions in tags: yes or no


class Tagged(NamedTuple):
    """A text without tags, the spans that they enclosed, and what is wrong with them (None: nothing)."""

    text: str
    spans: tuple[Span, ...]
    fault: str | None


def write_tags(note: Note, labels: Sequence[str]) -> str:
    """NOTE's text with its spans of LABELS in tags; what looks like a part of a tag in the text itself is escaped.

    `read_tags` gives text and spans back, whatever the text holds.
    """
    pieces, last = [], 0
    for span in sorted(note.with_labels(labels).spans or ()):
        before, mention = _escape(note.text[last : span.start], labels), _escape(note.mention(span), labels)
        pieces += [before, f"[{mention}{tag_end(span.label)}"]
        last = span.end
    return "".join(pieces) + _escape(note.text[last:], labels)


def tag_end(label: str) -> str:
    """How a mention in tags ends that is of LABEL."""
    return f"]({label})"


def read_tags(text: str, labels: Sequence[str]) -> Tagged:
    """TEXT without tags of LABELS, and the spans in them, blanks at their ends left out.

    Spans hold only where there is no fault: a tag that is not closed or was never opened, one inside another, or one
    around nothing. The text is plain in any case.
    """
    plain, last, spans = "", 0, []
    starts: list[int] = []  # of the mentions whose tags are open
    faults: list[str] = []
    for tag in _patterns(tuple(labels)).tag.finditer(text):
        plain += _unescape(text[last : tag.start()], labels)
        last, label = tag.end(), tag[1]
        if label is None:
            starts.append(len(plain))
        elif not starts:
            faults.append("tag never opened")
        else:
            mention = plain[(start := starts.pop()) :]
            start += len(mention) - len(mention.lstrip())
            spans.append(Span(start, start + len(mention.strip()), label))
            faults += ["nested tags"] if starts else []
            faults += [] if mention.strip() else ["empty tag"]
    plain += _unescape(text[last:], labels)
    fault = "unclosed tag" if starts else next(iter(faults), None)
    return Tagged(plain, () if fault else tuple(spans), fault)


def tag_canaries(notes: Sequence[Note], labels: Sequence[str], known: Sequence[Note]) -> Sequence[Note]:
    """NOTES, the canaries among them labelled where they hold mentions of KNOWN; a UserError if none is labelled.

    Asked for labelled notes alone, a generator would hardly write what it was shown as unlabelled: unlabelled canaries
    would show less of what it remembers than there is.
    """
    if all(note.spans is None for note in notes):
        raise UserError("no private note is labelled: there are no tags to learn", "Label some, or write without tags")
    slots = Slots(known, labels)
    return Mapped(lambda note: note.with_spans(slots.find(note.text)) if ROLE in note.meta else note, notes)


class _Patterns(NamedTuple):
    tag: re.Pattern[str]
    literal: re.Pattern[str]
    escaped: re.Pattern[str]


@cache
def _patterns(labels: tuple[str, ...]) -> _Patterns:
    """Where a tag opens, or closes with a label; what looks so in a note; and how that is escaped, or was before."""
    label = "|".join(map(re.escape, labels))
    return _Patterns(
        re.compile(rf"\[|\]\(({label})\)"),
        re.compile(rf"\[|\](?=\((?:{label})\))"),
        re.compile(rf"&((?:amp;)*)#(91;|93;(?=\((?:{label})\)))"),
    )


def _escape(text: str, labels: Sequence[str]) -> str:
    patterns = _patterns(tuple(labels))
    return patterns.literal.sub(lambda match: f"&#{ord(match[0])};", patterns.escaped.sub(r"&amp;\1#\2", text))


def _unescape(text: str, labels: Sequence[str]) -> str:
    def less(match: re.Match[str]) -> str:
        return f"&{match[1].removeprefix('amp;')}#{match[2]}" if match[1] else chr(int(match[2][:2]))

    return _patterns(tuple(labels)).escaped.sub(less, text)
