"""Witten and Bell's model by hand; tests/privacy/test_language.py has more of it."""

from math import log2

import pytest

from scripts.notes.ngrams import NgramModel, words_of

# Of "a b a": P(a) = (2 + 2/3) / 5, P(b) = (1 + 2/3) / 5 with 1/3 for each of two symbols and all unknown ones.
A, B = 8 / 15, 1 / 3


def test_each_order_by_hand():
    shares, owner = NgramModel(["aba"], 3).probabilities(["ab", "", "c", "aba"])
    assert owner.tolist() == [0, 0, 2, 3, 3, 3]
    unknown = (0 + 2 / 3) / 5
    assert shares[0] == pytest.approx([A, B, unknown, A, B, A])
    # After "a" came "b", once: (1 + P(b)) / 2; after "b" came "a", once.
    b_after_a, a_after_b = (1 + B) / 2, (1 + A) / 2
    assert shares[1] == pytest.approx([A, b_after_a, unknown, A, b_after_a, a_after_b])
    assert shares[2] == pytest.approx([A, b_after_a, unknown, A, b_after_a, (1 + a_after_b) / 2])


def test_bits_are_summed_by_sequence():
    sums, lengths = NgramModel([["a", "b", "a"]], 2).bits([["b"], [], ["a", "b"]])
    assert sums.tolist() == pytest.approx([-log2(B), 0.0, -log2(A) - log2((1 + B) / 2)])
    assert lengths.tolist() == [1, 0, 2]


def test_contexts_do_not_cross_sequences():
    shares, _ = NgramModel(["ab", "c"], 2).probabilities(["a", "b", "bc"])
    # Four kinds with the unknown one; each of a, b, c occurs once in three: (1 + 3/4) / 6.
    assert shares[1] == pytest.approx([7 / 24, 7 / 24, 7 / 24, 7 / 24])


def test_who_knows_nothing_finds_all_alike():
    model = NgramModel([], 2)
    assert model.bits(["ab"])[0].tolist() == [0.0]  # one kind alone: the unknown
    assert not model.knows("a")
    assert NgramModel(["a"], 2).knows("a")


def test_words_have_no_case():
    assert words_of("BP 120/80, Straße.") == ["bp", "120", "80", "strasse"]
