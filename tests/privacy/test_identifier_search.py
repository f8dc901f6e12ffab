from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from scripts.privacy.dates import MonthNames
from scripts.privacy.keys import Identifiers
from scripts.privacy.normalize import tokenize
from scripts.privacy.search import Finder

MONTHS = MonthNames(["january february march april may june july august september october november december"])


def make_finder(*keys: str, births: tuple[date, ...] = (), near: bool = True) -> Finder:
    kinds = {key: "name" if key.isalpha() else "number" for key in keys}
    return Finder(Identifiers(kinds, frozenset(), frozenset(births), frozenset(), {}, {}), MONTHS, near)


def found(finder: Finder, text: str) -> set[tuple[str, bool]]:
    return {(hit.key, hit.exact) for hit in finder.find(tokenize(text))}


@pytest.mark.parametrize("text", ["x 4821-0093 y", "48210093", "4 8 2 1 0 0 9 3", "HN4821\n0093", "(4821)/0093."])
def test_a_number_in_any_spacing(text):
    assert found(make_finder("48210093"), text) == {("48210093", True)}


@pytest.mark.parametrize("text", ["5548210093", "4821 and 0093", "4821     #####    0093"])
def test_a_number_inside_another_or_torn_apart_is_another(text):
    assert found(make_finder("48210093"), text) == set()


def test_short_numbers_must_stand_in_one_piece():
    finder = make_finder("120809")
    assert found(finder, "chart 120809") == {("120809", True)}
    assert found(finder, "BP 120/80, 9 breaths") == set()


def test_a_phone_number_with_another_prefix():
    assert found(make_finder("027144091826"), "+358 271 440 918 26") == {("027144091826", True)}
    assert found(make_finder("2185550147"), "tel 8555 0147") == set()  # the end of it, mistyped, is anybody's


def test_names_end_at_the_edges_of_words():
    finder = make_finder("analee")
    assert found(finder, "ANA  LEE, An alee") == {("analee", True)}
    assert found(finder, "banal eel, ana leena") == set()


@pytest.mark.parametrize(
    ("key", "texts", "others"),
    [
        ("иванелкин", ["осмотрен ИВАН ЁЛКИН, 44", "Иван\nЕлкин."], ["Иван Ёлкина", "Диван Ёлкин"]),
        ("王小明", ["患者王小明于三月入院", "王 小明", "王小\n明"], ["王小红", "小明王"]),
        ("山田太郎", ["山田太郎さんは", "山田　太郎"], ["山田次郎"]),
        ("김민수", ["환자 김민수는 3월에", "김 민수"], ["김민호"]),
        ("東京都新宿区西新宿2丁目8番1号", ["住所:東京都新宿区西新宿２丁目８番１号。"], ["東京都新宿区"]),
    ],
)
def test_names_in_other_scripts(key, texts, others):
    for text in texts:
        assert (key, True) in found(make_finder(key), text) | found(make_finder(key, near=False), text)
        assert (key, True) in found(make_finder(key, near=False), text)
    for text in others:
        assert (key, True) not in found(make_finder(key), text)
        assert found(make_finder(key), text) == set() or key == "иванелкин"


@pytest.mark.parametrize("text", ["zbigniew hallorann", "Zbigniev Halloran", "Zbigniiew Halloran", "Zbigniew Haloran"])
def test_one_mistyped_letter(text):
    assert found(make_finder("zbigniewhalloran"), text) == {("zbigniewhalloran", False)}


def test_what_is_exact_is_not_also_near():
    assert found(make_finder("zbigniewhalloran"), "Zbigniew Halloran s.") == {("zbigniewhalloran", True)}


def test_births_in_any_form():
    hits = make_finder(births=(date(1951, 3, 12),)).find(tokenize("born on March 12, 1951 or 1952"))
    assert [(h.kind, h.key, h.first, h.last) for h in hits] == [("birth", "1951-03-12", 2, 4)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["ana", "lee", "+358", "271", "4409", "1826", "x"]), max_size=8).map(" ".join))
def test_without_near_hits_the_exact_ones_are_the_same(text):
    keys = ("analee", "leex", "027144091826", "4409x1826")
    near, exact = make_finder(*keys), make_finder(*keys, near=False)
    assert found(exact, text) == {hit for hit in found(near, text) if hit[1]}


@settings(max_examples=200, deadline=None)
@given(st.text("ab", min_size=7, max_size=12), st.integers(0, 13), st.sampled_from(["", "a", "b", "c", "cc"]))
def test_near_means_at_most_one_edit(key, at, inserted):
    word = key[:at] + inserted + key[at + 1 :]
    expected = {(key, word == key)} if len(word) >= 7 and Levenshtein.distance(key, word) <= 1 else set()
    assert found(make_finder(key), word) == expected
