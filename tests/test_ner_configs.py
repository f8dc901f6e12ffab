"""The NER configs are complete, stock, and resolve for any language."""

from pathlib import Path

import pytest
import spacy
from spacy.schemas import ConfigSchemaTraining

from scripts import functions  # noqa: F401

CONFIGS = sorted(p for p in Path("configs/ner").glob("*.cfg") if not p.stem.startswith("paper_"))


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
@pytest.mark.parametrize("lang", ["en", "et", "zh"])
def test_it_is_complete_and_stock(path, lang):
    if lang == "zh":
        pytest.importorskip("spacy.lang.zh")
    config = spacy.util.load_config(path, overrides={"nlp.lang": lang})
    nlp = spacy.util.load_model_from_config(config, auto_fill=False, validate=True)
    spacy.registry.resolve(config.interpolate()["training"], schema=ConfigSchemaTraining)
    assert nlp.pipe_names[-1] == "ner"
    # Whoever installs the wheel has spaCy and spacy-transformers, and nothing of ours.
    for name in nlp.pipe_names:
        assert type(nlp.get_pipe(name)).__module__.split(".")[0] in ("spacy", "spacy_transformers")
    assert config["training"]["dev_corpus"] == "corpora.dev"
    assert config["paths"]["dev"] == "corpus/dev.spacy"
