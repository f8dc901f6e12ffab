"""Labels that the generator wrote along, through `annotate`; and the steps that have gold notes for it."""

from pathlib import Path

import pytest

from scripts import annotate
from scripts.annotators.load import load_annotator, why_silent
from scripts.notes.docbins import read_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank

CONFIG = Path("configs/annotator/written.cfg")
TASK = Path("configs/task/drugs_procedures.yml")
NOTES = [
    Note("s1", "On aspirin after a CT head.", (Span(3, 10, "DRUG"), Span(19, 26, "PROCEDURE"))),
    Note("s2", "Slept well.", ()),
    Note("s3", "On aspirin.", (Span(3, 8, "DRUG"),)),  # half a token
]


def run(tmp_path, notes):
    released = tmp_path / "released.jsonl"
    write_notes(released, notes)
    write_manifest(released, inputs={}, config={}, sensitivity="released", counts={})
    annotate.main(released, tmp_path / "silver", CONFIG, TASK, None, "en", -1, 0.2)
    return list(read_docbin(tmp_path / "silver", blank("en")))


def test_what_the_generator_wrote_along_are_the_labels_and_what_is_lost_is_counted(tmp_path):
    docs = run(tmp_path, NOTES)
    assert [[(e.text, e.label_) for e in doc.ents] for doc in docs] == [
        [("aspirin", "DRUG"), ("CT head", "PROCEDURE")],
        [],
        [],
    ]
    assert all(token.ent_iob for doc in docs for token in doc)  # nothing is missing
    counts = read_manifest(tmp_path / "silver")["counts"]
    assert counts["entities"] == 2 and counts["written: DRUG, inside a token"] == 1


def test_notes_without_labels_say_which_generator_writes_them(tmp_path):
    with pytest.raises(UserError, match=r"--vars\.generator tagged"):
        run(tmp_path, [NOTES[0].with_spans(None)])


def test_of_notes_that_no_generator_wrote_it_says_nothing_and_others_do(tmp_path):
    assert "no generator wrote" in why_silent(CONFIG)
    assert why_silent(Path("configs/annotator/ensemble.cfg")) is None
    assert why_silent(tmp_path) is None
    with pytest.raises(UserError, match="does not say"):
        load_annotator(CONFIG)("On aspirin.")
