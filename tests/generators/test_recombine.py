import re
from itertools import product

import pytest

from scripts.generators.recombine import Sections, headings_of, sections_of
from scripts.notes.note import Note, Span


def letter(i: int, **meta) -> Note:
    return Note(f"n{i}", f"Clinic letter\nHistory: a{i}.\n\nPlan: b{i}.", (), meta)


def made_of(notes: list[Note], **settings) -> set[tuple[str, str]]:
    """Which histories were seen with which plans, in a hundred copies with all sections drawn anew."""
    found = set()
    for note in Sections(copies=100, share=1.0, **settings)(notes, 0):
        found.add(re.fullmatch(r"Clinic letter\nHistory: (a\d)\.\n\nPlan: (b\d)\.", note.text).groups())
    return found


def test_a_heading_is_what_three_notes_begin_a_line_with():
    notes = [letter(i) for i in range(3)]
    assert headings_of(notes) == {"clinic letter", "history", "plan"}
    assert headings_of(notes[:2]) == set()
    assert headings_of([*notes[:2], *notes[:2]]) == set()  # copies of two notes


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("  Motivo de ingreso: disnea.", "motivo de ingreso"),
        ("Datos  del paciente.", "datos del paciente"),
        ("TTO", "tto"),
        ("PLAN:", "plan"),
        ("INR 5,8: alto", None),  # a result
        ("a heading of more words than six: no", None),
        ("He slept. Then: nothing", None),
        ("at 14:30 he slept", None),
        ("- bisoprolol", None),
    ],
)
def test_what_looks_like_a_heading(line, heading):
    notes = [Note(f"n{i}", line) for i in range(3)]
    assert headings_of(notes) == ({heading} if heading else set())


def test_sections_and_gaps_are_the_whole_text():
    sections = sections_of(letter(1), {"history", "plan"})
    assert [(s.kind, s.body.text, s.gap) for s in sections] == [
        ("¶beginning", "Clinic letter", "\n"),
        ("history", "History: a1.", "\n\n"),
        ("plan", "Plan: b1.", ""),
    ]


def test_without_two_headings_a_note_is_cut_at_blank_lines():
    note = Note("n", "Plan: one.\n \nTwo\nthree.\n\n\nFour.\n", (Span(13, 16, "X"), Span(26, 30, "Y")))
    sections = sections_of(note, {"plan"})
    assert [(s.kind, s.body.text, s.gap) for s in sections] == [
        ("¶beginning", "Plan: one.", "\n \n"),
        ("¶middle", "Two\nthree.", "\n\n\n"),
        ("¶end", "Four.", "\n"),
    ]
    assert [s.body.spans for s in sections] == [(), (Span(0, 3, "X"),), (Span(0, 4, "Y"),)]


def test_no_span_is_cut():
    text = "Plan: one\n\ntwo\n\nthree "
    note = Note("n", text, (Span(6, 14, "X"), Span(16, 22, "Y")))  # from one to two, and the space at the end
    sections = sections_of(note, set())
    assert [(s.body.text, s.gap) for s in sections] == [("Plan: one\n\ntwo", "\n\n"), ("three ", "")]
    assert [s.body.spans for s in sections] == [(Span(6, 14, "X"),), (Span(0, 6, "Y"),)]


def test_sections_come_from_the_same_patients_notes():
    notes = [letter(0, patient="A"), letter(1, patient="A"), letter(2, patient="B")]
    assert made_of(notes) == {*product(("a0", "a1"), ("b0", "b1")), ("a2", "b2")}


def test_across_patients_they_come_from_any_note_that_is_labelled():
    notes = [letter(i, patient="ABC"[i]) for i in range(3)]
    assert made_of(notes, across_patients=True) == set(product(("a0", "a1", "a2"), ("b0", "b1", "b2")))
    notes[2] = notes[2].with_spans(None)
    assert made_of(notes, across_patients=True) == {*product(("a0", "a1"), ("b0", "b1")), ("a2", "b2")}


def test_only_notes_that_are_the_same_in_what_is_asked_exchange_sections():
    notes = [letter(i, patient="A", sex="FFM"[i]) for i in range(3)]
    assert made_of(notes, same=("sex",)) == {*product(("a0", "a1"), ("b0", "b1")), ("a2", "b2")}


def test_a_share_of_nothing_leaves_the_notes_and_shuffling_spares_the_ends():
    note = Note("n", "One.\n\nTwo.\n\nThree.\n\nFour.")
    assert list(Sections(3, 0.0)([note], 0)) == [note] * 3
    texts = {made.text for made in Sections(20, 0.0, shuffle=1.0)([note], 0)}
    assert texts == {note.text, "One.\n\nThree.\n\nTwo.\n\nFour."}


def test_a_note_of_one_section_is_never_replaced_by_another():
    notes = [Note("a", "Slept well.", None, {"patient": "A"}), Note("b", "Slept badly.", None, {"patient": "A"})]
    assert list(Sections(2, 1.0)(notes, 0)) == notes * 2
