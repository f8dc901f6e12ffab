"""Numbers as the report shows them: a share with its n and interval, and what zero in n proves."""

from collections.abc import Sequence
from math import exp, lgamma, sqrt
from typing import Any

Z95 = 1.959964


def share(count: int, n: int) -> dict[str, Any]:
    """COUNT of N with Wilson's 95 % interval; zero in n proves, one-sided, an upper bound of 3/n (rule of three)."""
    if not n:
        return {"count": count, "n": 0, "ci95": [0.0, 1.0]}
    low, high = wilson(count, n)
    bounds = [low, high if count else min(1.0, 3 / n)]
    return {"count": count, "n": n, "ci95": [round(bound, 4) for bound in bounds]}


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of COUNT in N (not 0)."""
    part, spread = count / n, Z95 * Z95 / n
    half = sqrt(spread * (part * (1 - part) + spread / 4))
    low, high = ((part + spread / 2 + sign * half) / (1 + spread) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def excess_risk(count: int, n: int, control: int, n_control: int) -> dict[str, Any]:
    """(rate - control's rate) / (1 - control's rate) with its 95 % interval: Anonymeter's risk (Giomi et al. 2023).

    1 - risk is a ratio of two shares of failures; its interval comes from their Wilson limits (MOVER, Donner and Zou
    2012), so that 0 of N against 0 has Wilson's own upper limit. Unknown where the control always succeeds.
    """
    if not n or control == n_control:
        return {"value": None, "ci95": [None, 1.0]}
    failed, failed_control = 1 - count / n, 1 - control / n_control
    high, low = (1 - bound for bound in wilson(count, n))
    high_control, low_control = (1 - bound for bound in wilson(control, n_control))
    product = failed * failed_control
    least, most = low * (2 * failed - low), high * (2 * failed - high)
    least_control = low_control * (2 * failed_control - low_control)
    most_control = high_control * (2 * failed_control - high_control)
    lowest = least / (product + sqrt(product**2 - least * most_control)) if least else 0.0
    highest = (product + sqrt(product**2 - most * least_control)) / least_control
    return {
        "value": round(1 - failed / failed_control, 4),
        "ci95": [round(1 - highest, 4), round(1 - lowest, 4)],
    }


def fisher(count: int, n: int, control: int, n_control: int) -> float:
    """The p-value of COUNT of N being more than CONTROL of N_CONTROL by chance (Fisher's exact test, one-sided)."""
    hits, total = count + control, n + n_control
    as_large = range(count, min(hits, n) + 1)
    return min(
        1.0, sum(exp(_log_ways(n, k) + _log_ways(n_control, hits - k) - _log_ways(total, hits)) for k in as_large)
    )


def exceeds(count: int, n: int, control: int, n_control: int, alpha: float = 0.05) -> bool:
    """Whether COUNT of N is significantly more than CONTROL of N_CONTROL by Fisher's exact test."""
    return fisher(count, n, control, n_control) <= alpha


def holm(p_values: Sequence[float]) -> list[float]:
    """P_VALUES adjusted so that those below alpha hold a false one with probability alpha at most (Holm 1979)."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def quantiles(values: Any) -> dict[str, Any]:
    """The median, the 95th percentile and the maximum of VALUES, with their n."""
    import numpy as np

    if not len(values):
        return {"n": 0}
    median, high = np.percentile(values, [50, 95])
    return {"n": len(values), "median": round(float(median), 2), "q95": round(float(high), 2), "max": max(values)}


def _log_ways(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose K of N."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
