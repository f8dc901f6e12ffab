import pytest

from scripts.generators.mentions import make_mentions
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span

ASPIRIN = Note(
    "n1", "Aspirin, then aspirin again. CT head.", (Span(0, 7, "DRUG"), Span(14, 21, "DRUG"), Span(29, 36, "TEST"))
)
OTHERS = [Note("n2", "On heparin", (Span(3, 10, "DRUG"),)), Note("n3", "On insulin", (Span(3, 10, "DRUG"),))]


def test_a_mention_becomes_the_same_other_one_throughout_a_copy_and_begins_a_sentence_with_a_capital():
    copies = [n for n in make_mentions(["DRUG"], copies=30)([ASPIRIN, *OTHERS], 0) if n.id == "n1"]
    assert {note.text for note in copies} == {
        "Heparin, then heparin again. CT head.",
        "Insulin, then insulin again. CT head.",
    }
    for note in copies:
        assert list(map(note.mention, note.spans)) == [note.text[:7], note.text[:7].lower(), "CT head"]
        assert [span.label for span in note.spans] == ["DRUG", "DRUG", "TEST"]


def test_lists_and_notes_are_drawn_from_in_equal_parts(tmp_path):
    path = tmp_path / "lists.yml"
    path.write_text("DRUG: [digoxin, warfarin, statin]\n")
    both = make_mentions(["DRUG"], str(path), copies=400)
    texts = [note.text for note in both([OTHERS[0], OTHERS[1]], 0) if note.id == "n2"]
    n_listed = sum(text != "On insulin" for text in texts)
    assert set(texts) == {"On digoxin", "On warfarin", "On statin", "On insulin"}
    # heparin, a quarter of what is drawn, is drawn again: insulin is 1/4 of the other 3/4
    assert 230 < n_listed < 300
    alone = make_mentions(["DRUG"], str(path), from_notes=False, copies=50)
    assert {n.text for n in alone([OTHERS[0]], 0)} == {"On digoxin", "On warfarin", "On statin"}


def test_mentions_of_too_few_patients_are_handed_on_to_nobody():
    notes = [*OTHERS, Note("n4", "Or insulin", (Span(3, 10, "DRUG"),), {"patient": "p"})]
    notes.append(Note("n5", "No heparin", (Span(3, 10, "DRUG"),), {"patient": "n2"}))
    texts = {note.text for note in make_mentions(["DRUG"], min_patients=2, copies=20)(notes, 0) if note.id != "n3"}
    assert texts == {"On insulin", "No insulin", "Or insulin"}


def test_a_share_of_the_mentions_is_replaced():
    texts = [note.text for note in make_mentions(["DRUG"], share=0.5, copies=400)(OTHERS, 0) if note.id == "n2"]
    assert set(texts) == {"On heparin", "On insulin"}
    assert 160 < texts.count("On insulin") < 240


def test_where_there_is_no_other_one_a_mention_stays():
    assert list(make_mentions(["DRUG", "TEST"])([ASPIRIN], 0)) == [ASPIRIN]


def test_unlabelled_notes_stay_as_they_are():
    note = Note("u", "On aspirin")
    assert list(make_mentions(["DRUG"], copies=2)([note, OTHERS[0]], 0))[::2] == [note, note]


def test_a_label_that_marks_identifiers_is_refused():
    name = Span(0, 3, "NAME")
    with pytest.raises(UserError, match="NAME marks identifiers"):
        list(make_mentions(["DRUG", "NAME"])([Note("n", "Ann came", (name,), {}, (name,))], 0))
    with pytest.raises(ValueError, match="neither"):
        make_mentions(["DRUG"], from_notes=False)
