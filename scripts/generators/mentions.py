"""Other mentions in the place of labelled ones: what a note says stays, which drug or procedure it names does not."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import spacy

from scripts.generators.slots import begins_sentence, mentions_of, pools_of, rare_mentions, read_lists
from scripts.notes.canaries import is_canary
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.notes.rewrite import with_mentions

Pools = Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True)
class Mentions:
    """Replaces SHARE of the different mentions of LABELS by others of the same label, in COPIES of each note.

    They come from LISTS (a YAML file, label to mentions) and, with FROM_NOTES, from other labelled notes, if at least
    MIN_PATIENTS have them; half of the time from each where there are both. The same mention becomes the same other one
    throughout a copy. Notes without labels stay as they are. Mentions wander between patients: never for labels of
    personal data, which are refused where they are known to be (`identifiers`).
    """

    labels: tuple[str, ...]
    lists: Path | None = None
    from_notes: bool = True
    min_patients: int = 1
    share: float = 1.0
    copies: int = 1

    def __post_init__(self):
        if self.lists is None and not self.from_notes:
            raise ValueError("[mentions]: neither lists nor notes to take mentions from")

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]:
        """COPIES of each of NOTES, with spans."""
        personal = {span.label for note in notes for span in note.identifiers} & set(self.labels)
        if personal:
            raise UserError(
                f"[generator.stages] mentions: {', '.join(sorted(personal))} marks identifiers",
                "Have clinical.surrogates.v1 replace this label instead",
            )
        lists = read_lists(self.lists, self.labels) if self.lists else {}
        rare = rare_mentions(self._sources(notes), self.labels, self.min_patients)
        pools = pools_of(mentions_of(self._sources(notes), self.labels), self.labels, lists, rare)
        rng = random.Random(seed)
        for _ in range(self.copies):
            for note in notes:
                yield note if is_canary(note) else self._replace(note, pools, rng)

    def _sources(self, notes: Sequence[Note]) -> Iterator[Note]:
        return (note for note in notes if self.from_notes and not is_canary(note))

    def _replace(self, note: Note, pools: Pools, rng: random.Random) -> Note:
        made: dict[tuple[str, str], str] = {}
        others: dict[Span, str] = {}
        for span in sorted(note.spans or ()):
            if not pools.get(span.label):
                continue
            mention = " ".join(note.mention(span).split())
            key = span.label, mention.casefold()
            if key not in made:
                made[key] = _other(mention, pools[span.label], rng) if rng.random() < self.share else ""
            if other := made[key]:
                first = other[0].upper() if begins_sentence(note.text[: span.start]) else other[0]
                others[span] = first + other[1:]
        return with_mentions(note, others)


@spacy.registry.misc("clinical.mentions.v1")
def make_mentions(
    labels: list[str],
    lists: str | None = None,
    from_notes: bool = True,
    min_patients: int = 1,
    share: float = 1.0,
    copies: int = 1,
) -> Mentions:
    """Other mentions of LABELS, such as drugs and procedures, from the file LISTS and from other labelled notes."""
    return Mentions(tuple(labels), Path(lists) if lists else None, from_notes, min_patients, share, copies)


def _other(mention: str, pools: Sequence[Sequence[str]], rng: random.Random) -> str:
    """A mention from POOLS that is not MENTION; after a hundred trials, none."""
    for _ in range(100):
        drawn = rng.choice(rng.choice(pools))
        if drawn.casefold() != mention.casefold():
            return drawn
    return ""
