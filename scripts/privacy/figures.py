"""Numbers as the report shows them: a share with its n and interval, and what zero in n proves."""

from typing import Any


def share(count: int, n: int) -> dict[str, Any]:
    """COUNT of N with Wilson's 95 % interval; for zero the upper bound is 3/n (rule of three), which is the weaker."""
    from scipy.stats import binomtest

    if not n:
        return {"count": count, "n": 0, "ci95": [0.0, 1.0]}
    low, high = binomtest(count, n).proportion_ci(0.95, method="wilson")
    high = high if count else min(1.0, 3 / n)
    return {"count": count, "n": n, "ci95": [round(float(low), 4), round(float(high), 4)]}


def quantiles(values: Any) -> dict[str, Any]:
    """The median, the 95th percentile and the maximum of VALUES, with their n."""
    import numpy as np

    if not len(values):
        return {"n": 0}
    median, high = np.percentile(values, [50, 95])
    return {"n": len(values), "median": float(median), "q95": float(high), "max": float(np.max(values))}
