"""What a generator is asked for: a control prefix from the notes' meta and mentions, or a note's first words."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import srsly

from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.notes.windows import cut_note

PART = "part"  # the control key that says which passage of a note is asked for


@dataclass(frozen=True)
class Request:
    """What generation starts from, a prompt for each passage, and what the synthetic note's meta will say of it."""

    prompts: tuple[str, ...]
    meta: Mapping[str, Any]
    opening: str = ""  # the part of the first prompt that belongs to the note


def passages_of(note: Note, n_words: int | None) -> list[Note]:
    """NOTE in passages of at most N_WORDS words that say in their meta which part they are; None: the note itself."""
    if n_words is None:
        return [note]
    passages = cut_note(note, n_words)
    return [
        replace(passage, meta={**note.meta, PART: f"{number} of {len(passages)}"})
        for number, passage in enumerate(passages, 1)
    ]


class Mentions:
    """What a note (or passage) mentions, and what a new one shall mention: what the labelled among NOTES do.

    LISTS adds mentions of each label that no note need have; half of those asked for come from there.
    """

    def __init__(self, notes: Sequence[Note], lists: Mapping[str, Sequence[str]] | None = None):
        self._labelled = [note for note in notes if note.spans is not None]
        self._lists = lists or {}
        self._pools: dict[str, list[str]] = {}
        for note in self._labelled:
            for span in note.spans or ():
                self._pools.setdefault(span.label, []).append(_one_line(note.mention(span)))
        every = {text for pool in (*self._pools.values(), *self._lists.values()) for text in pool}
        known = sorted(every, key=lambda text: (-len(text), text))
        names = "|".join(r"\s+".join(map(re.escape, text.split())) for text in known)
        self._known = re.compile(rf"(?<!\w)(?:{names})(?!\w)", re.IGNORECASE) if known else None

    def of(self, note: Note) -> list[str]:
        """NOTE's mentions in their order, each once: its labels' or, of a note without labels, those that it shares."""
        if note.spans is not None:
            found = [note.mention(span) for span in sorted(note.spans)]
        else:
            found = self._known.findall(note.text) if self._known else []
        return list(dict.fromkeys(map(_one_line, found)))

    def draw(self, rng: random.Random) -> list[str]:
        """Mentions of the labels that one labelled note has, from all of them and the lists, each once."""
        if not self._labelled:
            return []
        labels = [span.label for span in sorted(rng.choice(self._labelled).spans or ())]
        pools = [
            rng.choice([pools[label] for pools in (self._pools, self._lists) if label in pools]) for label in labels
        ]
        return list(dict.fromkeys(rng.choice(pool) for pool in pools))


def read_lists(path: Path, labels: Sequence[str]) -> dict[str, list[str]]:
    """The mentions that the YAML file PATH lists for each of LABELS."""
    try:
        rows = srsly.read_yaml(path)
        return {label: [_one_line(str(text)) for text in rows[label]] for label in labels if rows.get(label)}
    except (OSError, ValueError, AttributeError, TypeError) as e:
        raise UserError(f"{path}: no lists of mentions ({type(e).__name__})", "See assets/lists/en.yml") from None


def prefix_of(meta: Mapping[str, Any], keys: Sequence[str], mentions: Sequence[str] = ()) -> str:
    """META's values for KEYS on one line, as paper A's control prefixes, then MENTIONS; empty if there are none."""
    known = [f"{key}: {meta[key]}" for key in keys if meta.get(key) not in (None, "")]
    lines = [" | ".join(known)] if known else []
    if mentions:
        lines.append("mentions: " + "; ".join(mentions))
    return "\n".join(lines) + "\n\n" if lines else ""


def control_requests(
    notes: Sequence[Note],
    keys: Sequence[str],
    seed: int,
    mentions: Mentions | None = None,
    n_words: int | None = None,
) -> Iterator[Request]:
    """Endless requests whose control values are distributed as in NOTES (joint, drawn with replacement)."""
    rng = random.Random(seed)
    while True:
        note = rng.choice(notes)
        prompts = [
            prefix_of(passage.meta, (*keys, PART), mentions.draw(rng) if mentions else ())
            for passage in passages_of(note, n_words)
        ]
        yield Request(tuple(prompts), {k: note.meta[k] for k in keys if note.meta.get(k) not in (None, "")})


def opening_requests(notes: Sequence[Note], n_words: int, seed: int) -> Iterator[Request]:
    """Endless requests that begin as one of NOTES does, with its first N_WORDS words (paper B prompts with three)."""
    rng = random.Random(seed)
    while True:
        text = rng.choice(notes).text
        words = list(re.finditer(r"\S+", text))[:n_words]
        opening = text[: words[-1].end()]
        yield Request((opening,), {}, opening)


def _one_line(mention: str) -> str:
    return " ".join(mention.split())
