"""The shipped notes' format: a folder of .md files, YAML front matter and a text with its spans as [mention](LABEL)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import srsly

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span, check_note

from .source import Report, files_of, read_text

FRONT_MATTER = re.compile(r"---\n(.*?)\n---\n(.*)", re.DOTALL)
MARK = re.compile(r"\[([^\[\]]+)\]\(([A-Z][A-Z_]*)\)")


def read_markup(path: Path, report: Report) -> Iterator[Note]:
    """Yield a labelled note for each .md file in the folder PATH; its id is the file's name."""
    for file in files_of(path, "*.md"):
        source = read_text(file).replace("\r\n", "\n")
        match = FRONT_MATTER.fullmatch(source)
        if not match:
            raise UserError(f"{file.name}:1: no front matter", "Begin with '---', 'patient: ...' and '---'")
        body = match[2].strip("\n")
        first_line = source.count("\n", 0, source.index(body, match.start(2))) + 1
        text, spans = parse_markup(body, file.name, first_line)
        yield check_note(Note(file.stem, text, tuple(spans), _meta(match[1], file.name)), file.name)


def parse_markup(body: str, where: str, first_line: int) -> tuple[str, list[Span]]:
    """The plain text of BODY and its spans; a UserError with file WHERE and line for a bracket that marks nothing."""
    text, spans, last = "", [], 0
    for match in MARK.finditer(body):
        text += body[last : match.start()]
        spans.append(Span(len(text), len(text) + len(match[1]), match[2]))
        text += match[1]
        last = match.end()
    text += body[last:]
    if stray := re.search(r"[\[\]]", text):
        line = text.count("\n", 0, stray.start()) + first_line
        raise UserError(f"{where}:{line}: a bracket that marks no span", "Brackets are for marks: [mention](LABEL)")
    return text, spans


def _meta(front_matter: str, where: str) -> dict[str, Any]:
    try:
        meta = srsly.yaml_loads(front_matter)
    except Exception as e:  # ruamel's errors quote the text: keep the line alone
        line = getattr(getattr(e, "problem_mark", None), "line", 0) + 2
        raise UserError(f"{where}:{line}: the front matter is not YAML", "Quote values that hold ': ' or '#'") from None
    if not isinstance(meta, dict):
        raise UserError(f"{where}:2: the front matter is no list of 'key: value'", "Write 'patient: ...'")
    return {key: str(value) for key, value in meta.items()}
