from dataclasses import replace

import numpy as np
import pytest

from scripts.notes.note import Note
from scripts.privacy.check import Evidence
from scripts.privacy.distance import nearest_distances
from scripts.privacy.normalize import tokenize
from scripts.privacy.overlap import number_tokens

PRIVATE, HOLDOUT = "alpha beta gamma delta", "epsilon zeta eta theta"


def measure(synthetic: list[str]) -> np.ndarray:
    groups = ([PRIVATE, "iota kappa"], [HOLDOUT, "lambda mu"], synthetic)
    return nearest_distances(*number_tokens(*([tokenize(t) for t in group] for group in groups)), seed=0)


@pytest.fixture(scope="module")
def g7(policy):
    return policy.checks[-1]


def test_distances_by_hand():
    nearest = measure([PRIVATE, HOLDOUT, f"{PRIVATE} {HOLDOUT}", "alpha alpha alpha beta gamma delta"])
    # All words are equally rare: the third note's cosine with either side is 4 / (2 * sqrt(8)). The fourth's first word
    # weighs 1 + log 3 times the others: (4 + log 3) / (2 * sqrt(3 + (1 + log 3)^2)). Hashing costs .03 or so.
    repeated = (4 + np.log(3)) / (2 * np.sqrt(3 + (1 + np.log(3)) ** 2))
    expected = [[0, 1, 1 - 4 / np.sqrt(32), 1 - repeated], [1, 0, 1 - 4 / np.sqrt(32), 1]]
    assert nearest == pytest.approx(np.array(expected), abs=0.1)
    assert nearest[0, 0] == pytest.approx(0, abs=1e-6)


def test_hashed_distances_are_near_exact_ones(draw_clean):
    evidence = draw_clean(0)
    groups = [[tokenize(n.text) for n in side] for side in (evidence.private, evidence.holdout, evidence.synthetic)]
    private, holdout, synthetic = number_tokens(*groups)
    n_words = 1 + max(t.ids.max() for t in (private, holdout, synthetic))
    counts = [np.zeros((t.n_notes, n_words)) for t in (private, holdout, synthetic)]
    for matrix, tokens in zip(counts, (private, holdout, synthetic), strict=True):
        np.add.at(matrix, (tokens.note, tokens.ids), 1)
    n_holding = (counts[0] > 0).sum(axis=0) + (counts[1] > 0).sum(axis=0)
    weights = np.log((1 + private.n_notes + holdout.n_notes) / (1 + n_holding)) + 1
    vectors = [np.where(m > 0, 1 + np.log(np.maximum(m, 1)), 0) * weights for m in counts]
    vectors = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors]
    exact = np.array([1 - (vectors[2] @ side.T).max(axis=1) for side in vectors[:2]])
    nearest = nearest_distances(private, holdout, synthetic, seed=0)
    assert np.abs(nearest - exact).max() < 0.12 and np.abs(nearest - exact).mean() < 0.04


def test_copies_lie_nearer_to_the_private_notes(draw_clean, g7):
    evidence = draw_clean(2)
    n = len(evidence.synthetic)
    figures = g7(evidence).figures
    assert 0.2 < figures["notes_nearer_to_private"]["count"] / n < 0.8
    assert figures["notes_with_near_copy"]["count"] == 0
    whole = replace(evidence, private=evidence.private[: len(evidence.holdout)])
    copied = tuple(Note(f"c{i}", note.text) for i, note in enumerate(whole.private))
    result = g7(replace(whole, synthetic=copied))
    assert result.figures["notes_nearer_to_private"]["count"] == len(copied)
    assert result.figures["ratio"]["q95"] < 0.01 and result.verdict == "PASS" and not result.offenders


def test_either_side_is_drawn_in_the_same_number(draw_clean, g7):
    evidence = draw_clean(2)
    assert g7(evidence).figures["n_reference"] == min(len(evidence.private), len(evidence.holdout))
    assert replace(g7, n_reference=7)(evidence).figures["n_reference"] == 7


def test_notes_released_twice_are_counted(clean, g7):
    text = clean.synthetic[0].text
    near = Note("near", f"{text} Reviewed again at noon.")
    result = g7(replace(clean, synthetic=(*clean.synthetic, near)))
    assert result.figures["notes_with_near_copy"]["count"] == 2
    far = Note("far", " ".join(reversed(text.split())))
    assert g7(replace(clean, synthetic=(*clean.synthetic, far))).figures["notes_with_near_copy"]["count"] == 0


def test_one_note_of_each_kind(g7):
    notes = [(Note(side, text),) for side, text in (("p", PRIVATE), ("h", HOLDOUT), ("s", PRIVATE))]
    result = g7(Evidence(notes[0], notes[1], (), notes[2]))
    assert result.figures["ratio"] == {"n": 1, "min": 0, "q05": 0, "median": 0, "q95": 0}
