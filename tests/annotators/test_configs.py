"""Every annotator config is a pipeline that spaCy can assemble, save and read again before anything is taught."""

import subprocess
import sys
from pathlib import Path

import pytest
import spacy

from scripts.annotators.load import annotator_config, load_annotator
from scripts.annotators.teacher import make_teach_dictionary
from scripts.notes.docbins import read_docbin
from scripts.notes.tokenizer import blank

CONFIGS = sorted(Path("configs/annotator").glob("*.cfg"))


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
@pytest.mark.parametrize("lang", ["en", "et"])
def test_it_assembles_for_any_language_and_task(path, lang):
    nlp = load_annotator(path, {"lang": lang, "task": "configs/task/phi.yml"})
    assert nlp.lang == lang
    assert nlp.pipe_names[1:] in ([], ["vote"], ["verify", "vote"], ["teacher", "dictionary", "vote"])
    assert [t.text for t in nlp.make_doc("25mg")] == ["25", "mg"]


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_it_survives_being_saved(path, tmp_path):
    nlp = load_annotator(path)
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).pipe_names == nlp.pipe_names


@pytest.mark.slow
def test_spacy_assemble_and_apply_work_with_our_code(tmp_path, toy_notes):
    """As a user types them; the dictionary stands for all: the others load their models in the same way."""
    folder = tmp_path / "dictionary"
    make_teach_dictionary()(blank("en"), toy_notes, [], folder, 0, -1)
    (tmp_path / "notes.jsonl").write_text('{"text": "On aspirin after a CT head."}\n')
    run = [sys.executable, "-m", "spacy"]
    code = ["--code", "scripts/functions.py"]
    assembled, out = tmp_path / "assembled", tmp_path / "out.spacy"
    config = "configs/annotator/dictionary.cfg"
    subprocess.run([*run, "assemble", config, assembled, *code, "--vars.model", folder], check=True)
    subprocess.run([*run, "apply", assembled, tmp_path / "notes.jsonl", out, *code], check=True)
    (doc,) = read_docbin(out, blank("en"))
    assert [(e.text, e.label_) for e in doc.ents] == [("aspirin", "DRUG"), ("CT head", "PROCEDURE")]


def test_variables_that_a_config_lacks_are_left_out():
    config = annotator_config(Path("configs/annotator/dictionary.cfg"), {"lang": "sv", "ner": "x.cfg"})
    assert config["nlp"]["lang"] == "sv"
    assert "ner" not in config["vars"]
