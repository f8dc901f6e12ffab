import pytest

from scripts.generators.drop_near_duplicates import DropNearDuplicates
from scripts.notes.note import Note

TEXT = " ".join(f"word{i}" for i in range(104))  # 100 runs of five


def test_a_note_that_repeats_another_is_dropped_and_the_order_stays():
    notes = [Note("a", TEXT), Note("b", "something else altogether"), Note("c", TEXT + " more")]  # 100 of 101 runs
    assert [note.id for note in DropNearDuplicates()(notes, 0)] == ["a", "b"]
    assert [note.id for note in DropNearDuplicates(1.0)(notes, 0)] == ["a", "b", "c"]


def test_the_labelled_one_of_two_stays():
    notes = [Note("a", TEXT), Note("b", "something else altogether"), Note("c", TEXT, ())]
    assert [note.id for note in DropNearDuplicates()(notes, 0)] == ["b", "c"]


def test_canaries_are_no_near_duplicates_of_anything():
    canary = Note("c", TEXT, None, {"canary": "planted"})
    notes = [canary, Note("a", TEXT), canary, canary]
    assert [note.id for note in DropNearDuplicates()(notes, 0)] == ["c", "a", "c", "c"]


@pytest.mark.parametrize("threshold", [0.0, 1.1])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        DropNearDuplicates(threshold)
