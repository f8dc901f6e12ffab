"""The clinical tokenizer splits where spans begin and end, loses no character, and is data."""

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.lang.zh import Chinese

from scripts.notes.errors import UserError
from scripts.notes.tokenizer import blank, split_clinical

LANGUAGES = ("en", "et", "sv", "es", "ru", "el", "xx")


NLP = blank("en")


def tokens(nlp, text):
    return [token.text for token in nlp.tokenizer(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("25mg x2/7", "25 mg x 2 / 7"),
        ("DR.Francisco NºCol:28", "DR . Francisco NºCol : 28"),
        ("(CXR), ok.", "( CXR ) , ok ."),
        ("don't 3 Jan. 5 a.m.", "don ' t 3 Jan . 5 a . m ."),
        ("PérezÁvila", "Pérez Ávila"),
        ("ИванПетров5", "Иван Петров 5"),
        ("ΝίκοςΑθήνα", "Νίκος Αθήνα"),
        ("õunÖö", "õun Öö"),
        ("mRNA HbA1c NSAIDs", "m RNA Hb A 1 c NSAIDs"),
        ("a_b@c.example", "a _ b @ c . example"),
        ("https://x.example/a", "https : / / x . example / a"),
        ("12/03/2024", "12 / 03 / 2024"),
        (":-) 8)", ": - ) 8 )"),
        ("Jose\u0301Garci\u0301a5", "Jose\u0301 Garci\u0301a 5"),
        ("שלוםעולם", "שלוםעולם"),
    ],
)
def test_it_splits_where_spans_have_edges(text, expected):
    assert tokens(NLP, text) == expected.split(" ")


@pytest.mark.slow
def test_the_rules_are_the_same_in_every_language():
    text = "Inj. aspirin25mg/d. (Jan.) a.m. don't PérezCalle 5ml"
    assert len({tuple(tokens(blank(lang), text)) for lang in LANGUAGES}) == 1


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_the_tokens_are_the_text(text):
    doc = NLP.tokenizer(text)
    assert "".join(token.text_with_ws for token in doc) == text


@given(
    st.lists(
        st.sampled_from(["aspirin", "25", "mg", ".", "(", "/", " ", "\n", "É", "Calle", "-", "º", "и"]), max_size=12
    )
)
@settings(max_examples=150, deadline=None)
def test_every_symbol_is_a_token(pieces):
    for token in NLP.tokenizer("".join(pieces)):
        assert len(token) == 1 or not any(c in token.text for c in "./(-")


def test_a_saved_pipeline_has_the_rules_as_data(tmp_path):
    text = "DR.Francisco don't 25mg/d Jan. PérezCalle:28 (a@b.example) Jose\u0301Garci\u0301a"
    nlp = split_clinical(spacy.blank("en"))
    nlp.to_disk(tmp_path)
    assert "clinical" not in (tmp_path / "config.cfg").read_text("utf8")
    assert tokens(spacy.load(tmp_path), text) == tokens(nlp, text)
    fresh = spacy.blank("es").tokenizer.from_bytes(nlp.tokenizer.to_bytes())
    assert [token.text for token in fresh(text)] == tokens(nlp, text)


def test_a_tokenizer_without_rules_stays():
    nlp = Chinese()
    before = nlp.tokenizer
    assert split_clinical(nlp).tokenizer is before
    assert tokens(nlp, "患者") == ["患", "者"]


def test_an_unknown_language_is_an_error_for_people():
    with pytest.raises(UserError, match="qq: spaCy has no such language"):
        blank("qq")
    with pytest.raises(UserError, match="needs a package"):
        blank("ja")


def test_it_is_registered_for_before_init():
    import scripts.functions  # noqa: F401

    assert spacy.registry.callbacks.get("clinical.tokenizer.v1")() is split_clinical
