from pathlib import Path

import numpy as np
import pytest

from benchmarks.generators import CELLS, MEASURES, Cell, Run, draw, rows_of
from scripts.notes.note import Note

TRAIN = [Note(f"n{i:03}", "x") for i in range(500)]
DEV = [Note("dev", "x")]


@pytest.mark.parametrize(
    ("share", "dev", "n_learned", "n_chosen"),
    [(0.05, DEV, 20, 5), (0.25, DEV, 113, 12), (1.0, DEV, 405, 45), (0.05, None, 20, 5), (1.0, None, 315, 35)],
)
def test_labelled_notes_the_gate_s_and_the_scored_are_apart(share, dev, n_learned, n_chosen):
    parts = draw(TRAIN, share, 0, dev)
    assert (len(parts.learned), len(parts.chosen), len(parts.control)) == (n_learned, n_chosen, 50)
    assert len(parts.scored) == (1 if dev else 100)
    ids = [note.id for part in (parts.learned, parts.chosen, parts.control, parts.scored) for note in part]
    assert len(ids) == len(set(ids))


def test_seeds_draw_other_labelled_notes_and_score_the_same_ones():
    first, second = (draw(TRAIN, 0.05, seed) for seed in (0, 1))
    assert first.scored == second.scored
    assert {note.id for note in first.learned} != {note.id for note in second.learned}
    assert draw(TRAIN, 0.05, 0) == first


def counts(tp: int, fp: int, fn: int) -> np.ndarray:
    """Two notes, one label; every measure has the same counts in the first note, none in the second."""
    made = np.zeros((2, 1, len(MEASURES), 3), dtype=int)
    made[0, 0, :] = tp, fp, fn
    return made


def test_rows_by_hand():
    runs = [
        Run({"student": counts(6, 2, 2), "upper_bound": counts(8, 2, 2)}, 10, 9, 7, 0.01),
        Run({"student": counts(6, 2, 2), "upper_bound": counts(8, 2, 2)}, 10, 7, 9, 0.03),
    ]
    rows = {row.measure: row for row in rows_of("5 %", Cell(0.05, "x", 8, 10, 0.9, 0.99), runs, [3, 4])}
    assert rows["5 %: token F1, student"].value == 0.75  # 12 / (12 + 2 + 2)
    ratio = rows["5 %: token F1, student / upper bound"]
    assert (ratio.value, ratio.target, ratio.reached, ratio.n, ratio.seed) == (0.9375, 0.9, True, 2, "3,4")
    assert rows["5 %: strict F1, student / upper bound"].reached is False
    assert (rows["5 %: notes dropped by the gate"].value, rows["5 %: notes dropped by the gate"].n) == (4, 20)
    assert rows["5 %: longest run of train"].value == 9
    assert rows["5 %: 8-grams of train that stand in the notes"].value == 0.02


def test_every_cell_names_a_shipped_generator():
    assert all(Path(f"configs/generator/{cell.generator}.cfg").is_file() for cell in CELLS.values())
