"""Examples in a file: they come back, in any order, and nothing is read before it is asked for."""

import random

import pytest

from scripts.llm import tokens
from scripts.llm.finetune import Example
from scripts.llm.local import LocalModel
from scripts.llm.rows import HIDDEN, Rows
from scripts.llm.tokens import ExampleFile, token_ids

EXAMPLES = [
    Example.language([5, 6, 7, 128_000], skip=2),
    Example((), ()),
    Example((1,), (-100,)),
    Example((2, 3), (9, 8)),
]


def test_examples_come_back_from_any_place(tmp_path):
    file = ExampleFile.written(tmp_path / "work" / "e.tokens", iter(EXAMPLES))
    assert len(file) == 4 and list(file) == EXAMPLES
    assert [file[i] for i in (3, 0, -1)] == [EXAMPLES[i] for i in (3, 0, -1)]
    assert all(type(i) is int for i in file[0].ids)
    assert list(file.lengths) == [4, 0, 1, 2]
    assert (tmp_path / "work" / "e.tokens").stat().st_size == 7 * 2 * 4
    with pytest.raises(IndexError):
        file[4]
    assert list(ExampleFile.written(tmp_path / "none.tokens", [])) == []


def test_a_file_that_could_not_be_written_is_not_there(tmp_path):
    def torn():
        yield EXAMPLES[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ExampleFile.written(tmp_path / "e.tokens", torn())
    assert list(tmp_path.iterdir()) == []


def test_rows_are_in_the_order_of_a_shuffled_list_and_read_one_by_one(tmp_path, monkeypatch):
    expected = [{"input_ids": list(e.ids), "targets": list(e.targets)} for e in EXAMPLES]
    random.Random(3).shuffle(expected)
    file = ExampleFile.written(tmp_path / "e.tokens", EXAMPLES)
    for examples in (EXAMPLES, file):
        rows = Rows(examples, 3)
        assert list(rows) == expected
        assert list(rows.lengths) == [len(row["input_ids"]) for row in expected]
        assert list(Rows(examples, 3, 2)) == expected[:2] and len(Rows(examples, 3, 2).lengths) == 2
    rows.hidden[1] = "h"
    assert [row.get(HIDDEN) for row in rows] == [None, "h", None, None]
    monkeypatch.setattr(ExampleFile, "__getitem__", lambda *_: pytest.fail("read"))
    assert sum(Rows(file, 3).lengths) == 7


def test_many_texts_have_the_tokens_of_each_by_itself(toy_lm, monkeypatch):
    tokenizer = LocalModel(toy_lm).tokenizer
    texts = ["Takes aspirin.", "", "Had a CT head in May.", "ä\n", "Echo was normal."]
    monkeypatch.setattr(tokens, "TOGETHER", 2)
    assert list(token_ids(iter(texts), tokenizer)) == [tokenizer(t, add_special_tokens=False).input_ids for t in texts]
