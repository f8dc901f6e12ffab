"""Scores from counts, and how far they can be trusted: pure functions on arrays.

Counts are arrays of (..., 3): true positives, false positives, false negatives. A score whose denominator is zero is
not a number: with nothing predicted there is no precision, with nothing in gold no recall, and with neither no F1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

N_RESAMPLES = 2000


Score = Callable[[np.ndarray], np.ndarray]  # counts summed over notes, (..., *, 3) -> (...)


def precision(counts: np.ndarray) -> np.ndarray:
    """The share of what is predicted that is right."""
    return _divide(counts[..., 0], counts[..., 0] + counts[..., 1])


def recall(counts: np.ndarray) -> np.ndarray:
    """The share of what is in gold that is found."""
    return _divide(counts[..., 0], counts[..., 0] + counts[..., 2])


def f1(counts: np.ndarray) -> np.ndarray:
    """The harmonic mean of precision and recall; 0 if one of them is undefined and something was missed or invented."""
    return _divide(2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2])


def micro_f1(counts: np.ndarray) -> np.ndarray:
    """F1 of the counts summed over labels; the axis before the last is the labels'."""
    return f1(counts.sum(axis=-2))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """The mean of the labels' F1s, over labels for which it is defined; the axis before the last is the labels'."""
    scores = f1(counts)
    return _divide(np.nansum(scores, axis=-1), (~np.isnan(scores)).sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Estimate:
    """A score, and the same score on DRAWS of other notes.

    Draw i of any two estimates with equal numbers of notes and an equal seed is made of the same notes, so that `a - b`
    and `a / b` are paired comparisons of two systems.
    """

    value: float
    draws: np.ndarray

    @property
    def ci95(self) -> tuple[float, float]:
        """The percentile interval, over the draws for which the score is defined."""
        defined = self.draws[np.isfinite(self.draws)]
        if not len(defined):
            return float("nan"), float("nan")
        low, high = np.percentile(defined, [2.5, 97.5])
        return float(low), float(high)

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value - other.value, self.draws - other.draws)

    def __truediv__(self, other: "Estimate") -> "Estimate":
        value = _divide(np.asarray(self.value), np.asarray(other.value))
        return Estimate(float(value), _divide(self.draws, other.draws))


def estimate(runs: np.ndarray, score: Score, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Estimate:
    """SCORE of a system, averaged over its RUNS, an array of (runs, notes, ..., 3); a run is a training seed.

    Each draw takes as many notes as there are, with replacement and the same for every run, and as many runs as there
    are, with replacement. The interval thus covers the choice of notes and, from two runs on, the chance in training;
    three runs show little of that, and one run none. It covers neither errors in the gold nor a change of hospital.
    Two systems with equally many runs are compared run by run.
    """
    if runs.ndim < 3 or not (runs.shape[0] and runs.shape[1]):
        raise ValueError(f"counts of shape {runs.shape}, not (runs, notes, ..., 3)")
    n_runs, n_notes = runs.shape[:2]
    note_weights = _draw(n_notes, n_resamples, "notes", seed)
    run_weights = _draw(n_runs, n_resamples, "runs", seed) / n_runs
    by_run = np.array([score(np.tensordot(note_weights, run, axes=1)) for run in runs])
    # A run that is not drawn must not spoil the draw with its undefined score: 0 * nan is nan.
    weighted = np.where(run_weights.T > 0, run_weights.T * by_run, 0)
    return Estimate(float(score(runs.sum(axis=1)).mean()), weighted.sum(axis=0))


@lru_cache(maxsize=8)
def _draw(n_items: int, n_resamples: int, what: Literal["notes", "runs"], seed: int) -> np.ndarray:
    """How often each of N_ITEMS is drawn in each resample: an array of (resamples, items) whose rows sum to N_ITEMS."""
    random = np.random.default_rng([seed, n_items, len(what)])  # streams of their own for notes and for runs
    weights = random.multinomial(n_items, np.full(n_items, 1 / n_items), size=n_resamples).astype(float)
    weights.flags.writeable = False  # it is shared by all who ask again
    return weights


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A / B, not a number where B is zero."""
    a, b = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b != 0)
