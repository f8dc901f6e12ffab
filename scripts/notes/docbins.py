"""The only border between the two currencies: notes (characters) and spaCy's Docs (tokens) in DocBins."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.tokens import Span as DocSpan

from .errors import UserError
from .files import atomic_write
from .note import Note, Span

Losses = Counter[str]  # how many spans of each label could not be put on tokens


def make_docs(notes: Iterable[Note], nlp: Language, labels: Collection[str]) -> tuple[list[Doc], Losses]:
    """NOTES as Docs with their spans of LABELS as entities, and how many spans of each label the tokens cannot hold.

    A note that nobody labelled becomes a Doc whose tokens are all missing. `doc.user_data` holds its id and meta.
    """
    docs, losses = [], Losses()
    for note in notes:
        doc = nlp.tokenizer(note.text)  # not nlp.make_doc: it refuses a text of a megabyte
        doc.user_data = {"id": note.id, "meta": dict(note.meta)}
        entities = []
        for span in note.with_labels(labels).spans or ():
            entity = doc.char_span(span.start, span.end, label=span.label)
            if entity is None:
                losses[span.label] += 1
            else:
                entities.append(entity)
        doc.set_ents(entities, default="missing" if note.spans is None else "outside")
        docs.append(doc)
    return docs, losses


def to_note(doc: Doc, id: str, meta: Mapping[str, Any]) -> Note:
    """DOC as a note called ID; its spans are None where every token is missing."""
    if not doc.has_annotation("ENT_IOB"):
        return Note(id, doc.text, None, meta)
    return Note(id, doc.text, tuple(Span(e.start_char, e.end_char, e.label_) for e in doc.ents), meta)


def write_docbin(path: Path, docs: Iterable[Doc], store_user_data: bool = False, groups: Sequence[str] = ()) -> int:
    """Write DOCS to the file PATH, atomically; returns how many.

    Stored are the tokens, the entities (missing tokens stay missing) and the span GROUPS that are named; ids and meta
    only with STORE_USER_DATA, and nothing else.
    """
    docbin = DocBin(attrs=[ENT_IOB, ENT_TYPE], store_user_data=store_user_data)
    for doc in docs:
        docbin.add(_bare(doc, store_user_data, groups))
    with atomic_write(path, "wb") as stream:
        stream.write(docbin.to_bytes())
    return len(docbin)


def read_docbin(path: Path, nlp: Language) -> Iterator[Doc]:
    """Yield the Docs of a DocBin, or of all DocBins in a folder in the order of their names."""
    files = sorted(path.glob("*.spacy")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise UserError(f"{path}: no DocBin there", "Run the step that makes it, or check the path")
    for file in files:
        try:
            docbin = DocBin().from_disk(file)
        except Exception:  # zlib, msgpack and numpy each have an error of their own for bytes that are no DocBin
            raise UserError(f"{file.name}: not a DocBin, or a broken one", "Make it again") from None
        yield from docbin.get_docs(nlp.vocab)


def _bare(doc: Doc, store_user_data: bool, groups: Sequence[str]) -> Doc:
    """A copy of DOC with nothing but what is to be stored."""
    bare = Doc(doc.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
    attrs = [ENT_IOB, ENT_TYPE]
    bare.from_array(attrs, doc.to_array(attrs))
    for name in groups:
        bare.spans[name] = [DocSpan(bare, s.start, s.end, label=s.label) for s in doc.spans.get(name, ())]
    if store_user_data:
        bare.user_data = dict(doc.user_data)
    return bare
