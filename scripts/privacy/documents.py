"""Every file that leaves beside the wheel as texts that can be searched: notes, DocBins, pages and figures."""

import json
import platform
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from scripts.notes.errors import UserError
from scripts.notes.files import manifest_path, sensitivity_of

from .members import APART, texts_in

HASH = re.compile(r"\b[0-9a-f]{64}\b")  # its digits are nobody's number
MIN_INTEGER = 10**6  # shorter ones are counts
# Elements that end what stands before them; the others stand inside a sentence.
INLINE = frozenset("a b bdi code em i mark small span strong sub sup tspan".split())  # noqa: SIM905
# Attributes of a drawing: coordinates and names made of hashes.
DRAWN = frozenset(
    "class clip-path cx cy d height href id points r style transform viewbox width x x1 x2 xlink:href y y1 y2".split()  # noqa: SIM905
)


def documents_in(paths: Iterable[Path]) -> list[Path]:
    """The files among PATHS and, of folders, those that lie in them: no folder below, nothing declared as inside.

    Declared as inside is what a manifest calls private, and its manifest. A UserError where a path is missing or itself
    a private file.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist", "Run the step that makes it")
        files = sorted(path.iterdir()) if path.is_dir() else [path, *filter(Path.is_file, [manifest_path(path)])]
        inside = {f for f in files if manifest_path(f).is_file() and sensitivity_of(f) == "private"}
        inside |= {manifest_path(file) for file in inside}
        if path in inside:
            raise UserError(f"{path} is private", "Name no file that must not leave")
        found += [f for f in files if f.is_file() and f not in inside and not f.name.startswith(".")]
    return found


def texts_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (place, text) for every text in the file PATH; a UserError if it is broken. Places hold no text."""
    try:
        match path.suffix:
            case ".jsonl":
                with path.open(encoding="utf8") as lines:
                    yield from ((f"line {number}", _joined(json.loads(line))) for number, line in enumerate(lines, 1))
            case ".json":
                yield "", _joined(json.loads(path.read_text("utf8")))
            case ".html":
                page = _Page(path.read_text("utf8"))
                yield "", "".join(page.text)
                yield "beside the text", APART.join(page.beside)
            case ".spacy":
                yield from _docbin_texts(path)
            case _:
                yield from (("", text) for text in texts_in(path.read_bytes())[0])
    except ValueError as e:  # JSON's and Unicode's
        raise UserError(
            f"{path.name} cannot be read ({type(e).__name__})", "Run the step that makes it again"
        ) from None


def bytes_of(path: Path) -> bytes:
    """The bytes of PATH, of a DocBin unpacked."""
    data = path.read_bytes()
    try:
        return zlib.decompress(data) if path.suffix == ".spacy" else data
    except zlib.error:
        raise UserError(f"{path.name} is no DocBin", "Run the step that makes it again") from None


def without_versions(text: str) -> str:
    """TEXT without hashes and versions of software: 3.8.18 in a list of what a wheel needs is nobody's birth date.

    A version is what is installed here, or stands in a requirement or behind a package's @. All other dates stay.
    """
    return _versions().sub(" ", text)


@cache
def _versions() -> re.Pattern[str]:
    installed = {platform.python_version(), *(d.version for d in distributions() if d.version)}
    known = "|".join(map(re.escape, sorted((v for v in installed if "." in v), key=len, reverse=True)))
    return re.compile(rf"{HASH.pattern}|(?:[<>=!~]=|,<|@)\d+(?:\.\d+)+|(?<![\w.])(?:{known})(?![\w.])")


@dataclass(frozen=True)
class Notes:
    """What a DocBin holds: its docs' TEXTS, all STRINGS, and which of them are tokens or labels of the docs."""

    texts: list[str]
    strings: set[str]
    used: set[str]


def notes_of(path: Path) -> Notes:
    """What the DocBin PATH holds."""
    from spacy.tokens import DocBin

    docs = list(_docs(path))
    used = {string for doc in docs for string in [*(token.text for token in doc), *_labels(doc)]}
    return Notes([doc.text for doc in docs], set(DocBin().from_disk(path).strings), used)


def _docbin_texts(path: Path) -> Iterator[tuple[str, str]]:
    yield "strings", APART.join(sorted(notes_of(path).strings))
    for number, doc in enumerate(_docs(path), 1):
        yield f"doc {number}", doc.text
        # repr: keys and values of any kind, those that JSON has not too
        yield f"doc {number}, beside the text", APART.join([_joined_any(doc.user_data), _joined_any(doc.cats)])


def _docs(path: Path) -> Iterator[Any]:
    import spacy

    from scripts.notes.docbins import read_docbin

    return read_docbin(path, spacy.blank("xx"))


def _labels(doc: Any) -> Iterator[str]:
    yield from (entity.label_ for entity in doc.ents)
    yield from (span.label_ for spans in doc.spans.values() for span in spans)


def _joined(value: Any) -> str:
    return APART.join(strings_in(value))


def _joined_any(value: Any) -> str:
    """Like `_joined`, and what is no JSON as Python shows it."""
    return APART.join([_joined(value), "" if isinstance(value, str) else repr(value)])


def strings_in(value: Any, with_keys: bool = True) -> Iterator[str]:
    """The keys and strings in VALUE, and whole numbers that could be somebody's; other numbers are figures."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if with_keys:
                yield str(key)
            yield from strings_in(inner, with_keys)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings_in(inner, with_keys)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int) and abs(value) >= MIN_INTEGER:
        yield str(value)


class _Page(HTMLParser):
    """A page's running text, and what stands beside it: comments and attributes, but for a drawing's coordinates.

    The names of labels, which stand inside a marked note, go to the latter, so that they part no name in two.
    """

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.beside: list[str] = []
        self._is_tag = False
        self._n_drawings = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._n_drawings += tag == "svg"
        self._is_tag = ("class", "tag") in attrs
        self.beside += [v for k, v in attrs if v and not (self._n_drawings and k in DRAWN)]
        if tag not in INLINE:
            self.text.append(" " if tag == "br" else APART)

    def handle_endtag(self, tag: str) -> None:
        self._n_drawings -= tag == "svg"
        self._is_tag = False
        if tag not in INLINE:
            self.text.append(APART)

    def handle_data(self, data: str) -> None:
        (self.beside if self._is_tag else self.text).append(data)

    def handle_comment(self, data: str) -> None:
        self.beside.append(data)
