"""Shipped notes as private, holdout and clean synthetic notes, and one private note whose every part is known."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from scripts.corpora.read import read_corpus
from scripts.notes.note import Note, Span
from scripts.privacy.check import Evidence
from scripts.privacy.collect import IdentifierPolicy
from scripts.privacy.gate import Policy, load_policy
from scripts.privacy.stand_in import draw_evidence

ROOT = Path(__file__).resolve().parent.parent.parent

# 92 tokens; the identifiers stand in its first and last lines.
VICTIM = Note(
    "private-secret-1",
    "Zbigniew Öberg-Hallorann, HN 4821-0093, tel 0271 440 918 26\n"
    "Brought in by his neighbour after three nights of breathlessness on lying flat. Sleeps in the armchair since "
    "Easter. Ankles swollen to the knee, crackles to both mid zones, no murmur that I could hear over the wheeze. "
    "Bedside echo shows a dilated left ventricle that barely moves. Given eighty of furosemide and felt human again "
    "by breakfast, so we left the catheter in and asked for daily weights, salt restriction and a word with the "
    "heart failure nurse before the weekend. Lives alone at 14 Quillon Lane, Ashmere, z.oberg@quillon.example",
    None,
    {"patient": "P-77-1", "name": "Zbigniew Öberg-Hallorann", "record": "HN 4821-0093", "born": "1951-03-12"},
)
VICTIM = replace(
    VICTIM,
    spans=tuple(
        Span(VICTIM.text.index(mention), VICTIM.text.index(mention) + len(mention), label)
        for mention, label in {
            "Zbigniew Öberg-Hallorann": "PERSON",
            "HN 4821-0093": "ID",
            "0271 440 918 26": "CONTACT",
            "14 Quillon Lane, Ashmere": "LOCATION",
        }.items()
    ),
)


@pytest.fixture(scope="session")
def victim() -> Note:
    return VICTIM


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_policy(ROOT / "configs/audit_small.cfg")


@pytest.fixture(scope="session")
def identifiers(policy) -> IdentifierPolicy:
    return policy.checks[1].identifiers


@pytest.fixture(scope="session")
def shipped() -> list[Note]:
    return list(read_corpus(ROOT / "assets/notes/en", "markup"))


@pytest.fixture(scope="session")
def draw_clean(shipped):
    """A function of a seed and sizes that draws evidence in which nothing leaks."""
    return partial(draw_evidence, shipped, sizes=(40, 25, 20))


@pytest.fixture(scope="session")
def clean(draw_clean) -> Evidence:
    evidence = draw_clean(seed=0)
    return replace(evidence, private=(VICTIM, *evidence.private))
