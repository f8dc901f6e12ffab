"""What every reader of files needs: their text, decoded, or an error that names the file."""

from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span

BYTE_ORDER_MARK = "\ufeff"

Report = Callable[[str, int], None]  # what was lost of a source, and how much
Reader = Callable[[Path, Report], Iterator[Note]]


def files_of(folder: Path, pattern: str) -> list[Path]:
    """The files of FOLDER that match PATTERN, by name; a UserError if there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder", "Check the path under [notes] of the corpus config")
    files = sorted(folder.glob(pattern))
    if not files:
        raise UserError(f"{folder}: no {pattern} there", "Check path and format of the corpus config")
    return files


def read_text(file: Path) -> str:
    """The text of FILE as it is, line ends included, but without a byte order mark; a UserError if it is not UTF-8."""
    raw = file.read_bytes()
    try:
        return raw.decode("utf8").removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        raise UserError(f"{file.name}:{line}: byte {e.start} is not UTF-8", "Convert the file to UTF-8") from None


def keep_longest(spans: list[Span]) -> list[Span]:
    """SPANS without those that overlap a longer one, or an equally long one that begins earlier."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start - s.end, s)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept)
