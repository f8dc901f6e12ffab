import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.privacy.figures import exceeds, excess_risk, fisher, quantiles, share


def test_a_share_and_its_interval():
    assert share(3, 50) == {"count": 3, "n": 50, "ci95": [0.0206, 0.1622]}  # Wilson, by hand


def test_zero_in_n_is_bounded_by_three_in_n():
    assert share(0, 100)["ci95"] == [0.0, 0.03]
    assert share(0, 2)["ci95"] == [0.0, 1.0]
    assert share(0, 0)["ci95"] == [0.0, 1.0]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(0, 300))
def test_the_interval_of_a_share_agrees_with_scipy(count, rest):
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.binomtest(count, count + rest).proportion_ci(method="wilson")
    assert share(count, count + rest)["ci95"] == pytest.approx([theirs.low, theirs.high], abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_fishers_test_agrees_with_scipy(count, rest, control, control_rest):
    stats = pytest.importorskip("scipy.stats")
    p = stats.fisher_exact([[count, rest], [control, control_rest]], alternative="greater").pvalue
    counts = (count, count + rest, control, control + control_rest)
    assert fisher(*counts) == pytest.approx(p)
    if abs(p - 0.05) > 1e-9:
        assert exceeds(*counts) == (p <= 0.05)


def test_a_risk_by_hand():
    # 30 of 100 against 10 of 100: (.3 - .1) / .9
    assert excess_risk(30, 100, 10, 100)["value"] == 0.2222
    # Wilson's upper limit of 0 in n is z^2 / (n + z^2): 39 patients can bound a risk by .09, 38 cannot.
    assert excess_risk(0, 39, 0, 39)["ci95"][1] == 0.0897
    assert excess_risk(0, 38, 0, 38)["ci95"][1] == 0.0918


def test_a_risk_at_the_edges():
    assert excess_risk(7, 7, 0, 50)["value"] == 1 and excess_risk(7, 7, 0, 50)["ci95"][1] == 1
    # the control always succeeds: the attacker guesses, and nothing is known
    assert excess_risk(3, 7, 5, 5) == {"value": None, "ci95": [None, 1.0]}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(1, 30))
def test_the_interval_of_a_risk_holds_the_risk(count, rest, control, control_rest):
    if count + rest:
        risk = excess_risk(count, count + rest, control, control + control_rest)
        low, high = risk["ci95"]
        assert low <= risk["value"] <= high <= 1


def test_quantiles():
    assert quantiles([1, 2, 3, 4, 100]) == {"n": 5, "median": 3.0, "q95": 80.8, "max": 100}
    assert quantiles([]) == {"n": 0}
