"""The authors' real settings are complete configs: each names functions that exist, with arguments that they take."""

from pathlib import Path

import pytest
import spacy
import spacy_llm  # noqa: F401

from scripts import functions  # noqa: F401
from scripts.annotators.load import annotator_config
from scripts.generators.load import load_generator


@pytest.mark.parametrize("name", ["paper_a", "paper_b"])
def test_the_generators(name):
    generator = load_generator(Path(f"configs/generator/{name}.cfg"))
    if name == "paper_a":
        assert (generator.base, generator.writing.top_k, generator.writing.max_new_tokens) == (None, 40, 400)
    else:
        assert (generator.base, generator.four_bit, generator.lora.r) == ("projecte-aina/FLOR-6.3B", True, 8)


@pytest.mark.parametrize("name", ["paper_a", "paper_b"])
def test_the_annotators(name):
    config = annotator_config(Path(f"configs/annotator/{name}.cfg"), {})
    # `fill` checks every argument against its function without calling it: no key is needed and no host is asked.
    filled = spacy.registry.fill({"components": config["components"]})
    assert len(filled["components"]) == 1


@pytest.mark.parametrize("name", ["paper_a", "paper_b"])
def test_the_students(name):
    config = spacy.util.load_config(Path(f"configs/ner/{name}.cfg")).interpolate()
    spacy.registry.fill(config["training"], schema=spacy.schemas.ConfigSchemaTraining)
    nlp = spacy.util.load_model_from_config(config, auto_fill=False, validate=True)
    assert nlp.pipe_names == ["transformer", "ner"]
    assert "/" in nlp.config["components"]["transformer"]["model"]["name"]
