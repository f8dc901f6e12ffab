"""spaCy's own format: a .spacy file, or a folder of them."""

from collections.abc import Iterator
from pathlib import Path

from scripts.notes.note import Note, check_note

from .source import Report


def read_docbins(path: Path, report: Report) -> Iterator[Note]:
    """Yield a note for each Doc; id and meta come from `doc.user_data`, else the id from the place in the file.

    A Doc in which every token is missing is a note that nobody labelled.
    """
    import spacy

    from scripts.notes.docbins import read_docbin, to_note

    for number, doc in enumerate(read_docbin(path, spacy.blank("xx")), 1):
        id = str(doc.user_data.get("id") or f"{path.stem}-{number}")
        yield check_note(to_note(doc, id, doc.user_data.get("meta") or {}), f"{path.name}: note {number}")
