import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.privacy.roc import Separation

scores = st.lists(st.integers(0, 30), min_size=2, max_size=25)


def separation(members, others) -> Separation:
    return Separation(np.array(members, dtype=float), np.array(others, dtype=float))


@pytest.mark.parametrize(
    ("members", "others", "auc"), [([3, 1], [2, 0], 0.75), ([1], [1], 0.5), ([0], [1, 1], 0.0), ([2, 2], [2, 1], 0.75)]
)
def test_an_auc_by_hand(members, others, auc):
    assert separation(members, others).auc == auc


def test_a_standard_error_by_hand():
    # Shares of the other side below: 1 and .5; .5 and 0. Variances .125 each, two of each: sqrt(.125).
    assert separation([3, 1], [2, 0]).standard_error == pytest.approx(0.125**0.5)
    # DeLong's is 0 here; by chance it is sqrt(5 / 48).
    assert separation([3, 2], [1, 0]).standard_error == pytest.approx((5 / 48) ** 0.5)


def test_bounds_stay_within_zero_and_one_and_the_upper_one_is_one_sided():
    figures = separation(range(10, 20), range(10)).figures()
    assert figures["auc"] == 1.0 and figures["auc_ci95"][1] == 1.0 and figures["auc_ci95"][0] < 1
    assert separation([0, 2], [1, 3]).upper95 == pytest.approx(0.25 + 1.644854 * 0.125**0.5)


@settings(max_examples=60, deadline=None)
@given(scores, scores)
def test_the_auc_is_mann_whitneys(members, others):
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.mannwhitneyu(members, others).statistic / (len(members) * len(others))
    assert separation(members, others).auc == pytest.approx(theirs)


def test_p_is_mann_whitneys_where_its_variance_is_the_larger():
    stats = pytest.importorskip("scipy.stats")
    members, others = [3, 5, 7, 8, 9, 11], [0, 1, 2, 4, 6]
    theirs = stats.mannwhitneyu(members, others, alternative="greater", method="asymptotic").pvalue
    assert separation(members, others).p_above(0.5) == pytest.approx(theirs)
    assert separation(members, others).p_above(0.55) > theirs


def test_caught_are_members_above_all_others_but_one_in_a_hundred():
    assert separation([5, 4, 3, 2], [3, 1]).n_caught == 2  # not the one that ties
    others = np.arange(200)  # two of them may be above: the third highest is 197
    assert Separation(np.array([197.5, 198.5, 300.0, 0.0]), others).n_caught == 3


def test_p_of_the_caught_by_hand():
    two_first = separation([5, 4], [3, 2, 1])
    assert two_first.p_caught_above(0.5) == pytest.approx(2 / 5 * 1 / 4)
    # odds of 1.5 for each member: 3 / (3 + 3) and 1.5 / (1.5 + 3)
    assert two_first.p_caught_above(0.6) == pytest.approx(1 / 6)
    assert separation([1, 0], [3, 2]).p_caught_above(0.5) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(100, 320), st.integers(0, 60))
def test_p_of_the_caught_is_hypergeometric_at_one_half(m, n, n_caught):
    stats = pytest.importorskip("scipy.stats")
    n_caught, allowed = min(m, n_caught), n // 100
    found = Separation(np.array([n + 1.0] * n_caught + [-1.0] * (m - n_caught)), np.arange(n))
    theirs = stats.hypergeom.cdf(allowed, m + n, n, n_caught + allowed) if n_caught else 1.0
    assert found.p_caught_above(0.5) == pytest.approx(theirs)


def test_p_of_the_caught_holds_its_level_under_the_model_that_it_assumes():
    """Exponential waiting times with rates in the odds of .55: 5 % at most are below .05."""
    random = np.random.default_rng(0)
    draws = [
        Separation(-random.exponential(0.45 / 0.55, 80), -random.exponential(1.0, 120)).p_caught_above(0.55)
        for _ in range(400)
    ]
    assert np.mean(np.array(draws) <= 0.05) <= 0.075  # .05 and two standard errors
    assert np.mean(np.array(draws) <= 0.5) > 0.25  # nor does it sleep


def test_sizes_that_can_show_a_low_rate():
    # Twice one in a hundred: 20 of 1000 is below .05 (Wilson: .031), 4 of 200 is not (.0503).
    assert separation(range(1000), range(100)).shows_tpr(0.05)
    assert not separation(range(200), range(100)).shows_tpr(0.05)
    assert not separation(range(1000), range(99)).shows_tpr(0.05)
