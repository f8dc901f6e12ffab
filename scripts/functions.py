"""What `spacy train --code` imports: registrations, nothing else."""

import sys
from pathlib import Path

import spacy

# `--code scripts/functions.py` imports this file by its path, from wherever spaCy was started.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.annotators.adapters
import scripts.annotators.llm
import scripts.annotators.teacher
import scripts.annotators.verify
import scripts.annotators.vote
import scripts.annotators.written
import scripts.generators.causal_lm_configs
import scripts.generators.drop_near_duplicates
import scripts.generators.endpoint_writer
import scripts.generators.mentions
import scripts.generators.notes_per_patient
import scripts.generators.recombine
import scripts.generators.surrogates
import scripts.llm.spacy_models  # noqa: F401
from scripts.notes.tokenizer import split_clinical


@spacy.registry.callbacks("clinical.tokenizer.v1")
def make_clinical_tokenizer():
    """A callback for [initialize.before_init] or [nlp.after_creation]: tokens that clinical spans can be put on."""
    return split_clinical


@spacy.registry.callbacks("clinical.frozen_embeddings.v1")
def make_frozen_embeddings():
    """A callback for [initialize.after_init]: the transformer's word embeddings stay as they were pretrained.

    They are half of a small encoder's weights, of which a few hundred notes would move a few rows.
    """

    def freeze(nlp):
        for _, pipe in nlp.pipeline:
            encoder = getattr(pipe.model, "transformer", None) if hasattr(pipe, "model") else None
            if encoder is not None:
                encoder.get_input_embeddings().requires_grad_(False)
        return nlp

    return freeze
