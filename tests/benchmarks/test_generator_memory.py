"""The benchmark's notes are sound, and its generator is one."""

from pathlib import Path

import pytest

from benchmarks import generator_memory
from benchmarks.generator_memory import CONFIG, notes, sentences_of
from scripts.corpora.read import read_corpus
from scripts.generators.load import load_generator
from scripts.notes.note import Note, Span, check_note


def test_sentences_keep_the_spans_inside_them():
    note = Note("n", "On aspirin. Had a\nCT head! Well", (Span(3, 10, "DRUG"), Span(16, 20, "X"), Span(18, 25, "PROC")))
    parts = [(part.text, part.spans) for part in sentences_of(note)]
    assert parts == [
        ("On aspirin.", (Span(3, 10, "DRUG"),)),
        ("Had a", ()),
        ("CT head!", (Span(0, 7, "PROC"),)),
        ("Well", ()),
    ]


@pytest.mark.slow
def test_notes_are_sound_and_the_same_each_time():
    made = list(notes("private", 7))
    assert made == list(notes("private", 7)) and made != list(notes("holdout", 7))
    for note in made:
        check_note(note, note.id)
        assert note.text.startswith("History: ") and "\n\nPlan: " in note.text
    shipped = read_corpus(Path("assets/notes/en"), "markup")
    known = {(span.label, note.mention(span)) for note in shipped for span in note.spans}
    found = {(span.label, note.mention(span)) for note in made for span in note.spans}
    assert {"DRUG", "PROCEDURE"} <= {label for label, _ in found} and found <= known
    assert [note.patient for note in made] == ["private-0"] * 3 + ["private-1"] * 3 + ["private-2"]


def test_the_config_is_a_generator(tmp_path):
    path = tmp_path / "g.cfg"
    path.write_text(
        CONFIG.format(epochs=0.1, public_epochs=1.0, public=tmp_path / "p.jsonl", batch=generator_memory.BATCH)
    )
    generator = load_generator(path)
    assert len(generator.stages.stages) == 4 and generator.schedule.n_epochs == 0.1
