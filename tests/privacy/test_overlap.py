import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.privacy.normalize import tokenize
from scripts.privacy.overlap import count_grams, gap_lcs, measure_excess, number_tokens, run_lengths

notes = st.lists(st.lists(st.sampled_from("abc"), max_size=12).map(" ".join), min_size=1, max_size=4)


def numbered(*groups: list[str]):
    return number_tokens(*([tokenize(text) for text in group] for group in groups))


def test_runs_by_hand():
    query, reference = numbered(["a b c x", "b c"], ["z b c", "c x a b"])
    #   a b | b c | c x | x; the second note: b c | c
    assert run_lengths(query, reference).tolist() == [2, 2, 2, 1, 2, 1]


def test_a_run_does_not_cross_from_one_note_to_the_next():
    query, reference = numbered(["a b"], ["a", "b"])
    assert run_lengths(query, reference).tolist() == [1, 1]


@settings(max_examples=80, deadline=None)
@given(notes, notes)
def test_runs_agree_with_looking_at_every_pair(left, right):
    query, reference = numbered(left, right)
    expected = []
    for text in left:
        words = text.split()
        for i in range(len(words)):
            runs = [n for n in range(1, len(words) - i + 1) if _holds(right, words[i : i + n])]
            expected.append(max(runs, default=0))
    assert run_lengths(query, reference).tolist() == expected


def _holds(texts: list[str], run: list[str]) -> bool:
    return any(f" {' '.join(run)} " in f" {text} " for text in texts)


def test_grams_of_each_note():
    query, reference = numbered(["a b c d", "a", "x b c"], ["a b c", "b c d"])
    lengths = run_lengths(query, reference)
    assert count_grams(query, lengths, 2).tolist() == [[3, 3], [0, 0], [1, 2]]
    assert count_grams(query, lengths, 3).tolist() == [[2, 2], [0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("text", "others", "expected"),
    [
        ("a b c d", ["x a b c d y"], 4),
        ("a b q c d", ["a b c d"], 3.5),  # one skipped
        ("a b c d", ["a b", "c d"], 2),  # nothing carries over to the next note
        ("a q q q q q b", ["a b"], 1),  # the gap costs more than the second token brings
        ("a b c", ["x y"], 0),
        ("a b c", [""], 0),
    ],
)
def test_paper_a_by_hand(text, others, expected):
    query, reference = numbered([text], others)
    assert gap_lcs(query.ids, reference) == expected


@settings(max_examples=80, deadline=None)
@given(notes, notes)
def test_paper_a_agrees_with_the_plain_recursion(left, right):
    query, reference = numbered(left[:1], right)
    best = 0.0
    for text in right:
        a, b = left[0].split(), text.split()
        score = np.zeros((len(a) + 1, len(b) + 1))
        for i in range(1, len(a) + 1):
            for j in range(1, len(b) + 1):
                match = score[i - 1, j - 1] + 1 if a[i - 1] == b[j - 1] else 0
                score[i, j] = max(0, match, score[i - 1, j] - 0.5, score[i, j - 1] - 0.5)
        best = max(best, score.max(initial=0))
    assert gap_lcs(query.ids, reference) == best


def test_an_excess_by_hand():
    private, holdout = np.array([[4, 10], [2, 10]]), np.array([[1, 10], [1, 10]])
    excess = measure_excess(private, holdout, seed=0)
    assert (excess.private, excess.holdout) == (0.3, 0.1)
    assert excess.value == pytest.approx(0.2)
    # resamples of two patients each: .2, .3 or .4 less .1
    assert excess.ci95 == pytest.approx((0.1, 0.3))
    # of the six ways to choose two of four patients one is as large
    assert excess.p == pytest.approx(1 / 6, abs=0.04)


def test_no_excess_where_both_sides_are_alike():
    same = np.array([[1, 10], [3, 10], [2, 10]])
    excess = measure_excess(same, same, seed=0)
    assert excess.ci95[0] < 0 < excess.ci95[1] and excess.p > 0.5
