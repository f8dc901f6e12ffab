"""Any source of notes by the name of its format."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from scripts.notes.errors import UserError
from scripts.notes.note import Note

from .brat import read_brat
from .docbin import read_docbins
from .jsonl import read_jsonl
from .markup import read_markup
from .source import Reader
from .text import read_texts

READERS: dict[str, Reader] = {
    "brat": read_brat,
    "docbin": read_docbins,
    "jsonl": read_jsonl,
    "markup": read_markup,
    "text": read_texts,
}


def read_corpus(path: Path, format: str, losses: Counter[str] | None = None) -> Iterator[Note]:
    """Yield the notes of the source PATH, checked, each id once; spans that no Note can hold go to LOSSES."""
    if format not in READERS:
        raise UserError(f"unknown format '{format}'", f"Formats: {', '.join(READERS)}")
    lost = Counter() if losses is None else losses

    def report(what: str, n: int) -> None:
        if n:
            lost[what] += n

    seen = set()
    for note in READERS[format](path, report):
        if note.id in seen:
            raise UserError(f"{path}: two notes with the id {note.id}", "Give each note an id of its own")
        seen.add(note.id)
        yield note
