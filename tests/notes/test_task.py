"""Tasks: which labels are kept, and which stop the step."""

import pytest

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.notes.task import Task, read_task

NOTE = Note("a", "aspirin in May", (Span(0, 7, "DRUG"), Span(11, 14, "DATE")))


def test_labels_are_kept_ignored_or_refused():
    task = Task("t", {"DRUG": "a medicine"}, ignore=("DATE",))
    assert [note.spans for note in task.restrict([NOTE, Note("b", "x")])] == [(Span(0, 7, "DRUG"),), None]
    with pytest.raises(UserError, match="note a: label DATE is not in task t"):
        list(Task("t", {"DRUG": "a medicine"}).restrict([NOTE]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ignore: [X]", "labels"),
        ("labels: [DRUG]", "must map each label"),
        ("labels: {DRUG: a}\nlabel: {}", "unknown keys: label"),
        ("labels: {DRUG: a}\nvote: most", "vote: most is none of majority, union"),
    ],
)
def test_bad_tasks(tmp_path, text, message):
    (tmp_path / "t.yml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_task(tmp_path / "t.yml")
    with pytest.raises(UserError, match="There are: t"):
        read_task(tmp_path / "u.yml")
