"""Gold spans whose edges fall inside a token, and which no tagger could find: spaCy's stock tokenizer beside ours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import spacy
import typer
from spacy.language import Language

from benchmarks.table import Row, write_table
from scripts.corpora.read import read_corpus
from scripts.notes.note import Note
from scripts.notes.tokenizer import blank
from scripts.scoring.statistics import estimate

SOURCES = {
    "MEDDOCAN train": ("assets/meddocan/train/brat", "brat", "es", 0.1),
    **{f"shipped notes, {lang}": (f"assets/notes/{lang}", "markup", lang, 0.0) for lang in ("en", "et", "sv", "es")},
}


def main():
    """Count them on MEDDOCAN train and on the shipped notes; writes metrics/bench/tokenization.json."""
    rows = []
    for name, (path, format, lang, target) in SOURCES.items():
        notes = list(read_corpus(Path(path), format))
        rows.append(measure(f"{name}: stock", notes, spacy.blank(lang), None))
        rows.append(measure(f"{name}: ours", notes, blank(lang), target))
    write_table("tokenization", rows)


def measure(name: str, notes: Sequence[Note], nlp: Language, target: float | None) -> Row:
    """The share of the spans of NOTES that the tokens of NLP cannot hold."""
    counts = np.array([[[lost(note, nlp), len(note.spans), 0] for note in notes]])
    share = estimate(counts, lambda c: 100 * c[..., 0] / c[..., 1])
    return Row(
        name,
        share.value,
        "% of spans",
        int(counts[..., 1].sum()),
        None,
        share.ci95,
        target,
        None if target is None else share.value <= target,
    )


def lost(note: Note, nlp: Language) -> int:
    doc = nlp.tokenizer(note.text)
    return sum(doc.char_span(span.start, span.end) is None for span in note.spans)


if __name__ == "__main__":
    typer.run(main)
