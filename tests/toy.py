"""Small notes whose entities are known, for the tests of many rooms."""

from pathlib import Path

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
