"""Of notes that say almost the same, one: what a generator reads again and again is what it remembers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import spacy

from scripts.notes.canaries import is_canary
from scripts.notes.near_duplicates import firsts
from scripts.notes.note import Note


@spacy.registry.misc("clinical.drop_near_duplicates.v1")
@dataclass(frozen=True)
class DropNearDuplicates:
    """Drops the notes whose runs of five words are THRESHOLD alike (Jaccard), or more, to a note that stays.

    A labelled note stays rather than one without labels, then an earlier one. Put it before stages that make copies,
    which are alike by design. After Lee et al. (2022), "Deduplicating Training Data Makes Language Models Better".
    """

    threshold: float = 0.8

    def __post_init__(self):
        if not 0 < self.threshold <= 1:
            raise ValueError(f"[drop_near_duplicates]: threshold {self.threshold} is not above 0 and at most 1")

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]:
        """NOTES without near-duplicates, in their order; nothing is drawn."""
        order = [i for i, note in enumerate(notes) if not is_canary(note)]
        order.sort(key=lambda i: notes[i].spans is None)
        kept = {order[place] for place in firsts([notes[i] for i in order], self.threshold)}
        return (note for i, note in enumerate(notes) if i in kept or is_canary(note))
