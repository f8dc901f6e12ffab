"""Sequences made of others: length, places from both ends, order, and nothing beyond."""

import random

import pytest

from scripts.notes.lazy import Joined, Mapped, Picked


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Joined([1, 2], [], (3,), range(4, 6)), [1, 2, 3, 4, 5]),
        (Joined(), []),
        (Mapped(str, [1, 2]), ["1", "2"]),
        (Picked("abc", [2, 0, 2]), ["c", "a", "c"]),
        (Joined(Mapped(abs, [-1]), Picked([5, 6], [1])), [1, 6]),
    ],
)
def test_they_are_what_a_list_would_be(made, expected):
    assert len(made) == len(expected)
    assert list(made) == list(made) == expected
    assert [made[i] for i in range(-len(expected), len(expected))] == expected * 2
    for place in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            made[place]


def test_a_mapped_item_is_made_when_it_is_asked_for_alone():
    asked = []
    made = Mapped(lambda item: asked.append(item) or item, "abc")
    assert random.Random(0).choice(made) == asked[0]
    assert len(asked) == 1
