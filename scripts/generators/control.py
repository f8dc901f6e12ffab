"""What a generator is asked for: a control prefix from the notes' meta, or a note's first words."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.notes.note import Note


@dataclass(frozen=True)
class Request:
    """The text that generation starts from, and what the synthetic note's meta will say of it."""

    prompt: str
    meta: Mapping[str, Any]
    opening: str = ""  # the part of the prompt that belongs to the note


def prefix_of(meta: Mapping[str, Any], keys: Sequence[str]) -> str:
    """META's values for KEYS on one line, as paper A's control prefixes; empty for a note that has none of them."""
    known = [f"{key}: {meta[key]}" for key in keys if meta.get(key) not in (None, "")]
    return " | ".join(known) + "\n\n" if known else ""


def control_requests(notes: Sequence[Note], keys: Sequence[str], seed: int) -> Iterator[Request]:
    """Endless requests whose control values are distributed as in NOTES (joint, drawn with replacement)."""
    rng = random.Random(seed)
    while True:
        meta = rng.choice(notes).meta
        yield Request(prefix_of(meta, keys), {k: meta[k] for k in keys if meta.get(k) not in (None, "")})


def opening_requests(notes: Sequence[Note], n_words: int, seed: int) -> Iterator[Request]:
    """Endless requests that begin as one of NOTES does, with its first N_WORDS words (paper B prompts with three)."""
    rng = random.Random(seed)
    while True:
        text = rng.choice(notes).text
        words = list(re.finditer(r"\S+", text))[:n_words]
        opening = text[: words[-1].end()]
        yield Request(opening, {}, opening)
