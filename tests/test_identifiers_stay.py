"""What people labelled as identifying is for the gate alone: nothing that is made from a note carries it on."""

import json
import random
from itertools import islice

from scripts.generators.control import control_requests, opening_requests, passages_of
from scripts.generators.slots import Slots
from scripts.generators.surrogates import Surrogates
from scripts.notes.docbins import make_docs, to_note
from scripts.notes.jsonl import read_notes, to_dict, write_notes
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank

TEXT = "Zbigniew Hallorann took aspirin."
NOTE = Note("p1", TEXT, (Span(24, 31, "DRUG"),), {"genre": "ward"}, (Span(0, 18, "PERSON"),))


def test_a_file_of_notes_keeps_them(tmp_path):
    write_notes(tmp_path / "notes.jsonl", [NOTE])
    assert list(read_notes(tmp_path / "notes.jsonl")) == [NOTE]
    assert "identifiers" not in to_dict(Note("s1", TEXT))


def test_the_generator_is_asked_for_nothing_of_them():
    """Even a config that names them as a control key asks for nothing: they are no meta."""
    keys = ["genre", "identifiers", "PERSON"]
    (request,) = islice(control_requests([NOTE], keys, 0), 1)
    assert request.prompts == ("genre: ward\n\n",) and request.meta == {"genre": "ward"}
    (request,) = islice(opening_requests([NOTE], 3, 0), 1)
    assert request.meta == {}
    assert all(passage.identifiers == () for passage in passages_of(NOTE, 2))
    text, spans = Slots([NOTE], ["DRUG", "PERSON"]).fill("<DRUG> <PERSON>", random.Random(0))
    assert text == "Aspirin person" and {s.label for s in spans} == {"DRUG", "PERSON"}


def test_surrogates_and_docs_leave_them_behind():
    (other,) = Surrogates("en_GB", {"PERSON": "name"})([NOTE], 0)
    assert other.identifiers == ()
    (doc,), _ = make_docs([NOTE], blank("en"), ["DRUG"])
    assert "PERSON" not in json.dumps(doc.user_data) and doc.user_data["meta"] == {"genre": "ward"}
    assert to_note(doc, "p1", doc.user_data["meta"]).identifiers == ()
