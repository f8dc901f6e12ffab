"""What `spacy train --code` imports: registrations, nothing else."""

import sys
from pathlib import Path

import spacy

# `--code scripts/functions.py` imports this file by its path, from wherever spaCy was started.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.annotators.llm
import scripts.annotators.teacher
import scripts.generators.causal_lm
import scripts.llm.spacy_models  # noqa: F401
from scripts.notes.tokenizer import split_clinical


@spacy.registry.callbacks("clinical.tokenizer.v1")
def make_clinical_tokenizer():
    """A callback for [initialize.before_init] or [nlp.after_creation]: tokens that clinical spans can be put on."""
    return split_clinical
