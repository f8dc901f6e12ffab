"""How much of the gold a prediction finds: counts on characters, additive over notes."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span

if TYPE_CHECKING:
    from spacy.language import Language

# Within one label, with one prediction for one gold span at most:
# strict     the same offsets
# partial    1 for the same offsets, 0.5 for any overlap (MUC's credit)
# type       1 for any overlap
# character  each character that spans cover
# token      each token, not blank, that spans touch; the beginning of a span counts like its inside
MEASURES = ("strict", "partial", "type", "character", "token")

Tokens = list[tuple[int, int]]  # [start, end) of each token, in order
Counted = tuple[float, int, int]  # credit, how many are predicted, how many are gold


def count_notes(
    golds: Sequence[Note], predictions: Mapping[str, Note], labels: Sequence[str], nlp: "Language"
) -> np.ndarray:
    """True positives, false positives and false negatives: an array of (notes, labels, measures, 3).

    Sums over notes are the counts of all of them. PREDICTIONS are keyed by the note's id; a note without one counts as
    missed altogether. Tokens are those of NLP's tokenizer. A UserError for a gold note that nobody labelled, and for a
    prediction on another text than the gold note's.
    """
    _check_same_notes(golds, predictions)
    counts = [count_pair(gold, predictions.get(gold.id), labels, tokens_of(nlp, gold.text)) for gold in golds]
    return np.array(counts, dtype=float).reshape(len(golds), len(labels), len(MEASURES), 3)


def count_pair(gold: Note, predicted: Note | None, labels: Sequence[str], tokens: Tokens) -> np.ndarray:
    """True positives, false positives and false negatives of one note: an array of (labels, measures, 3)."""
    counts = np.zeros((len(labels), len(MEASURES), 3))
    for row, label in enumerate(labels):
        spans = spans_of(gold, label), spans_of(predicted, label)
        for column, (credit, n_predicted, n_gold) in enumerate(_count_label(*spans, tokens)):
            counts[row, column] = credit, n_predicted - credit, n_gold - credit
    return counts


def spans_of(note: Note | None, label: str) -> list[Span]:
    """The spans of NOTE with LABEL, in order and without repetition."""
    return sorted({s for s in (note.spans if note else None) or () if s.label == label})


def tokens_of(nlp: "Language", text: str) -> Tokens:
    """The offsets of the tokens of TEXT that are not blank."""
    return [(t.idx, t.idx + len(t)) for t in nlp.tokenizer(text) if not t.is_space]


def _check_same_notes(golds: Sequence[Note], predictions: Mapping[str, Note]) -> None:
    remedy = "Predict on the gold notes again"
    for gold in golds:
        if gold.spans is None:
            raise UserError(f"gold note {gold.id} has no 'spans'", 'Label it, or write "spans": [] if it has none')
        if gold.id in predictions and predictions[gold.id].text != gold.text:
            raise UserError(f"note {gold.id}: the prediction was made on another text", remedy)
    strangers = len(set(predictions) - {gold.id for gold in golds})
    if strangers:
        raise UserError(f"{strangers} predictions are for notes that are not in gold", remedy)


def _count_label(gold: list[Span], predicted: list[Span], tokens: Tokens) -> list[Counted]:
    """The five counts of MEASURES for the spans of one label."""
    n_same = len({*gold} & {*predicted})
    n_overlapping = _count_overlapping(gold, predicted)
    n_spans = len(predicted), len(gold)
    return [
        (n_same, *n_spans),
        ((n_same + n_overlapping) / 2, *n_spans),
        (n_overlapping, *n_spans),
        _count_shared(_characters(predicted), _characters(gold)),
        _count_shared(_touched(predicted, tokens), _touched(gold, tokens)),
    ]


def _count_overlapping(gold: list[Span], predicted: list[Span]) -> int:
    """The most pairs of overlapping spans when each span is used once; each list in order, its spans disjoint.

    Equal spans overlap nothing else, so that they are always among the pairs.
    """
    n_pairs = g = p = 0
    while g < len(gold) and p < len(predicted):
        if max(gold[g].start, predicted[p].start) < min(gold[g].end, predicted[p].end):
            n_pairs, g, p = n_pairs + 1, g + 1, p + 1
        elif gold[g].end <= predicted[p].start:
            g += 1
        else:
            p += 1
    return n_pairs


def _characters(spans: Iterable[Span]) -> set[int]:
    return {offset for span in spans for offset in range(span.start, span.end)}


def _touched(spans: Iterable[Span], tokens: Tokens) -> set[int]:
    """The numbers of the tokens that share a character with one of SPANS."""
    touched: set[int] = set()
    for span in spans:
        first = bisect_right(tokens, span.start, key=lambda token: token[1])
        last = bisect_left(tokens, span.end, key=lambda token: token[0])
        touched.update(range(first, last))
    return touched


def _count_shared(predicted: set[int], gold: set[int]) -> Counted:
    return len(predicted & gold), len(predicted), len(gold)
