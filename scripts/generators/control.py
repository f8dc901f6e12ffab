"""What a generator is asked for: a control prefix from the notes' meta, or a note's first words."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from scripts.notes.lazy import Mapped
from scripts.notes.note import ENTITIES, NO_ENTITIES, Note
from scripts.notes.windows import cut_note

PART = "part"  # the control key that says which passage of a note is asked for
SHARED = 5  # patients; the usual least size of a cell in published health statistics


@dataclass(frozen=True)
class Request:
    """What generation starts from, a prompt for each passage, and what the synthetic note's meta will say of it."""

    prompts: tuple[str, ...]
    meta: Mapping[str, Any]
    opening: str = ""  # the part of the first prompt that belongs to the note


def passages_of(note: Note, n_words: int | None) -> list[Note]:
    """NOTE in passages of at most N_WORDS words that say in their meta which part they are; None: the note itself.

    The meta of each says, too, what is labelled in it.
    """
    if n_words is None:
        return [with_entities(note)]
    passages = cut_note(note, n_words)
    return [
        with_entities(replace(passage, meta={**note.meta, PART: f"{number} of {len(passages)}"}))
        for number, passage in enumerate(passages, 1)
    ]


def with_entities(note: Note) -> Note:
    """NOTE, whose meta says what is labelled in it; an unlabelled note as it is."""
    if note.spans is None:
        return note
    return replace(note, meta={**note.meta, ENTITIES: " ".join(note.labels) or NO_ENTITIES})


def prefix_of(meta: Mapping[str, Any], keys: Sequence[str]) -> str:
    """META's values for KEYS on one line, as paper A's control prefixes; empty if there are none."""
    known = [f"{key}: {meta[key]}" for key in keys if meta.get(key) not in (None, "")]
    return " | ".join(known) + "\n\n" if known else ""


def control_requests(
    notes: Sequence[Note],
    keys: Sequence[str],
    seed: int,
    n_words: int | None = None,
    weights: Sequence[float] | None = None,
) -> Iterator[Request]:
    """Endless requests whose control values are distributed as in NOTES (joint, drawn with replacement).

    With WEIGHTS, one a note, each note counts so often.
    """
    for note in _drawn(notes, random.Random(seed), weights):
        prompts = [prefix_of(passage.meta, (*keys, PART)) for passage in passages_of(note, n_words)]
        note = with_entities(note)
        yield Request(tuple(prompts), {k: note.meta[k] for k in keys if note.meta.get(k) not in (None, "")})


def opening_requests(
    notes: Sequence[Note], n_words: int, seed: int, weights: Sequence[float] | None = None
) -> Iterator[Request]:
    """Endless requests that begin as one of NOTES does, with its first N_WORDS words (paper B prompts with three).

    With WEIGHTS, one a note, each note counts so often.
    """
    for note in _drawn(notes, random.Random(seed), weights):
        text = note.text
        words = list(re.finditer(r"\S+", text))[:n_words]
        opening = text[: words[-1].end()]
        yield Request((opening,), {}, opening)


def _drawn(notes: Sequence[Note], rng: random.Random, weights: Sequence[float] | None) -> Iterator[Note]:
    sums = list(accumulate(weights)) if weights is not None else None
    while True:
        yield rng.choice(notes) if sums is None else notes[rng.choices(range(len(notes)), cum_weights=sums)[0]]


def with_shared_values(notes: Sequence[Note], keys: Sequence[str], least: int = SHARED) -> Sequence[Note]:
    """NOTES with no meta but the first of KEYS, as many as have values that, together, LEAST patients share.

    What so many have in common tells of none of them, wherever the prompt goes.
    """

    def values_of(note: Note) -> list[tuple[str, Any]]:
        """A pair of key and value, and whatever is told before it, by all of these."""
        pairs = [(key, note.meta[key]) for key in keys if note.meta.get(key) not in (None, "")]
        return [(repr(pairs[: n + 1]), pair) for n, pair in enumerate(pairs)]

    patients: dict[str, tuple[str, ...]] = {}  # LEAST of each at most
    for note in notes:
        for told, _ in values_of(note):
            found = patients.get(told, ())
            if len(found) < least and note.patient not in found:
                patients[told] = (*found, note.patient)
    shared = {told for told, found in patients.items() if len(found) >= least}
    return Mapped(
        lambda note: Note(note.id, note.text, None, dict(pair for told, pair in values_of(note) if told in shared)),
        notes,
    )
