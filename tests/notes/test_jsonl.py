"""Notes as JSON lines: any note comes back; a bad line is named by file, line and reason, and never quoted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.notes.errors import UserError
from scripts.notes.jsonl import NotesFile, read_notes, write_notes
from scripts.notes.note import Note, Span

TEXTS = st.text(st.characters(codec="utf8", exclude_characters="\x00"), min_size=1, max_size=30).filter(str.strip)


@given(st.lists(TEXTS, max_size=4), st.sampled_from([None, (), (Span(0, 1, "X"),)]))
@settings(max_examples=80, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, texts, spans):
    path = tmp_path_factory.mktemp("jsonl") / "notes.jsonl"
    notes = [Note(str(i), text, spans, {"patient": f"p{i}"}) for i, text in enumerate(texts)]
    assert write_notes(path, notes) == len(notes)
    assert list(read_notes(path)) == list(NotesFile(path)) == notes


SPAN = b'{"start": %d, "end": %d, "label": "X"}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "secret"', "not JSON"),
        (b'["secret"]', "not a JSON object"),
        (b'{"meta": {}}', "no 'text'"),
        (b'{"text": "   "}', "the text is empty"),
        (b'{"text": "a\\u0000secret"}', "NUL"),
        (b'{"text": "a\\ud800secret"}', "lone surrogate"),
        (b'{"text": "secret \xe9"}', "not UTF-8"),
        (b'{"text": "secret", "meta": 3}', "'meta' is no object"),
        (b'{"text": "secret", "spans": [{"start": 0, "end": 9, "label": "X"}]}', "outside the text"),
        (b'{"text": "secret", "spans": [{"start": -1, "end": 2, "label": "X"}]}', "outside the text"),
        (b'{"text": "secret", "spans": [{"start": 2, "end": 2, "label": "X"}]}', "outside the text"),
        (b'{"text": "secret", "spans": [{"start": 0, "end": 2, "label": ""}]}', "has no label"),
        (b'{"text": "secret", "spans": [{"start": 0, "end": 2}]}', "lacks start, end or label"),
        (b'{"text": "secret", "spans": [{"start": 0.5, "end": 2, "label": "X"}]}', "lacks start, end or label"),
        (b'{"text": "secret", "spans": [' + SPAN % (0, 3) + b", " + SPAN % (2, 4) + b"]}", "overlaps"),
        (b'{"text": "secret", "id": "one"}', "the id of line 1 again"),
    ],
)
def test_a_bad_line_is_named_and_not_quoted(tmp_path, line, reason):
    path = tmp_path / "notes.jsonl"
    path.write_bytes(b'{"text": "fine", "id": "one"}\n\n' + line + b"\n")
    with pytest.raises(UserError, match=reason) as error:
        list(read_notes(path))
    assert str(error.value).startswith("notes.jsonl:3: ")
    assert "secret" not in str(error.value)
    with pytest.raises(UserError) as at_once:
        NotesFile(path)
    assert str(at_once.value) == str(error.value)


def test_bom_line_ends_and_ids(tmp_path):
    path = tmp_path / "n.jsonl"
    path.write_bytes('\ufeff{"text": "a\\u2028b"}\r\n{"text": "c\u2028d", "meta": {"id": "x"}}\r\n'.encode())
    assert [(note.id, note.text) for note in read_notes(path)] == [("n-1", "a\u2028b"), ("x", "c\u2028d")]


LINES = (
    '\ufeff{"text": "one"}\r\n'
    "\n \u00a0\n"
    '{"text": "tv\u2028\u00e5", "spans": [{"start": 3, "end": 4, "label": "X"}], "meta": {"patient": "P"}}\n'
    '{"text": "drei", "id": "z", "identifiers": [{"start": 0, "end": 4, "label": "NAME"}]}'
)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "n.jsonl").write_bytes(LINES.encode())
    return tmp_path / "n.jsonl"


def test_a_notes_file_is_the_list_of_its_notes_from_any_place(path):
    notes, file = list(read_notes(path)), NotesFile(path)
    assert [note.id for note in notes] == ["n-1", "n-4", "z"]
    assert len(file) == 3 and list(file) == list(file) == notes
    assert [file[i] for i in (2, 0, 1, -1)] == [notes[i] for i in (2, 0, 1, -1)]
    with pytest.raises(IndexError):
        file[3]


def test_a_notes_file_that_is_not_there_or_empty(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        NotesFile(tmp_path / "none.jsonl")
    (tmp_path / "n.jsonl").write_bytes(b"\n")
    assert list(NotesFile(tmp_path / "n.jsonl")) == []


def test_a_file_that_changes_is_not_read_on(path):
    file = NotesFile(path)
    write_notes(path, [Note("other", "secret")])
    for read in (lambda: file[0], lambda: list(file)):
        with pytest.raises(UserError, match=r"n\.jsonl has changed"):
            read()


def test_spooled_notes_come_back_even_the_same_one_twice(path, tmp_path):
    notes = [*read_notes(path), *read_notes(path)]
    spooled = NotesFile.spooled(tmp_path / "new" / "s.jsonl", iter(notes))
    assert list(spooled) == notes and spooled[4] == notes[4]
