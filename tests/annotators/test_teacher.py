from pathlib import Path

import pytest
import spacy

from scripts.annotators.load import load_annotator
from scripts.annotators.teacher import Teacher, make_teach_dictionary, make_teach_ner
from scripts.notes.docbins import read_docbin, write_docbin
from scripts.notes.errors import UserError
from scripts.notes.tokenizer import blank


@pytest.fixture(scope="module")
def dictionary(toy_notes, tmp_path_factory):
    out = tmp_path_factory.mktemp("dictionary")
    report = make_teach_dictionary()(blank("en"), toy_notes, [], out, 0, -1)
    # 2 of 4 drugs and 2 of 4 procedures are written in more than one case
    assert report["n_mentions"] == len({(n.mention(s), s.label) for n in toy_notes for s in n.spans})
    return out


def test_the_dictionary_finds_its_mentions_in_any_case_and_nothing_inside_words(dictionary):
    nlp = load_annotator(dictionary)
    doc = nlp("ASPIRIN 75mg after ct HEAD; aspirinate not, chest\nx-ray not")
    assert [(e.text, e.label_) for e in doc.ents] == [("ASPIRIN", "DRUG"), ("ct HEAD", "PROCEDURE")]


def test_a_teacher_passes_on_characters_whatever_its_tokens(dictionary):
    nlp = blank("en")
    nlp.add_pipe("clinical_teacher", name="ward_ner", config={"model": str(dictionary)})
    (doc,) = nlp.pipe(["Aspirin given, echo normal"])
    assert [(e.text, e.label_) for e in doc.ents] == [("Aspirin", "DRUG"), ("echo", "PROCEDURE")]
    assert [s.text for s in doc.spans["ward_ner"]] == ["Aspirin", "echo"]
    assert doc.user_data["annotation"] == {"mentions: DRUG, exact": 1, "mentions: PROCEDURE, exact": 1}


def test_a_teacher_that_was_not_taught_names_the_step(tmp_path):
    with pytest.raises(UserError, match="teach"):
        Teacher("teacher", str(tmp_path / "none"))(blank("en")("text"))


@pytest.mark.slow
def test_a_ner_learns_from_the_silver_notes_beside_the_labelled_ones(toy_notes, tmp_path):
    config = spacy.util.load_config(Path("configs/ner/cnn.cfg"), overrides={"training.max_steps": 1})
    config.to_disk(tmp_path / "ner.cfg")
    nlp = blank("en")
    doc = nlp("Given aspirin.")
    doc.set_ents([doc.char_span(6, 13, "DRUG")], default="missing")
    write_docbin(tmp_path / "silver" / "0.spacy", [doc])
    teach = make_teach_ner(str(tmp_path / "ner.cfg"), str(tmp_path / "silver"))
    teach(nlp, toy_notes, toy_notes, tmp_path / "out", 0, -1)
    *_, last = read = list(read_docbin(tmp_path / "out" / "work" / "train.spacy", nlp))
    assert len(read) == len(toy_notes) + 1
    assert [t.ent_iob_ for t in last] == ["", "B", ""]  # what nobody decided stays so
    assert spacy.load(tmp_path / "out").pipe_names[-1] == "ner"
