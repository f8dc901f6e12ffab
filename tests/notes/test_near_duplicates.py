"""Near-duplicates by hand-counted runs of words."""

import random

import numpy as np
import pytest

from scripts.notes import near_duplicates as module
from scripts.notes.near_duplicates import Alike, Buckets, Pair, _last_before, firsts, near_duplicates
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


def test_the_last_one_before_that_is_the_same_and_listed():
    keys = np.array([7, 5, 7, 7, 5, 9, 7], dtype=np.uint32)
    assert _last_before(keys, 7).tolist() == [-1, -1, 0, 2, 1, -1, 3]
    assert _last_before(keys, 3).tolist() == [-1, -1, 0, 2, 1, -1, 2]  # the fourth and later are found by none


def test_what_is_left_out_is_found_no_more():
    buckets = Buckets([TEXT] * 5, 5, 5, 0.5)
    assert buckets.find(4) == [0, 1, 2, 3]
    buckets.leave_out(1)
    buckets.leave_out(3)
    assert buckets.find(4) == buckets.find(4) == [0, 2]
    assert buckets.find(3) == [0, 2] and buckets.find(0) == []


@pytest.mark.slow
def test_they_find_what_an_index_of_all_texts_finds(monkeypatch):
    """Texts that share parts of each other, some of them the same, compared with one text after the other."""
    monkeypatch.setattr(module, "N_HELD", 3)
    draw, parts = random.Random(0), [" ".join(f"w{i}x{j}" for j in range(9)) for i in range(12)]
    notes = [Note(f"n{i}", " ".join(draw.choices(parts, k=draw.choice((2, 3, 4))))) for i in range(120)]
    for threshold in (0.3, 0.6):
        index, kept = Alike(threshold), []
        for i, note in enumerate(notes):
            if not index.find(note.text):
                index.add(i, note.text)
                kept.append(i)
        assert firsts(notes, threshold) == kept
        assert 10 < len(kept) < 110
        left, index = notes[:60], Alike(threshold)
        for note in left:
            index.add(note.id, note.text)
        found = {(left, note.id, similarity) for note in notes[60:] for left, similarity in index.find(note.text)}
        pairs = near_duplicates(left, notes[60:], threshold)
        assert {(pair.left, pair.right, pair.similarity) for pair in pairs} == found and len(pairs) == len(found) > 10
