import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.generators.slots import Slots, rare_mentions, read_lists
from scripts.llm.answers import spans_of_copy
from scripts.notes.errors import UserError
from scripts.notes.note import Note

LABELS = ["DRUG", "PROC"]


def labelled(marked: str) -> Note:
    """The note whose spans MARKED shows as <DRUG>mention</DRUG> or <PROC>mention</PROC>."""
    text = re.sub(r"</?[A-Z]+>", "", marked)
    return Note(text[:9], text, tuple(spans_of_copy(marked, text, [*LABELS, "NAME"])))


NOTES = [
    labelled("<NAME>Ann</NAME> was given <DRUG>aspirin</DRUG> after <PROC>CT\n  head</PROC>."),
    labelled("On <DRUG>vit. D (D3)</DRUG> since May."),
    labelled("Slept well, declined aspirin."),
    Note("u", "CT head, Aspirin; aspirinate, CT heads, vitx D (D3)."),
]


def test_a_labelled_note_is_emptied_of_what_its_labels_say_and_of_nothing_else():
    slots = Slots(NOTES, LABELS)
    assert slots.empty(NOTES[0]) == "Ann was given <DRUG> after <PROC>."
    assert slots.empty(NOTES[2]) == NOTES[2].text  # it says that there are none, whatever the others have


def test_a_note_without_labels_is_emptied_of_whole_words_that_others_mention_or_a_list_has():
    assert Slots(NOTES, LABELS).empty(NOTES[3]) == "<PROC>, <DRUG>; aspirinate, CT heads, vitx D (D3)."
    listed = Slots(NOTES, LABELS, {"PROC": ["CT heads"]})
    assert listed.empty(NOTES[3]) == "<PROC>, <DRUG>; aspirinate, <PROC>, vitx D (D3)."
    assert Slots([], LABELS).empty(NOTES[3]) == NOTES[3].text


def test_short_mentions_are_found_as_they_are_written_and_longer_ones_in_any_case():
    slots = Slots([], LABELS, {"PROC": ["PT", "Echo"]})
    assert slots.empty(Note("u", "pt had PT, ECHO and echo")) == "pt had <PROC>, <PROC> and <PROC>"


def test_a_mention_of_too_few_patients_is_emptied_and_fills_no_slot():
    of = [("1", "aspirin"), ("1", "statin"), ("1", "Statin"), ("2", "Aspirin"), ("3", "iron")]
    notes = [
        replace(labelled(f"Takes <DRUG>{drug}</DRUG>."), id=f"{i}", meta={"patient": patient})
        for i, (patient, drug) in enumerate(of)
    ]
    slots, rng = Slots(iter(notes), LABELS, rare=rare_mentions(notes, LABELS, 2)), random.Random(0)
    assert {slots.fill("Takes <DRUG>.", rng)[0] for _ in range(50)} == {"Takes aspirin.", "Takes Aspirin."}
    assert slots.empty(Note("u", "statin, iron")) == "<DRUG>, <DRUG>"
    rare = rare_mentions(notes, LABELS, 3)
    assert rare == {("DRUG", "aspirin"), ("DRUG", "statin"), ("DRUG", "iron")}
    with pytest.raises(UserError, match="every labelled mention of DRUG is of fewer patients than slot_patients"):
        Slots(notes, LABELS, rare=rare)
    assert Slots(notes, LABELS, {"DRUG": ["heparin"]}, rare).fill("<DRUG>", rng)[0] == "Heparin"
    assert rare_mentions(notes, LABELS, 1) == set()


def test_letters_that_fold_otherwise_than_a_regex_thinks_are_no_mention():
    slots = Slots([], LABELS, {"DRUG": ["iron", "aspirin"]})
    assert slots.empty(Note("u", "İRON, ASPıRıN, IRON")) == "İRON, ASPıRıN, <DRUG>"


def test_a_filled_slot_is_a_span_of_the_new_text():
    slots, rng = Slots(NOTES, LABELS, {"DRUG": ["heparin"]}), random.Random(0)
    seen = set()
    for _ in range(50):
        text, spans = slots.fill("Took <DRUG>, then <PROC> and <DRUG>.", rng)
        mentions = [text[s.start : s.end] for s in spans]
        assert [s.label for s in spans] == ["DRUG", "PROC", "DRUG"]
        assert text == f"Took {mentions[0]}, then {mentions[1]} and {mentions[2]}."
        seen.update(zip([s.label for s in spans], mentions, strict=True))
    assert seen == {("DRUG", "aspirin"), ("DRUG", "vit. D (D3)"), ("DRUG", "heparin"), ("PROC", "CT head")}


def test_a_mention_without_letters_leaves_a_slot_of_its_form_and_only_such_a_one_fills_it():
    notes = [labelled(f"Seen <DRUG>{mention}</DRUG>.") for mention in ("1999", "2 May", "12/03", "12/3 May", "28 28")]
    slots = Slots(notes, LABELS)
    assert [slots.empty(note) for note in notes] == [
        "Seen <DRUG 9>.",
        "Seen <DRUG>.",
        "Seen <DRUG 9/9>.",
        "Seen <DRUG>.",
        "Seen <DRUG 9/9>.",
    ]
    rng = random.Random(0)
    filled = {slots.fill("in <DRUG 9>, <DRUG>, <DRUG 9/9), <DRUG 9/9 x", rng)[0] for _ in range(50)}
    years, months, days, last = (set(column) for column in zip(*(text[3:].split(", ") for text in filled), strict=True))
    assert years == {"1999"} and months == {"2 May", "12/3 May"} and days == {"12/03", "28 28"}
    assert last == {"12/03 x", "28 28 x"}
    assert Slots(notes[1:2], LABELS).fill("in <DRUG 9>", rng)[0] == "in 2 May"  # none of the form: any other


def test_a_slot_that_begins_a_sentence_begins_with_a_capital():
    slots = Slots([], LABELS, {"DRUG": ["heparin"], "PROC": ["p.o. test"]})
    text, _ = slots.fill("<DRUG> stopped. <DRUG> again\n- <DRUG>\n<PROC>: no <DRUG>", random.Random(0))
    assert text == "Heparin stopped. Heparin again\n- heparin\nP.o. test: no heparin"


def test_a_slot_that_the_model_did_not_close_is_still_one():
    text, spans = Slots([], LABELS, {"DRUG": ["heparin"]}).fill("no <DRUG) or <DRUG or <DRU", random.Random(0))
    assert text == "no heparin or heparin or <DRU"
    assert len(spans) == 2


def test_a_label_without_any_mention_is_filled_with_its_name():
    assert Slots([], LABELS).fill("a <PROC>", random.Random(0))[0] == "a proc"


def test_lists_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "lists.yml"
    path.write_text("DRUG: [aspirin, 5]\nOTHER: [x]\n")
    assert read_lists(path, LABELS) == {"DRUG": ["aspirin", "5"]}
    for broken in ("- a\n", "DRUG: 5\n", "a: [\n"):
        path.write_text(broken)
        with pytest.raises(UserError, match="no lists of mentions"):
            read_lists(path, LABELS)
    with pytest.raises(UserError, match="no lists of mentions"):
        read_lists(tmp_path / "absent.yml", LABELS)


@pytest.mark.parametrize("path", sorted(Path("assets/lists").glob("*.yml")), ids=lambda path: path.stem)
def test_the_shipped_lists_name_each_mention_once_and_under_one_label(path):
    lists = read_lists(path, ["DRUG", "PROCEDURE"])
    every = [text for mentions in lists.values() for text in mentions]
    assert all(len(mentions) > 400 for mentions in lists.values())
    assert len({text.casefold() for text in every}) > len(every) - 10  # "chest x-ray" and "chest X-ray"
