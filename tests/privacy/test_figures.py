import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.privacy.figures import exceeds, quantiles, share


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
    if abs(p - 0.05) > 1e-9:
        assert exceeds(count, count + rest, control, control + control_rest) == (p <= 0.05)


def test_quantiles():
    assert quantiles([1, 2, 3, 4, 100]) == {"n": 5, "median": 3.0, "q95": 80.8, "max": 100}
    assert quantiles([]) == {"n": 0}
