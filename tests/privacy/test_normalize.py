import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.notes.note import Note
from scripts.privacy.normalize import locate, plain, searchable, squeeze, tokenize, weight


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Pérez-Ruiz, ANA", "perezruizana"),
        (unicodedata.normalize("NFD", "Pérez-Ruiz, Ana"), "perezruizana"),
        ("Pe\u0301\u200brez\u00ad-Ruiz\n  ana", "perezruizana"),
        ("ＨＮ ４８２１", "hn4821"),
        ("٤٨٢١", "4821"),  # Arabic-Indic digits
        ("Øystein Łuka ﬁsh Straße", "oysteinlukafishstrasse"),
        ("İnce ıslak", "inceislak"),
        ("ЁЛКИН Й.", "елкини"),
        (unicodedata.normalize("NFD", "Ёлкин й"), "елкини"),
        ("김 민수", "김민수"),
        (unicodedata.normalize("NFD", "김민수"), "김민수"),
        ("ｼﾞｮﾝ・スミス", "ション・スミス".replace("・", "")),  # half-width; voicing marks are accents
    ],
)
def test_spellings_that_are_one(written, expected):
    assert squeeze(written) == expected


def test_tokens_end_where_letters_meet_digits():
    assert [(t.text, t.gap) for t in tokenize("Take 40mg (po)")] == [("take", 0), ("40", 1), ("mg", 0), ("po", 2)]


def test_characters_of_scripts_without_spaces_are_tokens():
    assert [t.text for t in tokenize("患者王小明, MRI 3次")] == ["患", "者", "王", "小", "明", "mri", "3", "次"]
    assert [t.is_character for t in tokenize("明 김 ほ ab 3 Ё")] == [True] * 3 + [False] * 3


def test_a_character_weighs_as_three_letters():
    assert [weight(key) for key in ("", "abc", "王小明", "елкин", "王2")] == [0, 3, 9, 5, 4]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Ana  Lee, 40mg", ["Ana", "Lee", "40", "mg"]),
        ("O\u0308berg e\u0301!", ["O\u0308berg", "e\u0301"]),  # decomposed: the last accent as well
        ("Zbig\u200bniew\n\u00a0HALLO\u00adrann", ["Zbig\u200bniew", "HALLO\u00adrann"]),
        ("ﬁsh Straße", ["ﬁsh", "Straße"]),  # one character is two letters
        ("患者王小明３", ["患", "者", "王", "小", "明", "３"]),
        ("", []),
    ],
)
def test_tokens_are_located_in_the_text_as_it_is_written(text, written):
    assert [text[start:end] for start, end in locate(text)] == written


def test_what_is_read_otherwise_together_is_not_located():
    assert locate("김민수") is not None and locate(unicodedata.normalize("NFD", "김민수")) is None


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_a_located_token_is_spelled_as_the_token(text):
    places = locate(text)
    tokens = tokenize(text)
    # A quarter is one character and two tokens.
    assert places is None or len(places) == len(tokens)
    assert all(token.text in squeeze(text[a:b]) for (a, b), token in zip(places or (), tokens, strict=False))


def test_a_line_break_is_one_space():
    assert plain("0271 \r\n\t 440") == "0271 440"


def test_meta_and_id_are_searched_but_apart():
    tokens = tokenize(searchable(Note("s1", "Anna", None, {"opening": ["Lee", {"who": 7}]})))
    assert [t.text for t in tokens] == ["anna", "s", "1", "opening", "lee", "who", "7"]
    assert tokens[1].gap > 3 and tokens[4].gap > 3


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_plain_text_stays_as_it_is(text):
    assert plain(plain(text)) == plain(text)
    assert squeeze(unicodedata.normalize("NFD", text)) == squeeze(unicodedata.normalize("NFC", text))
