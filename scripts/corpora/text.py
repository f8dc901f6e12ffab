"""A folder of .txt files, with what is known of them in an optional meta.csv (a column `file`, then any others)."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from scripts.notes.errors import UserError
from scripts.notes.note import Note, check_note

from .source import Report, files_of, read_text


def read_texts(path: Path, report: Report) -> Iterator[Note]:
    """Yield an unlabelled note for each .txt file in the folder PATH; its id is the file's name, its meta its row."""
    files = files_of(path, "*.txt")
    meta = _meta(path / "meta.csv")
    for name, (line, _) in meta.items():
        if not (path / name).is_file():
            raise UserError(
                f"meta.csv:{line}: no such file in the folder", "Correct the column 'file' or remove the row"
            )
    for file in files:
        _, row = meta.get(file.name, (0, {}))
        yield check_note(Note(file.stem, read_text(file), None, row), file.name)


def _meta(file: Path) -> dict[str, tuple[int, dict[str, str]]]:
    """File name -> (line, the other columns that are filled)."""
    if not file.is_file():
        return {}
    rows = csv.DictReader(io.StringIO(read_text(file), newline=""))
    if "file" not in (rows.fieldnames or ()):
        raise UserError("meta.csv:1: no column 'file'", "The first line names the columns: file,patient,genre,...")
    meta: dict[str, tuple[int, dict[str, str]]] = {}
    for row in rows:
        name = row.pop("file") or ""
        if name in meta:
            raise UserError(f"meta.csv:{rows.line_num}: a file for the second time", "One row a file")
        if None in row:
            raise UserError(f"meta.csv:{rows.line_num}: more values than columns", "Quote values that hold a comma")
        meta[name] = rows.line_num, {key: value for key, value in row.items() if value}
    return meta
