"""The benchmark at its smallest: the corpus by hand, and one dry run of a model that has learned nothing."""

import numpy as np
import pytest

from benchmarks import adaptation_hygiene, table
from benchmarks.adaptation_hygiene import COPIED, DAYS, MEASURES, copied_forward, interval, main, make_corpus, ratio
from scripts.notes.canaries import is_canary, planted
from scripts.notes.note import Note


@pytest.fixture(scope="module")
def corpus():
    return make_corpus(40)


@pytest.mark.slow
def test_a_third_of_the_patients_and_all_canaries_are_copied_forward(corpus):
    assert len(corpus.private) == 40 and len(corpus.canaries) == 4 * 2 * 2 and len(planted(corpus.canaries)) == 8
    patients = sorted({note.patient for note in corpus.private})[::COPIED]
    n_copied = sum(note.patient in patients for note in corpus.private)
    assert len(corpus.notes) == 40 - n_copied + DAYS * n_copied + DAYS * 8
    assert not any(map(is_canary, corpus.notes))
    for canary in planted(corpus.canaries):
        assert sum(canary.text in note.text for note in corpus.notes) == DAYS
        assert sum(note.patient == canary.patient for note in corpus.notes) == DAYS
    assert len({note.id for note in corpus.notes}) == len(corpus.notes)


def test_each_measure_leaves_what_it_says(corpus):
    n_left = {name: len(list(measure.stages(corpus.notes, 0))) for name, measure in MEASURES.items()}
    assert n_left["as they are"] == n_left["early stop"] == len(corpus.notes)
    assert n_left["near-duplicates removed"] == 40 + 8
    for name in ("2 notes a patient", "all three"):
        kept = [note.patient for note in MEASURES[name].stages(corpus.notes, 0)]
        assert max(map(kept.count, kept)) == 2


def test_a_copy_has_another_day_above_it():
    copies = copied_forward(Note("n", "Seen.", None, {"patient": "p"}))
    assert [(note.id, note.text) for note in copies] == [(f"n-{i}", f"Day {i}.\nSeen.") for i in (1, 2, 3, 4)]


def test_a_ratio_and_its_interval():
    assert ratio(np.array([[1, 4], [2, 2]])) == 0.5
    assert interval(np.array([[1, 2]] * 5)) == (0.5, 0.5)
    low, high = interval(np.array([[0, 1], [1, 1]] * 50))
    assert 0.38 < low < 0.43 and 0.57 < high < 0.62  # 0.5 ± 1.96 * 0.05


CONFIG = """
[generator]
@misc = "clinical.ScratchLM.v1"
control = ["genre"]
vocab_size = 400
n_layers = 1
width = 16
n_heads = 1
max_tokens = 64
[generator.schedule]
batch_size = 64
[generator.writing]
max_new_tokens = 20
min_words = 1
cut = true
max_attempts = 50.0
max_excess_bits = 9.0
"""


@pytest.mark.slow
def test_a_dry_run_has_all_figures(tmp_path, monkeypatch):
    (tmp_path / "tiny.cfg").write_text(CONFIG)
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    monkeypatch.setattr(adaptation_hygiene, "MEASURES", {name: MEASURES[name] for name in ("as they are", "all three")})
    main(tmp_path / "tiny.cfg", n_private=40, n_notes=3, n_epochs=1, seed=[0])
    rows = {row.measure: row for row in table.read_table("adaptation_hygiene")}
    assert len(rows) == 2 * 8
    assert rows["notes adapted on: all three"].value < rows["notes adapted on: as they are"].value
    assert rows["canaries emitted: as they are"].value == 0  # of a model that has learned nothing
    exposed = rows["canary exposure, 3.2 at most: as they are"]
    assert exposed.n == 8 and 0 <= exposed.ci95[0] <= exposed.value <= exposed.ci95[1] <= 3.2
