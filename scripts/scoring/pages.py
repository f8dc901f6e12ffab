"""The pages: those that may leave the building, and the one that must not."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.notes.note import Note, Span

from .audit_page import describe_audit
from .chart import draw_scores, frequent_labels
from .disagreements import find_disagreements
from .generation_page import describe_generation_report, novelty_rows
from .marks import PALETTE, Mark, render_note
from .spans import MEASURES
from .words import show_decimal, show_figure, show_words

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"

SYSTEMS = {
    "student": "the NER that is shipped, trained on synthetic notes with machine labels",
    "annotator": "what labelled the synthetic notes",
    "teacher": "an NER trained on the labelled private notes",
    "dictionary": "looks up the mentions of the labelled private notes",
    "upper_bound": "the student's architecture, trained on the labelled private notes",
}


def render_index(
    title: str,
    evaluation: Mapping[str, Any],
    audit: Mapping[str, Any] | None,
    generation: Mapping[str, Any] | None,
    silver: Sequence[Note],
    lang: str,
    written: Mapping[str, Any] | None = None,
    novelty: Mapping[str, Any] | None = None,
) -> str:
    """The page that may leave: scores, verdict, counts, and SILVER notes, which must be released ones.

    GENERATION are the counts of the synthetic notes' manifest, WRITTEN the report on these notes, and NOVELTY how many
    mentions in the released ones no private note holds.
    """
    labels = evaluation["labels"]
    return _render(
        "index.html.jinja",
        title=title,
        lang=lang,
        evaluation=evaluation,
        systems=SYSTEMS,
        measures=MEASURES,
        chart=draw_scores(dict(evaluation)),
        n_charted=len(frequent_labels(evaluation)),
        audit=audit,
        generation=generation,
        written=describe_generation_report(written) if written else None,
        novelty=novelty_rows(novelty or {}),
        labels=labels,
        silver=[
            {"n_spans": len(note.spans or ()), "html": render_note(note.text, map(Mark, note.spans or ()), labels)}
            for note in silver
        ],
    )


def render_gold(
    title: str, golds: Sequence[Note], predictions: Mapping[str, Note], labels: Sequence[str], system: str, lang: str
) -> str:
    """The page that stays inside: each gold note above SYSTEM's labels, those with most errors first."""
    rows = [
        _compare(gold, predictions.get(gold.id) or gold.with_spans(()), labels, f"note{number}")
        for number, gold in enumerate(golds, 1)
    ]
    rows.sort(key=lambda row: -row["found"].n_errors)
    return _render("gold.html.jinja", title=title, lang=lang, labels=labels, system=system, rows=rows)


def render_annotators(card: Mapping[str, Any]) -> str:
    """The score card of annotators as a page of numbers alone."""
    scored = {name: row for name, row in card["annotators"].items() if "scores" in row}
    chart = draw_scores({"labels": card["labels"], "systems": scored}) if scored else ""
    return _render("annotators.html.jinja", title="Annotators", card=card, chart=chart)


def render_audit(audit: Mapping[str, Any]) -> str:
    """The gate's AUDIT for the person who signs: numbers, and ids of synthetic notes."""
    return _render("audit.html.jinja", title="Privacy audit", **describe_audit(audit))


def _compare(gold: Note, predicted: Note, labels: Sequence[str], anchor: str) -> dict[str, Any]:
    """What the template needs of one note; a mark's link is ANCHOR with the row and the offset."""
    found = find_disagreements(gold, predicted)
    lost = dict.fromkeys(found.missed, "missed") | {span: "different" for span, _ in found.different}
    wrong = dict.fromkeys(found.invented, "invented")
    wrong |= {span: "different" for _, overlapping in found.different for span in overlapping}

    def render(note: Note, kinds: Mapping[Span, str], row: str) -> str:
        marks = [Mark(s, kinds.get(s, ""), f"{anchor}-{row}-{s.start}") for s in note.spans or ()]
        return render_note(gold.text, marks, labels)

    return {
        "note": gold,
        "anchor": anchor,
        "found": found,
        "about": [str(gold.meta[key]) for key in ("genre", "specialty") if gold.meta.get(key)],
        "gold_html": render(gold, lost, "gold"),
        "predicted_html": render(predicted, wrong, "predicted"),
    }


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(palette=PALETTE, **values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(decimal=show_decimal, figure=show_figure, words=show_words)
    return environment
