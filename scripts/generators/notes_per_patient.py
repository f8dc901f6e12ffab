"""No more than so many notes of one patient: whoever has hundreds would teach the generator more than all others."""

import random
from collections import Counter
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
        n_notes = Counter(note.patient for note in notes if not is_canary(note))
        rng = random.Random(seed)
        drawn = ((patient, n, rng.sample(range(n), min(self.most, n))) for patient, n in n_notes.items())
        kept = {patient: set(places) for patient, n, places in drawn if n > self.most}  # among the patient's notes
        n_seen: Counter[str] = Counter()
        for note in notes:
            patient = note.patient
            if is_canary(note) or patient not in kept:
                yield note
                continue
            if n_seen[patient] in kept[patient]:
                yield note
            n_seen[patient] += 1
