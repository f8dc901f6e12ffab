"""Notes as JSON lines in Prodigy's shape: `text`, `spans`, `meta`; private ones also have `identifiers`, as spans."""

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from .errors import UserError
from .files import atomic_write
from .note import Note, Span, check_note


def read_notes(path: Path) -> Iterator[Note]:
    """Yield the notes of a JSONL file one by one.

    A line is {"text", "spans"?, "meta"?, "id"?}; the id is taken from `id`, `meta.id`, or the line number. A UserError
    names the file, the line and the reason of the first line that is unsound, never its text.
    """
    yield from (note for _, _, note in _checked(path))


class NotesFile(Sequence[Note]):
    """The notes of a JSONL file, each read when it is asked for: 16 bytes a note are held, and no text.

    All lines are checked at once, as by `read_notes`. A UserError if the file changes afterwards.
    """

    def __init__(self, path: Path):
        _check_exists(path)
        self._stamp = _stamp(path.stat())
        self._keep(path, ((start, number) for start, number, _ in _checked(path)))

    @classmethod
    def spooled(cls, path: Path, notes: Iterable[Note]) -> "NotesFile":
        """NOTES, among them one as often as it comes, written to PATH; what was checked before is not checked again.

        Another process of the same run may write the same file again.
        """
        write_notes(path, notes)
        made = cls.__new__(cls)
        made._stamp = None
        made._keep(path, ((start, number) for start, number, _ in _lines(path)))
        return made

    def _keep(self, path: Path, places: Iterable[tuple[int, int]]) -> None:
        self._path = path
        self._starts, self._numbers = array("q"), array("q")  # of the lines
        for start, number in places:
            self._starts.append(start)
            self._numbers.append(number)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, i: int) -> Note:
        i = range(len(self))[i]
        with self._open() as stream:
            return self._read(stream, i)

    def __iter__(self) -> Iterator[Note]:
        with self._open() as stream:
            for i in range(len(self)):
                yield self._read(stream, i)

    def _open(self) -> IO[bytes]:
        stream = self._path.open("rb")
        if self._stamp not in (None, _stamp(os.fstat(stream.fileno()))):
            stream.close()
            raise UserError(f"{self._path.name} has changed while it was read", "Run the step again, on the whole file")
        return stream

    def _read(self, stream: IO[bytes], i: int) -> Note:
        number = self._numbers[i]
        where = f"{self._path.name}:{number}"
        stream.seek(self._starts[i])
        return _note_from(_text_of(stream.readline(), number, where), where, f"{self._path.stem}-{number}")


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path} does not exist", "Run the step that makes it, or check the path")


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    """What tells a file from the one that stood there before."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """The first byte, the number and the bytes of each line of PATH."""
    start = 0
    # Split on b"\n" alone: U+2028 and the like are ordinary characters inside a note.
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            yield start, number, raw
            start += len(raw)


def _checked(path: Path) -> Iterator[tuple[int, int, Note]]:
    """The first byte and the number of each line of PATH that is not blank, and its note, which is sound."""
    _check_exists(path)
    seen: dict[str, int] = {}
    for start, number, raw in _lines(path):
        where = f"{path.name}:{number}"
        line = _text_of(raw, number, where)
        if not line:
            continue
        note = check_note(_note_from(line, where, f"{path.stem}-{number}"), where)
        if note.id in seen:
            raise UserError(f"{where}: the id of line {seen[note.id]} again", "Give each note an 'id' of its own")
        seen[note.id] = number
        yield start, number, note


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


def _text_of(raw: bytes, number: int, where: str) -> str:
    """The line RAW, the first one without a byte order mark."""
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf8").strip()
    except UnicodeDecodeError as e:
        raise UserError(f"{where}: byte {e.start} is not UTF-8", "Convert the file to UTF-8") from None


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
