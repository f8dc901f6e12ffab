import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.notes.note import Note
from scripts.privacy.normalize import plain, searchable, squeeze, tokenize


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
    ],
)
def test_spellings_that_are_one(written, expected):
    assert squeeze(written) == expected


def test_tokens_end_where_letters_meet_digits():
    assert [(t.text, t.gap) for t in tokenize("Take 40mg (po)")] == [("take", 0), ("40", 1), ("mg", 0), ("po", 2)]


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
