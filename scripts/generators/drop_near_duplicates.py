"""Of notes that say almost the same, one: what a generator reads again and again is what it remembers."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import spacy

from scripts.notes.canaries import is_canary
from scripts.notes.lazy import Picked
from scripts.notes.near_duplicates import firsts
from scripts.notes.note import Note


@spacy.registry.misc("clinical.drop_near_duplicates.v1")
@dataclass(frozen=True)
class DropNearDuplicates:
    """Drops the notes whose runs of five words are THRESHOLD alike (Jaccard), or more, to a note that stays.

    A labelled note stays rather than one without labels, then an earlier one. Put it before stages that make copies,
    which are alike by design. After Lee et al. (2022), "Deduplicating Training Data Makes Language Models Better".
    Of each note a sketch of 0.2 KB is held, and no text.
    """

    threshold: float = 0.8

    def __post_init__(self):
        if not 0 < self.threshold <= 1:
            raise ValueError(f"[drop_near_duplicates]: threshold {self.threshold} is not above 0 and at most 1")

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]:
        """NOTES without near-duplicates, in their order; nothing is drawn."""
        labelled, others = array("q"), array("q")
        for i, note in enumerate(notes):
            if not is_canary(note):
                (others if note.spans is None else labelled).append(i)
        order, kept = labelled + others, bytearray(len(notes))
        for place in firsts(Picked(notes, order), self.threshold):
            kept[order[place]] = True
        return (note for i, note in enumerate(notes) if kept[i] or is_canary(note))
