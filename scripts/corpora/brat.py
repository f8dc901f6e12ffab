"""A folder of BRAT standoff: .txt files and, beside those that somebody labelled, .ann files."""

from collections.abc import Iterator
from pathlib import Path

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span, check_note

from .source import BYTE_ORDER_MARK, Report, files_of, keep_longest, read_text


def read_brat(path: Path, report: Report) -> Iterator[Note]:
    """Yield a note for each .txt file in the folder PATH; its id is the file's name.

    Of the .ann file the T lines are read. Reported as lost: spans in several pieces, and spans that overlap a longer
    one. A text without an .ann file is a note that nobody labelled.
    """
    for file in files_of(path, "*.txt"):
        text = read_text(file)
        annotation = file.with_suffix(".ann")
        spans = None
        if annotation.is_file():
            # BRAT itself counts a byte order mark as a character; other tools do not.
            n_mark = int(file.read_bytes().startswith(BYTE_ORDER_MARK.encode()))
            found = list(_spans(annotation, text, {n_mark, 0}, report))
            spans = tuple(keep_longest(found))
            report("overlapping spans", len(found) - len(spans))
        yield check_note(Note(file.stem, text, spans), file.name)


def _spans(file: Path, text: str, shifts: set[int], report: Report) -> Iterator[Span]:
    # Split at "\n" alone: a mention may hold U+2028 and the like.
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if not line.startswith("T"):
            continue
        where = f"{file.name}:{number}"
        try:
            _, place, mention = line.rstrip("\r").split("\t")
            label, offsets = place.split(" ", 1)
            if ";" in offsets:
                report("spans in several pieces", 1)
                continue
            start, end = map(int, offsets.split(" "))
        except ValueError:
            raise UserError(f"{where}: not a BRAT text bound", "Write T<n><tab>LABEL start end<tab>mention") from None
        shift = next((n for n in shifts if text[start - n : end - n].split() == mention.split()), None)
        if shift is None:
            raise UserError(
                f"{where}: characters {start}-{end} of the text are not the mention",
                "Offsets count characters of the .txt file as it is, line ends included",
            )
        yield Span(start - shift, end - shift, label)
