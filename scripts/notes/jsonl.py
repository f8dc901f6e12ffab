"""Notes as JSON lines in Prodigy's shape: `text`, `spans`, `meta`; private ones also have `identifiers`, as spans."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import atomic_write
from .note import Note, Span, check_note


def read_notes(path: Path) -> Iterator[Note]:
    """Yield the notes of a JSONL file one by one.

    A line is {"text", "spans"?, "meta"?, "id"?}; the id is taken from `id`, `meta.id`, or the line number. A UserError
    names the file, the line and the reason of the first line that is unsound, never its text.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist", "Run the step that makes it, or check the path")
    seen: dict[str, int] = {}
    # Split on b"\n" alone: U+2028 and the like are ordinary characters inside a note.
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            where = f"{path.name}:{number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf8").strip()
            except UnicodeDecodeError as e:
                raise UserError(f"{where}: byte {e.start} is not UTF-8", "Convert the file to UTF-8") from None
            if not line:
                continue
            note = check_note(_note_from(line, where, f"{path.stem}-{number}"), where)
            if note.id in seen:
                raise UserError(f"{where}: the id of line {seen[note.id]} again", "Give each note an 'id' of its own")
            seen[note.id] = number
            yield note


def write_notes(path: Path, notes: Iterable[Note]) -> int:
    """Write NOTES to PATH, atomically; returns how many."""
    n_notes = 0
    with atomic_write(path) as stream:
        for note in notes:
            stream.write(json.dumps(to_dict(note), ensure_ascii=False) + "\n")
            n_notes += 1
    return n_notes


def to_dict(note: Note) -> dict[str, Any]:
    """NOTE in Prodigy's shape; `spans` is left out where nobody labelled the note."""
    row: dict[str, Any] = {"id": note.id, "text": note.text}
    if note.spans is not None:
        row["spans"] = _spans_to_list(note.spans)
    if note.identifiers:
        row["identifiers"] = _spans_to_list(note.identifiers)
    return row | {"meta": dict(note.meta)}


def _spans_to_list(spans: Iterable[Span]) -> list[dict[str, Any]]:
    return [{"start": s.start, "end": s.end, "label": s.label} for s in spans]


def _note_from(line: str, where: str, default_id: str) -> Note:
    try:
        row = json.loads(line)
    except ValueError as e:
        raise UserError(f"{where}: not JSON (column {getattr(e, 'colno', '?')})", "One JSON object a line") from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: not a JSON object", "One JSON object a line")
    text, meta, spans = row.get("text"), row.get("meta") or {}, row.get("spans")
    if not isinstance(text, str):
        raise UserError(f"{where}: no 'text'", "Each line needs a 'text' of type string")
    if not isinstance(meta, dict):
        raise UserError(f"{where}: 'meta' is no object", 'Write "meta": {"patient": ...}')
    spans = None if spans is None else _spans_from(spans, where)
    identifiers = _spans_from(row.get("identifiers") or (), where)
    return Note(str(row.get("id") or meta.get("id") or default_id), text, spans, meta, identifiers)


def _spans_from(rows: Any, where: str) -> tuple[Span, ...]:
    try:
        return tuple(sorted(Span(_integer(s["start"]), _integer(s["end"]), str(s["label"])) for s in rows))
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{where}: a span lacks start, end or label", "Offsets are integers") from None


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(value)
    return value
