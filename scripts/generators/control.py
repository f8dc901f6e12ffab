"""What a generator is asked for: a control prefix from the notes' meta and mentions, or a note's first words."""

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


class Mentions:
    """The mentions of the labelled among NOTES: which of them a note holds, and which a new note shall hold."""

    def __init__(self, notes: Sequence[Note]):
        self._labelled = [note for note in notes if note.spans]
        self._pools: dict[str, list[str]] = {}
        for note in self._labelled:
            for span in note.spans or ():
                self._pools.setdefault(span.label, []).append(_one_line(note.mention(span)))
        known = sorted({text for pool in self._pools.values() for text in pool}, key=lambda text: (-len(text), text))
        self._known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)") if known else None

    def of(self, note: Note) -> list[str]:
        """NOTE's mentions in their order, each once: its labels' or, of a note without labels, those that it shares."""
        if note.spans is not None:
            found = [note.mention(span) for span in sorted(note.spans)]
        else:
            found = self._known.findall(note.text) if self._known else []
        return list(dict.fromkeys(map(_one_line, found)))

    def draw(self, rng: random.Random) -> list[str]:
        """As many mentions of each label as one of the labelled notes has, from all of them: nobody's own list."""
        if not self._labelled:
            return []
        labels = [span.label for span in sorted(rng.choice(self._labelled).spans or ())]
        return list(dict.fromkeys(rng.choice(self._pools[label]) for label in labels))


def prefix_of(meta: Mapping[str, Any], keys: Sequence[str], mentions: Sequence[str] = ()) -> str:
    """META's values for KEYS on one line, as paper A's control prefixes, then MENTIONS; empty if there are none."""
    known = [f"{key}: {meta[key]}" for key in keys if meta.get(key) not in (None, "")]
    lines = [" | ".join(known)] if known else []
    if mentions:
        lines.append("mentions: " + "; ".join(mentions))
    return "\n".join(lines) + "\n\n" if lines else ""


def control_requests(
    notes: Sequence[Note], keys: Sequence[str], seed: int, mentions: Mentions | None = None
) -> Iterator[Request]:
    """Endless requests whose control values are distributed as in NOTES (joint, drawn with replacement)."""
    rng = random.Random(seed)
    while True:
        meta = rng.choice(notes).meta
        drawn = mentions.draw(rng) if mentions else []
        yield Request(prefix_of(meta, keys, drawn), {k: meta[k] for k in keys if meta.get(k) not in (None, "")})


def opening_requests(notes: Sequence[Note], n_words: int, seed: int) -> Iterator[Request]:
    """Endless requests that begin as one of NOTES does, with its first N_WORDS words (paper B prompts with three)."""
    rng = random.Random(seed)
    while True:
        text = rng.choice(notes).text
        words = list(re.finditer(r"\S+", text))[:n_words]
        opening = text[: words[-1].end()]
        yield Request(opening, {}, opening)


def _one_line(mention: str) -> str:
    return " ".join(mention.split())
