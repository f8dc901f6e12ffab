"""The cost of privacy from counts by hand; its configs differ in epsilon alone."""

import numpy as np
import pytest

from benchmarks.privacy_cost import NONE, WITH, Run, rows_of, write_configs
from scripts.generators.load import load_generator
from scripts.notes.step import load_config
from scripts.scoring.spans import MEASURES

SPENT = {"epsilon": 7.95, "delta": 0.0123, "n_patients": 90, "noise_multiplier": 1.5, "steps": 10}


def counts(tp: int, fp: int, fn: int) -> np.ndarray:
    """Ten gold notes of one label, each with these counts under the strict measure and none under the others."""
    made = np.zeros((10, 1, len(MEASURES), 3))
    made[:, :, MEASURES.index("strict")] = tp, fp, fn
    return made


def test_the_cost_is_the_difference_to_the_same_seeds_without_privacy():
    runs = {
        NONE: [Run(counts(3, 1, 1), 120, {}), Run(counts(1, 1, 1), 120, {})],  # F1 3/4 and 1/2
        "epsilon 8": [Run(counts(1, 1, 1), 120, SPENT), Run(counts(0, 0, 2), 0, SPENT)],  # 1/2 and 0
    }
    rows = {row.measure: row for row in rows_of(runs, [4, 5])}
    assert rows["strict F1 micro: no privacy"].value == pytest.approx(0.625)
    assert rows["strict F1 micro: epsilon 8"].value == pytest.approx(0.25)
    cost = rows["cost in F1: epsilon 8"]
    assert (cost.value, cost.n, cost.seed) == (pytest.approx(0.375), 10, "4,5")
    # The notes are all alike, so that only seeds vary, which are compared one by one: 1/4 and 1/2.
    assert cost.ci95 == pytest.approx((0.25, 0.5))
    assert (rows["notes written: no privacy"].value, rows["notes written: epsilon 8"].value) == (240, 120)
    spent = rows["epsilon spent, delta 0.012: epsilon 8"]
    assert (spent.value, spent.n) == (7.95, 90)
    assert rows["noise in clipping norms: epsilon 8"].value == 1.5
    assert len(rows) == 2 + 5


def test_settings_differ_in_epsilon_alone(tmp_path):
    configs = write_configs(tmp_path)
    assert list(configs) == ["no privacy", "epsilon 8", "epsilon 2"]
    assert load_generator(configs[NONE]).privacy is None
    shipped = load_config(WITH)
    for epsilon in (8.0, 2.0):
        made = load_config(configs[f"epsilon {epsilon:g}"])
        assert load_generator(configs[f"epsilon {epsilon:g}"]).privacy.epsilon == epsilon
        made["generator"]["privacy"]["epsilon"] = shipped["generator"]["privacy"]["epsilon"]
        assert made == shipped
