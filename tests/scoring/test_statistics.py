"""Scores and intervals against values computed by hand."""

import math

import numpy as np
import pytest

from scripts.scoring.statistics import Estimate, estimate, f1, macro_f1, micro_f1, precision, recall


def test_scores_by_hand():
    counts = np.array([3.0, 1.0, 2.0])
    assert precision(counts) == pytest.approx(3 / 4)
    assert recall(counts) == pytest.approx(3 / 5)
    assert f1(counts) == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 0, 0), (math.nan, math.nan, math.nan)),
        ((0, 0, 4), (math.nan, 0, 0)),  # nothing predicted
        ((0, 4, 0), (0, math.nan, 0)),  # nothing in gold
        ((0, 2, 2), (0, 0, 0)),
        ((4, 0, 0), (1, 1, 1)),
    ],
)
def test_empty_cases(counts, expected):
    scores = [float(score(np.array(counts, dtype=float))) for score in (precision, recall, f1)]
    assert scores == pytest.approx(expected, nan_ok=True)


def test_micro_sums_counts_and_macro_averages_defined_labels():
    counts = np.array([[8.0, 2, 0], [0, 0, 2], [0, 0, 0]])  # F1 16/18, 0 and undefined
    assert micro_f1(counts) == pytest.approx(16 / (16 + 2 + 2))
    assert macro_f1(counts) == pytest.approx((16 / 18 + 0) / 2)
    assert math.isnan(macro_f1(np.zeros((2, 3))))


def notes(*rows):
    return np.array(rows, dtype=float)[None]


def test_an_estimate_is_the_score_of_the_sum_and_draws_repeat():
    runs = notes((1, 0, 0), (0, 1, 1), (2, 0, 1))
    found = estimate(runs, f1, n_resamples=200)
    assert found.value == pytest.approx(6 / (6 + 1 + 2))
    assert (found.draws == estimate(runs, f1, n_resamples=200).draws).all()
    assert (found.draws != estimate(runs, f1, n_resamples=200, seed=1).draws).any()


def test_two_notes_have_three_draws_with_known_chances():
    """One note right and one wrong: draws are (2,0), (1,1), (0,2) with chances 1/4, 1/2, 1/4."""
    found = estimate(notes((1, 0, 0), (0, 1, 1)), f1, n_resamples=4000)
    values, n_draws = np.unique(found.draws, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    assert n_draws / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert found.ci95 == (0, 1)


def test_the_interval_is_the_percentile_one():
    draws = np.append(np.arange(1001) / 1000, np.nan)  # an undefined draw is left out
    assert Estimate(0.5, draws).ci95 == pytest.approx((0.025, 0.975))
    assert np.isnan(Estimate(math.nan, np.array([np.nan])).ci95).all()


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        right = random.random(80) < 0.7
        counts = np.stack([right, ~right, ~right], axis=1).astype(float)[None]
        low, high = estimate(counts, precision, n_resamples=400, seed=seed).ci95
        hits += low <= 0.7 <= high
    assert 0.90 <= hits / 200 <= 0.98


def test_a_difference_is_paired():
    """B is A with one note fewer right: each alone varies widely, but the difference hardly."""
    a = notes(*[(1, 0, 0)] * 20, *[(0, 1, 1)] * 20)
    b = a.copy()
    b[0, 0] = (0, 1, 1)
    difference = estimate(a, f1) - estimate(b, f1)
    assert difference.value == pytest.approx(1 / 40)
    low, high = difference.ci95
    assert low == 0 and high <= 4 / 40
    assert (estimate(a, f1) - estimate(a, f1)).ci95 == (0, 0)


def test_a_ratio_leaves_out_draws_without_denominator():
    a, b = notes((1, 0, 0), (1, 0, 0)), notes((1, 0, 0), (0, 0, 1))
    ratio = estimate(a, recall) / estimate(b, recall)
    assert ratio.value == pytest.approx(2)
    assert ratio.ci95 == (1, 2)
    assert np.isnan(ratio.draws).any()
    assert math.isnan((Estimate(1.0, np.ones(2)) / Estimate(0.0, np.zeros(2))).value)


def test_runs_are_averaged_and_widen_the_interval():
    good, bad = [(9, 1, 1)] * 30, [(5, 5, 5)] * 30
    pooled = estimate(np.array([good, bad], dtype=float), f1)
    assert pooled.value == pytest.approx((0.9 + 0.5) / 2)
    values, n_draws = np.unique(pooled.draws.round(9), return_counts=True)
    assert values.tolist() == [0.5, 0.7, 0.9]  # both runs bad, one each, both good
    assert n_draws / 2000 == pytest.approx([0.25, 0.5, 0.25], abs=0.04)


def test_runs_and_notes_are_drawn_apart():
    """As many runs as notes: if both were drawn alike, the run that is right on a note would come with that note."""
    right, wrong = (1, 0, 0), (0, 1, 1)
    found = estimate(np.array([[right, wrong], [wrong, right]], dtype=float), f1)
    assert found.draws.mean() == pytest.approx(0.5, abs=0.03)


def test_a_run_without_a_score_spoils_only_the_draws_that_hold_it():
    pooled = estimate(np.array([[(1, 0, 0)], [(0, 0, 0)]], dtype=float), f1)
    assert math.isnan(pooled.value)
    assert np.isnan(pooled.draws).mean() == pytest.approx(0.75, abs=0.04)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="runs, notes"):
        estimate(np.zeros((0, 3)), f1)
    with pytest.raises(ValueError, match="runs, notes"):
        estimate(np.zeros((1, 0, 3)), f1)
