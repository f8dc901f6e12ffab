"""The evaluation's JSON, against counts made by hand."""

import json

import numpy as np
import pytest

from scripts.scoring.report import compare_systems
from scripts.scoring.spans import MEASURES

LABELS = ["DRUG", "PROCEDURE"]


def runs_of(*counts_by_note):
    """One run in which all measures have the same counts; each note gives (tp, fp, fn) for both labels."""
    counts = np.array(counts_by_note, dtype=float)[None, :, :, None, :]
    return np.repeat(counts, len(MEASURES), axis=3)


STUDENT = runs_of([(3, 1, 0), (0, 0, 2)], [(1, 0, 1), (1, 1, 0)])
ANNOTATOR = runs_of([(2, 1, 1), (0, 0, 2)], [(1, 0, 1), (1, 1, 0)])
SILENT = runs_of([(0, 0, 3), (0, 0, 2)], [(0, 0, 2), (0, 0, 1)])


def test_scores_by_hand():
    report = compare_systems({"student": STUDENT}, LABELS, n_resamples=200)
    scores = report["systems"]["student"]["scores"]
    assert (report["n_notes"], report["labels"], report["comparisons"]) == (2, LABELS, [])
    assert (scores["micro"]["n_gold"], scores["micro"]["n_predicted"]) == (8, 7)
    assert (scores["DRUG"]["n_gold"], scores["DRUG"]["n_predicted"]) == (5, 5)
    assert scores["DRUG"]["strict"]["f1"] == pytest.approx(8 / 10)
    assert scores["PROCEDURE"]["strict"]["precision"] == pytest.approx(1 / 2)
    assert scores["PROCEDURE"]["strict"]["recall"] == pytest.approx(1 / 3, abs=1e-4)
    assert scores["micro"]["strict"]["f1"] == pytest.approx(10 / (10 + 2 + 3), abs=1e-4)
    assert scores["macro"]["strict"]["f1"] == pytest.approx((0.8 + 0.4) / 2)
    # a quarter of the draws is the first note twice, another the second
    assert scores["DRUG"]["token"]["ci95"] == pytest.approx([2 / 3, 6 / 7], abs=1e-4)


def test_comparisons_follow_from_the_systems_there():
    report = compare_systems({"student": STUDENT, "annotator": ANNOTATOR, "teacher": ANNOTATOR}, LABELS)
    assert {(c["a"], c["b"], c["kind"]) for c in report["comparisons"]} == {("student", "annotator", "difference")}
    assert [c["scope"] for c in report["comparisons"]] == ["micro", *LABELS]
    # 10/15 - 8/14, and both labels apart
    values = [c["value"] for c in report["comparisons"]]
    assert values == pytest.approx([10 / 15 - 8 / 14, 8 / 10 - 6 / 9, 0], abs=1e-4)
    same = report["comparisons"][2]
    assert same["ci95"] == [0, 0]


def test_the_ratio_to_the_upper_bound():
    report = compare_systems({"student": ANNOTATOR, "upper_bound": STUDENT}, LABELS)
    assert report["comparisons"][0]["kind"] == "ratio"
    assert report["comparisons"][0]["value"] == pytest.approx((8 / 14) / (10 / 15), abs=1e-4)


def test_a_silent_system_has_no_precision_and_the_file_is_json():
    report = compare_systems({"annotator": ANNOTATOR, "dictionary": SILENT}, LABELS, n_resamples=50)
    strict = json.loads(json.dumps(report, allow_nan=False))["systems"]["dictionary"]["scores"]["micro"]["strict"]
    assert strict == {"f1": 0, "ci95": [0, 0], "precision": None, "recall": 0}


def test_several_runs_are_averaged():
    both = np.concatenate([STUDENT, ANNOTATOR])
    system = compare_systems({"student": both}, LABELS, n_resamples=50)["systems"]["student"]
    assert system["n_runs"] == 2
    assert system["scores"]["micro"]["strict"]["f1"] == pytest.approx((10 / 15 + 8 / 14) / 2, abs=1e-4)
    assert system["scores"]["micro"]["n_predicted"] == 6.5


def test_systems_on_other_notes_are_not_compared():
    with pytest.raises(ValueError, match="cannot be compared"):
        compare_systems({"student": STUDENT, "annotator": ANNOTATOR[:, :1]}, LABELS)
