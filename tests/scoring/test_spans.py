"""Counts of one note, by hand and beside another implementation."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank
from scripts.scoring.spans import MEASURES, count_notes, count_pair, tokens_of

#       0         1         2         3         4
#       0123456789012345678901234567890123456789012345
TEXT = "Started beta blocker and CT head. No aspirin."
GOLD = Note("1", TEXT, (Span(8, 20, "DRUG"), Span(25, 32, "PROCEDURE"), Span(37, 44, "DRUG")))


@pytest.fixture(scope="module")
def nlp():
    return blank("en")


def counts_of(gold, predicted, labels, tokens=()):
    counts = count_pair(gold, predicted, labels, list(tokens))
    return {
        (label, measure): tuple(counts[row, column].tolist())
        for row, label in enumerate(labels)
        for column, measure in enumerate(MEASURES)
    }


def test_counts_by_hand(nlp):
    predicted = GOLD.with_spans([Span(8, 12, "DRUG"), Span(25, 32, "PROCEDURE"), Span(0, 7, "PROCEDURE")])
    counts = counts_of(GOLD, predicted, ["DRUG", "PROCEDURE"], tokens_of(nlp, TEXT))
    # DRUG: "beta" for "beta blocker"; "aspirin" is missed.
    assert counts["DRUG", "strict"] == (0, 1, 2)
    assert counts["DRUG", "partial"] == (0.5, 0.5, 1.5)
    assert counts["DRUG", "type"] == (1, 0, 1)
    assert counts["DRUG", "character"] == (4, 0, 8 + 7)
    assert counts["DRUG", "token"] == (1, 0, 2)
    # PROCEDURE: "CT head" is right; "Started" is invented.
    assert counts["PROCEDURE", "strict"] == (1, 1, 0)
    assert counts["PROCEDURE", "partial"] == (1, 1, 0)
    assert counts["PROCEDURE", "character"] == (7, 7, 0)
    assert counts["PROCEDURE", "token"] == (2, 1, 0)


def test_a_right_place_with_a_wrong_label_is_two_errors():
    predicted = GOLD.with_spans([Span(8, 20, "PROCEDURE")])
    counts = counts_of(GOLD, predicted, ["DRUG", "PROCEDURE"])
    assert counts["DRUG", "type"] == (0, 0, 2)
    assert counts["PROCEDURE", "type"] == (0, 1, 1)


def test_one_prediction_over_two_gold_spans_finds_one():
    gold = Note("1", TEXT, (Span(0, 4, "DRUG"), Span(5, 9, "DRUG")))
    counts = counts_of(gold, gold.with_spans([Span(0, 9, "DRUG")]), ["DRUG"])
    assert counts["DRUG", "strict"] == (0, 1, 2)
    assert counts["DRUG", "partial"] == (0.5, 0.5, 1.5)
    assert counts["DRUG", "type"] == (1, 0, 1)


def test_tokens_are_those_that_a_span_touches_and_never_blank(nlp):
    text = "Chest\n pain 25mg"
    assert [text[a:b] for a, b in tokens_of(nlp, text)] == ["Chest", "pain", "25", "mg"]
    gold = Note("1", text, (Span(0, 11, "DRUG"),))
    inside = gold.with_spans([Span(9, 14, "DRUG")])  # the end of "pain", and "25"
    assert counts_of(gold, inside, ["DRUG"], tokens_of(nlp, text))["DRUG", "token"] == (1, 1, 1)
    unit = gold.with_spans([Span(14, 16, "DRUG")])  # "mg" begins where "25" ends
    assert counts_of(unit, unit, ["DRUG"], tokens_of(nlp, text))["DRUG", "token"] == (1, 0, 0)


def test_a_note_without_prediction_is_missed(nlp):
    counts = count_notes([GOLD, Note("2", TEXT, ())], {}, ["DRUG"], nlp)
    assert counts.shape == (2, 1, len(MEASURES), 3)
    assert counts[0, 0, 0].tolist() == [0, 0, 2]
    assert not counts[1].any()


@pytest.mark.parametrize(
    ("gold", "predictions", "said"),
    [
        (Note("7", TEXT, None), {}, "gold note 7 has no 'spans'"),
        (Note("7", TEXT, ()), {"7": Note("7", TEXT + " ", ())}, "note 7: .* another text"),
        (Note("7", TEXT, ()), {"8": Note("8", TEXT, ())}, "1 predictions are for notes that are not in gold"),
    ],
)
def test_what_cannot_be_compared_is_refused_without_text(nlp, gold, predictions, said):
    with pytest.raises(UserError, match=said) as error:
        count_notes([gold], predictions, ["DRUG"], nlp)
    assert "aspirin" not in str(error.value)


@st.composite
def rows(draw):
    """Disjoint spans of two labels on a text of 60 characters."""
    edges = sorted(draw(st.sets(st.integers(0, 60), max_size=12)))
    labels = st.sampled_from(["DRUG", "PROCEDURE"])
    return tuple(Span(a, b, draw(labels)) for a, b in pairwise(edges) if draw(st.booleans()))


@settings(max_examples=150, deadline=None)
@given(gold=rows(), predicted=rows())
def test_strict_and_partial_agree_with_nervaluate(gold, predicted):
    """Nervaluate's partial overlooks labels, therefore it is asked for one label at a time."""
    from nervaluate.entities import Entity
    from nervaluate.strategies import PartialEvaluation, StrictEvaluation

    note = Note("1", "x" * 60, gold)
    counts = counts_of(note, note.with_spans(predicted), ["DRUG", "PROCEDURE"])
    for label in ("DRUG", "PROCEDURE"):
        theirs = [[Entity(label, s.start, s.end - 1) for s in row if s.label == label] for row in (gold, predicted)]
        strict, _ = StrictEvaluation().evaluate(*theirs, [label])
        partial, _ = PartialEvaluation().evaluate(*theirs, [label])
        assert counts[label, "strict"][0] == strict.correct
        assert counts[label, "partial"][0] == partial.correct + 0.5 * partial.partial
        tp, fp, fn = counts[label, "partial"]
        assert (tp + fp, tp + fn) == (partial.actual, partial.possible)


@settings(max_examples=150, deadline=None)
@given(gold=rows(), predicted=rows())
def test_type_pairs_as_many_spans_as_can_be_paired(gold, predicted):
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    note = Note("1", "x" * 60, gold)
    counts = counts_of(note, note.with_spans(predicted), ["DRUG"])
    golds, guesses = ([s for s in row if s.label == "DRUG"] for row in (gold, predicted))
    overlap = [[max(g.start, p.start) < min(g.end, p.end) for p in guesses] for g in golds]
    n_pairs = 0
    if golds and guesses:
        n_pairs = int((maximum_bipartite_matching(csr_matrix(np.array(overlap, dtype=int))) >= 0).sum())
    assert counts["DRUG", "type"] == (n_pairs, len(guesses) - n_pairs, len(golds) - n_pairs)


@settings(max_examples=50, deadline=None)
@given(gold=rows(), predicted=rows())
def test_measures_are_ordered_and_symmetric(gold, predicted):
    note = Note("1", "x" * 60, gold)
    tokens = [(i, i + 5) for i in range(0, 60, 5)]
    there = count_pair(note, note.with_spans(predicted), ["DRUG"], tokens)[0]
    back = count_pair(note.with_spans(predicted), note, ["DRUG"], tokens)[0]
    assert there[:, [0, 2, 1]].tolist() == back.tolist()
    strict, partial, kind = there[:3, 0]
    assert strict <= partial <= kind
    assert partial == (strict + kind) / 2
