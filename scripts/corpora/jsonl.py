"""JSON lines in Prodigy's shape, the project's own format."""

from collections.abc import Iterator
from pathlib import Path

from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note

from .source import Report


def read_jsonl(path: Path, report: Report) -> Iterator[Note]:
    """Yield the notes of the JSONL file PATH."""
    return read_notes(path)
