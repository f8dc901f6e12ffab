"""The table of an evaluation: every system's scores side by side, and which differences are real."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from .spans import MEASURES
from .statistics import N_RESAMPLES, Estimate, estimate, f1, macro_f1, micro_f1, precision, recall

MICRO, MACRO = "micro", "macro"

# The questions an evaluation answers wherever both systems are there.
COMPARISONS: tuple[tuple[str, str, str, Callable[[Estimate, Estimate], Estimate]], ...] = (
    ("student", "annotator", "difference", lambda a, b: a - b),
    ("student", "upper_bound", "ratio", lambda a, b: a / b),
    ("annotator", "dictionary", "difference", lambda a, b: a - b),
    ("labelled_and_silver", "upper_bound", "ratio", lambda a, b: a / b),
)


def compare_systems(
    runs: Mapping[str, np.ndarray], labels: Sequence[str], n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """The scores of each system and their comparisons, as JSON without any text.

    RUNS holds for each system what `count_notes` returns, stacked over training seeds: (runs, notes, labels, measures,
    3). A number that is undefined is null. `ci95` belongs to F1 and is described at `statistics.estimate`.
    """
    n_notes = {counts.shape[1] for counts in runs.values()}
    if len(n_notes) != 1:
        raise ValueError(f"systems scored on {sorted(n_notes)} notes cannot be compared")
    estimates = {name: _estimate_f1s(counts, labels, n_resamples, seed) for name, counts in runs.items()}
    return {
        "n_notes": n_notes.pop(),
        "labels": list(labels),
        "n_resamples": n_resamples,
        "seed": seed,
        "systems": {
            name: {"n_runs": len(counts), "scores": _describe_system(counts, labels, estimates[name])}
            for name, counts in runs.items()
        },
        "comparisons": [
            {"a": a, "b": b, "kind": kind, "measure": "strict", "scope": scope} | describe(compare(x, y))
            for a, b, kind, compare in COMPARISONS
            if a in estimates and b in estimates
            for scope in (MICRO, *labels)
            for x, y in [(estimates[a][scope, "strict"], estimates[b][scope, "strict"])]
        ],
    }


def describe(estimate: Estimate) -> dict[str, Any]:
    """ESTIMATE as JSON: `value` and `ci95`, null where undefined."""
    low, high = estimate.ci95
    return {"value": _number(estimate.value), "ci95": [_number(low), _number(high)]}


def _estimate_f1s(
    runs: np.ndarray, labels: Sequence[str], n_resamples: int, seed: int
) -> dict[tuple[str, str], Estimate]:
    """F1 by scope and measure."""
    estimates = {}
    for m, measure in enumerate(MEASURES):
        counts = runs[:, :, :, m]
        estimates[MICRO, measure] = estimate(counts, micro_f1, n_resamples, seed)
        estimates[MACRO, measure] = estimate(counts, macro_f1, n_resamples, seed)
        for row, label in enumerate(labels):
            estimates[label, measure] = estimate(counts[:, :, row], f1, n_resamples, seed)
    return estimates


def _describe_system(
    runs: np.ndarray, labels: Sequence[str], estimates: Mapping[tuple[str, str], Estimate]
) -> dict[str, Any]:
    """Scope → counts of spans, and measure → F1, its interval, precision and recall; means over runs."""
    by_run = runs.sum(axis=1)  # (runs, labels, measures, 3)
    counts = {MICRO: by_run.sum(axis=1)} | {label: by_run[:, row] for row, label in enumerate(labels)}
    described: dict[str, Any] = {}
    for scope, scope_counts in counts.items():
        tp, fp, fn = scope_counts[:, MEASURES.index("strict")].mean(axis=0)
        described[scope] = {"n_gold": round(tp + fn), "n_predicted": round(float(tp + fp), 1)}
        for m, measure in enumerate(MEASURES):
            described[scope][measure] = {
                **_rename_value(describe(estimates[scope, measure])),
                "precision": _number(precision(scope_counts[:, m]).mean()),
                "recall": _number(recall(scope_counts[:, m]).mean()),
            }
    described[MACRO] = {m: _rename_value(describe(estimates[MACRO, m])) for m in MEASURES}
    return described


def _rename_value(described: dict[str, Any]) -> dict[str, Any]:
    return {"f1": described["value"], "ci95": described["ci95"]}


def _number(value: float) -> float | None:
    return round(float(value), 4) if isfinite(value) else None
