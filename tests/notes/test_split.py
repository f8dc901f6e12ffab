"""Splits by patient: disjoint, exact where they can be, and the same every time."""

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.notes.split import fit_sizes, split_notes


def notes_of(*counts):
    """One patient a count, each with so many notes."""
    return [Note(f"p{i}n{j}", "text", None, {"patient": f"p{i}"}) for i, n in enumerate(counts) for j in range(n)]


def sizes_of(parts):
    return {name: len(part) for name, part in parts.items()}


def test_parts_have_their_sizes_and_patients_of_their_own():
    notes = notes_of(*[1, 2, 3] * 20)
    parts = split_notes(notes, {"gold": 31, "holdout": 17, "private": 50}, "s")
    assert sizes_of(parts) == {"gold": 31, "holdout": 17, "private": 50, "": 22}
    for a, b in combinations(parts.values(), 2):
        assert not {note.patient for note in a} & {note.patient for note in b}
    assert sorted(note.id for part in parts.values() for note in part) == sorted(note.id for note in notes)


def test_the_order_of_the_notes_is_of_no_matter_and_the_salt_is():
    notes = notes_of(*[1, 2] * 15)
    shuffled = random.Random(1).sample(notes, len(notes))
    sizes = {"gold": 9, "private": None}
    assert split_notes(notes, sizes, "s") == split_notes(shuffled, sizes, "s")
    assert split_notes(notes, sizes, "s") != split_notes(notes, sizes, "t")


def test_the_rest_is_what_the_others_leave():
    parts = split_notes(notes_of(*[1] * 10), {"private": None, "gold": 3}, "s")
    assert sizes_of(parts) == {"gold": 3, "private": 7, "": 0}


def test_where_no_choice_of_patients_fits_the_nearest_is_taken():
    assert sizes_of(split_notes(notes_of(3, 3, 3), {"gold": 4}, "s")) == {"gold": 3, "": 6}
    assert sizes_of(split_notes(notes_of(5, 5), {"gold": 4}, "s")) == {"gold": 5, "": 5}
    assert sizes_of(split_notes(notes_of(2, 2), {"gold": 9}, "s")) == {"gold": 4, "": 0}
    assert sizes_of(split_notes([], {"gold": 9, "private": None}, "s")) == {"gold": 0, "private": 0, "": 0}


@given(st.lists(st.integers(1, 6), min_size=1, max_size=9), st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_a_size_is_met_exactly_whenever_some_patients_add_up_to_it(counts, size):
    reachable = {sum(some) for n in range(len(counts) + 1) for some in combinations(counts, n)}
    got = len(split_notes(notes_of(*counts), {"gold": size}, "s")["gold"])
    assert got in reachable
    assert abs(got - size) == min(abs(n - size) for n in reachable)


def test_notes_without_a_patient_are_patients_of_their_own():
    notes = [Note(f"n{i}", "text") for i in range(5)]
    assert sizes_of(split_notes(notes, {"gold": 2}, "s")) == {"gold": 2, "": 3}


def test_sizes_shrink_in_proportion():
    asked = {"gold": 50, "holdout": 40, "private": 100}
    assert fit_sizes(asked, 190) == asked == fit_sizes(asked, 200)
    assert fit_sizes(asked, 19) == {"gold": 5, "holdout": 4, "private": 10}
    assert fit_sizes(asked, 10) == {"gold": 3, "holdout": 2, "private": 5}
    assert fit_sizes(asked, 6) == {"gold": 2, "holdout": 2, "private": 2}
    assert fit_sizes({"gold": 5, "private": None}, 7) == {"gold": 5, "private": None}


@pytest.mark.parametrize(("sizes", "n"), [({"gold": 50, "holdout": 40}, 3), ({"gold": 5, "private": None}, 6)])
def test_too_few_notes(sizes, n):
    with pytest.raises(UserError, match=f"{n} notes are too few for gold"):
        fit_sizes(sizes, n)


@given(st.lists(st.integers(2, 60), min_size=1, max_size=4), st.integers(8, 60))
@settings(max_examples=100, deadline=None)
def test_scaled_sizes_use_every_note(asked, n_notes):
    sizes = {str(i): size for i, size in enumerate(asked)}
    fitted = fit_sizes(sizes, n_notes)
    assert sum(fitted.values()) == min(n_notes, sum(asked))
    assert all(2 <= fitted[name] <= max(2, size) for name, size in sizes.items())
