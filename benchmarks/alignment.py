"""Gold mentions given as bare strings: how many spans come back, how many are false; beside spacy-llm's own aligners.

A list may mean two things, and each of our modes stands beside what spacy-llm has for the same kind of list. listed: an
entry is an occurrence; ner.v3 takes the next one for each line. all: a string means all its occurrences, as in ner.v2's
comma-separated lists and in its `find_substrings` alone, without the commas. All work on the same tokens, ours.
CardioCCC has no dev split here; its notes were looked at while the aligner was made; those of the two dev splits not.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import filter_spans
from spacy_llm.tasks.ner.registry import make_ner_task_v2, make_ner_task_v3
from spacy_llm.tasks.util import find_substrings
from tqdm import tqdm

from benchmarks.table import Row, write_table
from scripts.corpora.read import read_corpus
from scripts.notes.align import Mention, align
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank
from scripts.scoring.statistics import estimate, precision, recall

REPORTED = {
    "MEDDOCAN dev": ("assets/meddocan/dev/brat", "brat", "es"),
    "CardioCCC": ("assets/cardioccc/train.jsonl", "jsonl", "es"),
    "MACCROBAT dev": ("assets/maccrobat/dev.jsonl", "jsonl", "en"),
}
SEED = 0

Find = Callable[[Doc, Sequence[Mention], Sequence[str]], set[Span]]


def main():
    """Measure all aligners on the public corpora and write metrics/bench/alignment.json."""
    write_table("alignment", [row for name, source in REPORTED.items() for row in measure(name, *source)])


def measure(name: str, path: str, format: str, lang: str) -> Iterator[Row]:
    """The figures of the corpus called NAME."""
    notes = list(read_corpus(Path(path), format))
    nlp = blank(lang)
    for order in ("in order", "shuffled"):
        for mode, finders in MODES.items():
            counts = {find: count(notes, nlp, order, find, name) for find in finders}
            yield from compare(f"{name}, {order}, {mode}", counts)


def compare(setting: str, counts: dict[Find, np.ndarray]) -> Iterator[Row]:
    """The figures of all aligners in one setting; the first is ours and has the best of the others as its target."""
    ours, *others = counts
    for figure, score, of, columns in (
        ("recovered", recall, "% of gold spans", [0, 2]),
        ("false", wrong, "% of found spans", [0, 1]),
    ):
        scores = {find: estimate(c, score) for find, c in counts.items()}
        values = [scores[find].value for find in others]
        best = max(values) if figure == "recovered" else min(values)
        for find, found in scores.items():
            n = int(counts[find][..., columns].sum())
            low, high = found.ci95
            row = Row(f"{setting}: {figure}, {NAMES[find]}", 100 * found.value, of, n, SEED, (100 * low, 100 * high))
            if find is ours:
                sign = 1 if figure == "recovered" else -1
                target = f"{'above' if sign == 1 else 'below'} {100 * best:.4g}"
                row = replace(row, target=target, reached=sign * found.value > sign * best)
            yield row


def wrong(counts: np.ndarray) -> np.ndarray:
    """The share of the spans found that are not in gold."""
    return 1 - precision(counts)


def count(notes: Sequence[Note], nlp: Language, order: str, find: Find, name: str) -> np.ndarray:
    """True positives, false positives and false negatives of FIND on each note: an array of (1, notes, 3)."""
    counts = []
    for note in tqdm(notes, desc=f"{name}, {order}, {NAMES[find]}", leave=False):
        gold = set(note.spans)
        mentions = [(" ".join(note.mention(span).split()), span.label) for span in note.spans]
        if order == "shuffled":
            random.Random(f"{SEED} {note.id}").shuffle(mentions)
        found = find(nlp.tokenizer(note.text), mentions, sorted({span.label for span in gold}))
        counts.append((len(gold & found), len(found - gold), len(gold - found)))
    return np.array([counts])


def ours_listed(doc: Doc, mentions: Sequence[Mention], labels: Sequence[str]) -> set[Span]:
    return set(align(doc.text, mentions, "listed").spans)


def ours_all(doc: Doc, mentions: Sequence[Mention], labels: Sequence[str]) -> set[Span]:
    return set(align(doc.text, mentions, "all").spans)


def ner_v3(doc: Doc, mentions: Sequence[Mention], labels: Sequence[str]) -> set[Span]:
    lines = [f"{i}. {string} | True | {label} | is one" for i, (string, label) in enumerate(mentions, 1)]
    return parsed(make_ner_task_v3(labels=list(labels)), doc, "\n".join(lines))


def ner_v2(doc: Doc, mentions: Sequence[Mention], labels: Sequence[str]) -> set[Span]:
    lines = [f"{label}: {', '.join(string for string, own in mentions if own == label)}" for label in labels]
    return parsed(make_ner_task_v2(labels=list(labels)), doc, "\n".join(lines))


def substrings(doc: Doc, mentions: Sequence[Mention], labels: Sequence[str]) -> set[Span]:
    spans = []
    for label in labels:
        for start, end in find_substrings(doc.text, [string for string, own in mentions if own == label]):
            spans.append(doc.char_span(start, end, alignment_mode="contract", label=label))
    return {Span(s.start_char, s.end_char, s.label_) for s in filter_spans([s for s in spans if s is not None])}


def parsed(task, doc: Doc, response: str) -> set[Span]:
    """What spacy-llm's TASK reads from RESPONSE."""
    (doc,) = task.parse_responses([[doc]], [[response]])
    return {Span(e.start_char, e.end_char, e.label_) for e in doc.ents}


NAMES = {
    ours_listed: "ours",
    ours_all: "ours",
    ner_v3: "spacy-llm ner.v3",
    ner_v2: "spacy-llm ner.v2",
    substrings: "spacy-llm find_substrings",
}
MODES: dict[str, tuple[Find, ...]] = {"listed": (ours_listed, ner_v3), "all": (ours_all, ner_v2, substrings)}

if __name__ == "__main__":
    typer.run(main)
