"""Each source format: two invented notes in its raw form, and what is wrong with a bad one."""

from collections import Counter

import pytest

from scripts.corpora.brat import read_brat
from scripts.corpora.markup import parse_markup
from scripts.corpora.read import READERS, read_corpus
from scripts.notes.docbins import make_docs, write_docbin
from scripts.notes.errors import UserError
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank

A = Note("a", "Took aspirin.\nCT head ok.", (Span(5, 12, "DRUG"), Span(14, 21, "PROCEDURE")), {"patient": "P1"})
B = Note("b", "Nothing of note.", (), {"patient": "P2"})


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def markup(folder):
    write(
        folder,
        {
            "a.md": "---\npatient: P1\n---\nTook [aspirin](DRUG).\n[CT head](PROCEDURE) ok.\n",
            "b.md": "---\npatient: P2\n---\n\nNothing of note.",
        },
    )
    return folder, [A, B]


def brat(folder):
    write(
        folder,
        {
            "a.txt": A.text,
            "a.ann": "T1\tDRUG 5 12\taspirin\nA1\tNegated T1\nT2\tPROCEDURE 14 21\tCT head\n#1\tNote T2\tx\n",
            "b.txt": B.text,
            "b.ann": "",
            "c.txt": "Nobody looked.",
        },
    )
    return folder, [Note("a", A.text, A.spans), Note("b", B.text, ()), Note("c", "Nobody looked.")]


def jsonl(folder):
    write_notes(folder / "notes.jsonl", [A, B])
    return folder / "notes.jsonl", [A, B]


def docbin(folder):
    docs, _ = make_docs([A, B], blank("en"), ["DRUG", "PROCEDURE"])
    write_docbin(folder / "notes.spacy", docs, store_user_data=True)
    return folder, [A, B]


def text(folder):
    write(folder, {"a.txt": A.text, "b.txt": B.text, "meta.csv": 'file,patient,ward\na.txt,P1,"3, east"\nb.txt,P2,\n'})
    return folder, [Note("a", A.text, None, {"patient": "P1", "ward": "3, east"}), Note("b", B.text, None, B.meta)]


SOURCES = {"markup": markup, "brat": brat, "jsonl": jsonl, "docbin": docbin, "text": text}


@pytest.mark.parametrize("format", READERS)
def test_every_reader_reads_its_format(tmp_path, format):
    path, expected = SOURCES[format](tmp_path)
    losses = Counter()
    assert list(read_corpus(path, format, losses)) == expected
    assert not losses


@pytest.mark.parametrize("format", READERS)
def test_every_reader_says_what_is_not_there(tmp_path, format):
    with pytest.raises(UserError, match=r"nowhere|no DocBin"):
        list(read_corpus(tmp_path / "nowhere", format))


def test_unknown_format(tmp_path):
    with pytest.raises(UserError, match=r"unknown format 'xml'.*markup"):
        list(read_corpus(tmp_path, "xml"))


def test_ids_are_unique(tmp_path):
    docs, _ = make_docs([A, A], blank("en"), [])
    write_docbin(tmp_path / "x.spacy", docs, store_user_data=True)
    with pytest.raises(UserError, match="two notes with the id a"):
        list(read_corpus(tmp_path / "x.spacy", "docbin"))


def test_docs_without_ids_are_numbered(tmp_path):
    docs, _ = make_docs([A, Note("c", "x", None)], blank("en"), ["DRUG"])
    write_docbin(tmp_path / "x.spacy", docs)
    notes = list(read_corpus(tmp_path / "x.spacy", "docbin"))
    assert [(note.id, note.spans) for note in notes] == [("x-1", (Span(5, 12, "DRUG"),)), ("x-2", None)]


def test_a_byte_order_mark_and_dos_line_ends_in_markup(tmp_path):
    write(
        tmp_path, {"a.md": "\ufeff---\r\npatient: P1\r\n---\r\nTook [aspirin](DRUG).\r\n[CT head](PROCEDURE) ok.\r\n"}
    )
    assert list(read_corpus(tmp_path, "markup")) == [A]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no front matter", "a.md:1: no front matter"),
        ("---\npatient: P1\nname: [x\n---\ntext", "a.md:.*: the front matter is not YAML"),
        ("---\njust words\n---\ntext", "a.md:2: the front matter is no list"),
        ("---\npatient: P1\n---\nfine\nsecret [stray text", "a.md:5: a bracket"),
        ("---\npatient: P1\n---\nsecret [aspirin](drug)", "a.md:4: a bracket"),
        ("---\npatient: P1\n---\n \n", "a.md: the text is empty"),
        (b"---\npatient: P1\n---\nsecret \xe9", "a.md:4: byte 27 is not UTF-8"),
        ("---\npatient: P1\n---\nsecret \x00", "a.md: the text holds a NUL"),
    ],
)
def test_bad_markup(tmp_path, content, message):
    write(tmp_path, {"a.md": content})
    with pytest.raises(UserError, match=message) as error:
        list(read_corpus(tmp_path, "markup"))
    assert "secret" not in str(error.value)


def test_marks_become_offsets():
    body = "[İ](X)ß [a b](YY_Z)\n(x) [c](X)."
    plain, spans = parse_markup(body, "x", 1)
    assert plain == "İß a b\n(x) c."
    assert spans == [Span(0, 1, "X"), Span(3, 6, "YY_Z"), Span(11, 12, "X")]


def test_brat_spans_that_a_note_cannot_hold_are_counted(tmp_path):
    lines = [
        "T1\tX 0 4\tabcd",
        "T2\tX 2 8\tcd efg",  # overlaps T1 and is longer: kept
        "T3\tY 2 4\tcd",  # inside
        "T4\tX 9 10;12 13\th j",  # two pieces
        "T5\tX 9 13\th ij",
        "R1\tRel Arg1:T1 Arg2:T2",
    ]
    write(tmp_path, {"a.txt": "abcd efg h ij", "a.ann": "\r\n".join(lines)})
    losses = Counter()
    (note,) = read_corpus(tmp_path, "brat", losses)
    assert note.spans == (Span(2, 8, "X"), Span(9, 13, "X"))
    assert losses == {"overlapping spans": 2, "spans in several pieces": 1}


@pytest.mark.parametrize("start", [0, 1])
def test_brat_with_a_byte_order_mark_counted_or_not(tmp_path, start):
    write(tmp_path, {"a.txt": "\ufeffaspirin", "a.ann": f"T1\tDRUG {start} {start + 7}\taspirin"})
    (note,) = read_corpus(tmp_path, "brat")
    assert (note.text, note.spans) == ("aspirin", (Span(0, 7, "DRUG"),))


def test_brat_offsets_count_dos_line_ends(tmp_path):
    write(tmp_path, {"a.txt": "one\r\ntwo three", "a.ann": "T1\tX 5 8\ttwo\r\nT2\tX 0 8\tone two\r\n"})
    (note,) = read_corpus(tmp_path, "brat")
    assert note.text == "one\r\ntwo three" and note.spans == (Span(0, 8, "X"),)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("T1 DRUG 0 6 secret", "not a BRAT text bound"),
        ("T1\tDRUG 0 x\tsecret", "not a BRAT text bound"),
        ("T1\tDRUG 1 6\tsecret", "are not the mention"),
        ("T1\tDRUG 0 99\tsecrets", "are not the mention"),
        ("T1\tDRUG -6 6\tsecret", "lies outside the text|are not the mention"),
    ],
)
def test_bad_brat(tmp_path, line, reason):
    write(tmp_path, {"a.txt": "secret", "a.ann": f"\n{line}\n"})
    with pytest.raises(UserError, match=reason) as error:
        list(read_brat(tmp_path, lambda what, n: None))
    assert str(error.value).startswith("a.")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("name,patient\na.txt,P1\n", "meta.csv:1: no column 'file'"),
        ("file,patient\na.txt,P1\nz.txt,P1\n", "meta.csv:3: no such file"),
        ("file,patient\na.txt,P1\na.txt,P2\n", "meta.csv:3: a file for the second time"),
        ("file,patient\na.txt,P1,more\n", "meta.csv:2: more values than columns"),
    ],
)
def test_bad_meta(tmp_path, meta, message):
    write(tmp_path, {"a.txt": "text", "meta.csv": meta})
    with pytest.raises(UserError, match=message):
        list(read_corpus(tmp_path, "text"))


def test_an_empty_folder_and_an_empty_text(tmp_path):
    with pytest.raises(UserError, match=r"no \*\.txt there"):
        list(read_corpus(tmp_path, "text"))
    write(tmp_path, {"a.txt": ""})
    with pytest.raises(UserError, match=r"a\.txt: the text is empty"):
        list(read_corpus(tmp_path, "text"))
