"""No more than so many notes of one patient: whoever has hundreds would teach the generator more than all others."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import spacy

from scripts.notes.canaries import is_canary
from scripts.notes.note import Note


@spacy.registry.misc("clinical.notes_per_patient.v1")
@dataclass(frozen=True)
class NotesPerPatient:
    """Keeps MOST notes of each patient, drawn by seed. Put it before stages that make copies: they would count."""

    most: int

    def __post_init__(self):
        if self.most < 1:
            raise ValueError(f"[notes_per_patient]: most is {self.most}, and a patient has at least one note")

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]:
        """NOTES without those above the cap, in their order."""
        places: dict[str, list[int]] = defaultdict(list)
        for i, note in enumerate(notes):
            if not is_canary(note):
                places[note.patient].append(i)
        rng = random.Random(seed)
        kept = {i for own in places.values() for i in rng.sample(own, min(self.most, len(own)))}
        return (note for i, note in enumerate(notes) if i in kept or is_canary(note))
