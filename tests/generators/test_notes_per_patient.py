import pytest

from scripts.generators.notes_per_patient import NotesPerPatient
from scripts.notes.note import Note

NOTES = [Note(f"n{i}", f"Note {i}", None, {"patient": "ABA"[i % 3]}) for i in range(9)]  # A has six, B three


def ids(most: int, seed: int) -> list[str]:
    return [note.id for note in NotesPerPatient(most)(NOTES, seed)]


def test_nobody_has_more_and_who_has_fewer_keeps_all():
    for seed in range(20):
        kept = ids(4, seed)
        assert len(kept) == 7 and kept == sorted(kept)
        assert {"n1", "n4", "n7"} <= set(kept)
    assert ids(6, 0) == [note.id for note in NOTES]


def test_each_note_has_its_chance_and_the_seed_decides():
    assert {id for seed in range(50) for id in ids(1, seed)} == {note.id for note in NOTES}
    assert ids(2, 7) == ids(2, 7)


def test_a_note_without_a_patient_counts_as_a_patient():
    assert len(list(NotesPerPatient(1)([Note("a", "x"), Note("b", "y")], 0))) == 2


def test_a_cap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="most is 0"):
        NotesPerPatient(0)
