"""Near-duplicates by hand-counted runs of words."""

import pytest

from scripts.notes.near_duplicates import Pair, firsts, near_duplicates
from scripts.notes.note import Note

WORDS = [f"word{i}" for i in range(104)]  # 100 runs of five
TEXT = " ".join(WORDS)


def test_similarity_is_the_share_of_common_runs():
    one_changed = " ".join([*WORDS[:-1], "other"])  # 99 of 101 runs in common
    cut = " ".join(WORDS[:54])  # 50 of 100
    left = [Note("a", TEXT), Note("b", "something else altogether, and quite a lot of it")]
    right = [
        Note("same", TEXT.upper()),
        Note("changed", one_changed),
        Note("cut", cut),
        Note("none", "no word of it here at all"),
    ]
    pairs = near_duplicates(left, right)
    assert pairs == [Pair("a", "same", 1.0), Pair("a", "changed", pytest.approx(99 / 101)), Pair("a", "cut", 0.5)]
    assert near_duplicates(left, right, threshold=0.9) == pairs[:2]


def test_short_notes_and_empty_sets():
    assert near_duplicates([Note("a", "No change.")], [Note("b", "no change")]) == [Pair("a", "b", 1.0)]
    assert near_duplicates([], [Note("b", "no change")]) == []
    assert near_duplicates([Note("a", "No change.")], []) == []


def test_the_first_of_each_group_stays_and_what_is_dropped_drops_nothing():
    half, end = " ".join(WORDS[:54]), " ".join(WORDS[50:])  # 50 of 100 runs each, none in common
    texts = [TEXT, "no word of it here at all", half, end, TEXT.upper(), half]
    notes = [Note(f"n{i}", text) for i, text in enumerate(texts)]
    assert firsts(notes, 0.5) == [0, 1]
    assert firsts(notes, 0.51) == [0, 1, 2, 3]
    assert firsts([notes[2], notes[0], notes[3]], 0.5) == [0, 2]  # TEXT is dropped, and END is like nothing but TEXT
    assert firsts([], 0.5) == []
