"""A note's text with its labels marked, as displaCy draws them, in the page's own colours."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scripts.notes.note import Span

# Backgrounds for light and for dark pages; each carries the page's text at a contrast of 7 and more.
# Labels that share a colour still differ: every mark names its label.
PALETTE = (
    ("#cfe2ff", "#1d4170"),
    ("#ffdcb8", "#6b3d10"),
    ("#cdeccb", "#1f5130"),
    ("#f3d0ea", "#652a58"),
    ("#f6ec9f", "#574d0a"),
    ("#d9d3fa", "#423a80"),
    ("#bfeceb", "#124f53"),
    ("#ffd0cd", "#722f2d"),
    ("#e0e3e8", "#434a55"),
    ("#e3e8b4", "#464f17"),
)
# No white space between the tags: the page keeps the note's own.
TEMPLATE = '<mark class="label-{bg}{kind}"{id}>{text}<span class="tag">{label}</span></mark>'


@dataclass(frozen=True)
class Mark:
    """SPAN of a note, its KIND ("", "missed", "invented" or "different"), and the ID that a link can point at."""

    span: Span
    kind: str = ""
    id: str = ""


def render_note(text: str, marks: Iterable[Mark], labels: Sequence[str]) -> str:
    """HTML of TEXT with MARKS, everything escaped; the place of a label in LABELS decides its colour."""
    from spacy import displacy

    # displaCy escapes the text, but neither labels nor what else goes into the template.
    entities = [
        {
            "start": mark.span.start,
            "end": mark.span.end,
            "label": html.escape(mark.span.label),
            "params": {
                "kind": f" {html.escape(mark.kind)}" if mark.kind else "",
                "id": f' id="{html.escape(mark.id)}"' if mark.id else "",
            },
        }
        for mark in marks
    ]
    colours = {html.escape(label): number % len(PALETTE) for number, label in enumerate(labels)}
    # A carriage return is one more line break to a browser.
    note = {"text": text.replace("\r", " "), "ents": entities}
    options = {"template": TEMPLATE, "colors": colours}
    return displacy.render(note, style="ent", manual=True, page=False, jupyter=False, options=options)
