"""Diversity by hand-counted n-grams."""

from math import exp

import pytest

from scripts.notes.note import Note, Span
from scripts.scoring.diversity import distinct, novelty, self_bleu


def split(*texts):
    return [text.split() for text in texts]


def test_distinct_n_counts_within_texts_up_to_so_many_words():
    texts = split("a b a b", "a b")
    assert distinct(texts, 1, 99) == pytest.approx(2 / 6)
    assert distinct(texts, 2, 99) == pytest.approx(2 / 4)  # "b a" does not cross from one text to the next
    assert distinct(texts, 2, 4) == pytest.approx(2 / 3)
    assert distinct(texts, 1, 5) == pytest.approx(2 / 5)
    assert distinct(texts, 5, 99) is None
    assert distinct([], 1, 99) is None


def test_self_bleu_by_hand():
    # Of three words two are in the other text; of two pairs one, with one added to both: 2/3 each.
    assert self_bleu(split("a b c", "a b d"), order=2) == pytest.approx(2 / 3)
    # "a a" finds one "a" in any other text, and no pair: 1/2 each. It is a word shorter than the nearest other.
    short = 0.5 * exp(1 - 3 / 2)
    assert self_bleu(split("a b c", "a b d", "a a"), order=2) == pytest.approx((2 / 3 + 2 / 3 + short) / 3)


def test_self_bleu_of_the_same_and_of_different_texts():
    text = "one two three four five"
    assert self_bleu(split(text, text, text)) == pytest.approx(1)
    assert self_bleu(split("a b c d", "e f g h")) == 0
    assert self_bleu(split(text, "")) is None
    assert self_bleu([]) is None


def test_a_count_is_clipped_to_the_highest_in_one_other_text():
    # "a" stands twice in the second and once in the third: two of three "a" are found.
    (first, *_) = texts = split("a a a", "a a b", "a c d")
    alone = self_bleu([first, texts[1]], order=1)
    assert alone == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert self_bleu(texts, order=1) == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)


def test_mentions_that_no_private_note_holds():
    private = [Note("p1", "Takes Metoprolol\nsuccinate daily."), Note("p2", "An ECG. Aspirins.")]
    text = "metoprolol  SUCCINATE, aspirin, ecg, Aspirin; metoprolol tartrate (!)"
    spans = [Span(0, 21, "DRUG"), Span(23, 30, "DRUG"), Span(32, 35, "PROCEDURE"), Span(37, 44, "DRUG")]
    spans += [Span(46, 65, "DRUG"), Span(67, 68, "DRUG")]
    found = novelty([Note("s1", text, tuple(spans)), Note("s2", "none")], private)
    # "aspirin" counts once and is no "Aspirins"; a mark is no mention.
    assert found == {
        "all": {"count": 2, "n": 4},
        "DRUG": {"count": 2, "n": 3},
        "PROCEDURE": {"count": 0, "n": 1},
    }
    assert novelty([Note("s", "x", ())], private) == {"all": {"count": 0, "n": 0}}
