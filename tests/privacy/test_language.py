from math import log

import numpy as np
import pytest
import torch

from scripts.privacy.language import WINDOW, _windows, neural_scores, ngram_scores
from scripts.privacy.normalize import tokenize


def scores(train: list[str], notes: list[str]) -> list[float]:
    sums, counts = ngram_scores([tokenize(text) for text in train], [tokenize(text) for text in notes])
    assert counts.tolist() == [len(text.split()) for text in notes]
    return sums.tolist()


# Of "a b a": P(a) = (2 + 2/3) / 5, P(b) = (1 + 2/3) / 5 with 1/3 for each of two words and all unknown ones.
A, B = 8 / 15, 1 / 3
B_AFTER_A = (1 + B) / 2
A_AFTER_AB = (1 + (1 + A) / 2) / 2


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("a b", log(B_AFTER_A / B)),
        ("a b a", log(B_AFTER_A / B) + log(A_AFTER_AB / A)),
        ("b", 0.0),  # the first word has no context
        ("c c", 0.0),  # nor does an unknown one give any
        ("a a", log((A / 2) / A)),  # "a" was followed by "b" alone
        ("", 0.0),
    ],
)
def test_witten_and_bell_by_hand(note, expected):
    assert scores(["a b a"], [note]) == pytest.approx([expected])


def test_contexts_do_not_cross_notes():
    assert scores(["a", "b"], ["a b"]) == pytest.approx([0.0])
    assert scores(["a b", "x"], ["a", "b"]) == pytest.approx([0.0, 0.0])


def test_each_note_is_scored_as_if_alone():
    train, notes = ["the cat sat on the mat", "a dog sat"], ["the cat ran", "sat on a mat", "dog"]
    together = scores(train, notes)
    assert together == pytest.approx([scores(train, [note])[0] for note in notes])


def test_a_copied_note_scores_above_a_shuffled_one():
    note = "one two three four five six seven eight nine ten"
    copied, shuffled = scores([note, "other words here"], [note, " ".join(sorted(note.split()))])
    assert copied > shuffled


TRAIN = [f"the patient number {i} took aspirin and went home" for i in range(30)]
NOTES = ["the patient number 7 took aspirin and went home", "home went and aspirin took patient the", "", "☃ zzz"]


@pytest.mark.slow
def test_the_neural_model_learns_repeats_with_its_seed_and_leaves_torchs_own_alone():
    state = torch.random.get_rng_state()
    sums, counts = neural_scores(TRAIN, NOTES, 6000, 0)
    again, _ = neural_scores(TRAIN, NOTES, 6000, 0)
    other, _ = neural_scores(TRAIN, NOTES, 6000, 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert sums.tolist() == again.tolist() != other.tolist()
    means = sums / np.maximum(counts, 1)
    assert means[0] > 1 > means[1]  # nats a token beyond single subwords
    assert counts[2] == 0 and np.isfinite(sums).all()


def test_windows_ask_for_each_id_but_the_first_once():
    ids = list(range(2 * WINDOW + 10))
    windows = _windows(ids)
    assert [id for window in windows for id in window[1:]] == ids[1:]
    assert max(map(len, windows)) == WINDOW + 1
    assert _windows([0]) == []
