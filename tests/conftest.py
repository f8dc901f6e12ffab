"""Fixtures that many rooms share: a language model so small that a test can train it."""

import os
from pathlib import Path

import pytest

# Tests run beside each other's servers and browsers: threads that spin while they wait would starve them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from scripts.notes.note import Note, Span

ROOT = Path(__file__).resolve().parent.parent
PHRASES = (
    "Seen in clinic today. Takes aspirin and metformin. Had a CT head in May.",
    "Admitted with fever. Started ceftriaxone after chest x-ray. No aspirin.",
    "Follow up after colonoscopy. Metformin stopped, aspirin goes on.",
    "Echo was normal. Furosemide 40 mg was given, then a chest x-ray.",
)
DRUGS = ("aspirin", "metformin", "ceftriaxone", "furosemide")
PROCEDURES = ("CT head", "chest x-ray", "colonoscopy", "echo")


def label(id: str, text: str, meta: dict) -> Note:
    """A note whose drugs and procedures are found by their names."""
    spans = []
    for words, name in ((DRUGS, "DRUG"), (PROCEDURES, "PROCEDURE")):
        for word in words:
            start = text.lower().find(word.lower())
            while start >= 0:
                spans.append(Span(start, start + len(word), name))
                start = text.lower().find(word.lower(), start + 1)
    return Note(id, text, tuple(sorted(spans)), meta)


@pytest.fixture(scope="session")
def toy_notes() -> list[Note]:
    genres = ("clinic", "ward")
    return [
        label(f"n{i}", f"{PHRASES[i % 4]} {PHRASES[(i + 1) % 4]}", {"patient": f"p{i}", "genre": genres[i % 2]})
        for i in range(8)
    ]


@pytest.fixture(scope="session")
def toy_lm(tmp_path_factory, toy_notes) -> str:
    """The folder of a causal LM of some ten thousand random weights, with a byte-level tokenizer."""
    from scripts.generators.scratch import new_model, new_tokenizer

    folder = tmp_path_factory.mktemp("toy_lm")
    tokenizer = new_tokenizer([n.text for n in toy_notes] + [" other same drug procedure DRUG PROCEDURE"] * 9, 400)
    new_model(tokenizer, {"width": 32, "n_layers": 2, "n_heads": 2}, 256, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
