"""Notes to Docs and back: what survives, what is counted as lost, and what is not stored."""

import zlib

import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Span as DocSpan
from spacy.training import Example

from scripts.notes.docbins import make_docs, read_docbin, to_note, write_docbin
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank

NLP = blank("en")
LABELLED = Note("a", "Took aspirin 25mg.", (Span(5, 12, "DRUG"), Span(13, 15, "DOSE")), {"patient": "P7"})
EMPTY = Note("b", "Nothing here.", ())
UNLABELLED = Note("c", "Nobody looked.", None)
MISALIGNED = Note("d", "aspirin", (Span(0, 3, "DRUG"), Span(3, 5, "DRUG"), Span(5, 7, "DOSE")))


def test_spans_become_entities_of_the_asked_labels():
    (doc,), losses = make_docs([LABELLED], NLP, ["DRUG"])
    assert [(e.text, e.label_) for e in doc.ents] == [("aspirin", "DRUG")]
    assert not losses
    assert to_note(doc, "a", {}).spans == (Span(5, 12, "DRUG"),)


def test_spans_inside_tokens_are_counted_per_label():
    (doc,), losses = make_docs([MISALIGNED], NLP, ["DRUG", "DOSE"])
    assert not doc.ents
    assert losses == {"DRUG": 2, "DOSE": 1}


def test_nobody_looked_is_not_nothing_found(tmp_path):
    docs, _ = make_docs([EMPTY, UNLABELLED], NLP, ["DRUG"])
    write_docbin(tmp_path / "x.spacy", docs)
    empty, unlabelled = read_docbin(tmp_path / "x.spacy", NLP)
    assert [t.ent_iob_ for t in empty] == ["O", "O", "O"]
    assert [t.ent_iob_ for t in unlabelled] == ["", "", ""]
    assert to_note(empty, "b", {}).spans == ()
    assert to_note(unlabelled, "c", {}).spans is None
    assert Example(unlabelled, unlabelled).get_aligned_ner() == [None, None, None]


def test_partly_missing_tokens_survive(tmp_path):
    doc = NLP("one two three four")
    doc.set_ents([DocSpan(doc, 0, 1, "DRUG")], missing=[DocSpan(doc, 2, 4)], default="outside")
    write_docbin(tmp_path / "x.spacy", [doc])
    (back,) = read_docbin(tmp_path / "x.spacy", NLP)
    assert [t.ent_iob_ for t in back] == ["B", "O", "", ""]
    assert to_note(back, "x", {}).spans == (Span(0, 3, "DRUG"),)


def full_doc():
    (doc,), _ = make_docs([LABELLED], NLP, ["DRUG"])
    doc.spans["llm"] = [DocSpan(doc, 1, 2, "SILVERLABEL")]
    doc.spans["other"] = [DocSpan(doc, 0, 1, "OTHERLABEL")]
    doc.cats = {"SECRETCAT": 1.0}
    doc[0].lemma_ = "SECRETLEMMA"
    doc[0].norm_ = "SECRETNORM"
    doc.user_data["secret"] = "SECRETDATA"
    doc.ents[0].kb_id_ = "SECRETKB"
    return doc


def test_nothing_but_tokens_and_entities_is_stored(tmp_path):
    write_docbin(tmp_path / "x.spacy", [full_doc()], groups=["llm"])
    raw = zlib.decompress((tmp_path / "x.spacy").read_bytes())
    assert b"SILVERLABEL" in raw
    for secret in (b"SECRET", b"P7", b"OTHERLABEL", b"meta"):
        assert secret not in raw
    (doc,) = read_docbin(tmp_path / "x.spacy", blank("en"))
    assert [(s.text, s.label_) for s in doc.spans["llm"]] == [("aspirin", "SILVERLABEL")]
    assert list(doc.spans) == ["llm"] and not doc.user_data and not doc.cats


def test_ids_and_meta_are_stored_on_request(tmp_path):
    write_docbin(tmp_path / "x.spacy", [full_doc()], store_user_data=True)
    (doc,) = read_docbin(tmp_path / "x.spacy", NLP)
    assert doc.user_data["id"] == "a" and doc.user_data["meta"] == {"patient": "P7"}
    assert not doc.spans


def test_shards_are_read_in_order_as_one(tmp_path):
    docs, _ = make_docs((Note(str(i), f"note {i}", ()) for i in range(7)), NLP, [])
    for first in range(0, 7, 3):
        write_docbin(tmp_path / f"{first // 3:05}.spacy", docs[first : first + 3])
    assert [d.text for d in read_docbin(tmp_path, NLP)] == [d.text for d in docs]


def test_a_docbin_that_fails_halfway_leaves_the_old_one_whole(tmp_path):
    docs, _ = make_docs((Note(str(i), f"note {i}", ()) for i in range(3)), NLP, [])
    write_docbin(tmp_path / "x.spacy", docs)

    def broken():
        yield docs[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_docbin(tmp_path / "x.spacy", broken())
    assert len(list(read_docbin(tmp_path, NLP))) == 3


@pytest.mark.parametrize("content", [b"", b"no docbin", zlib.compress(srsly.msgpack_dumps({}))])
def test_a_broken_docbin_is_an_error_for_people(tmp_path, content):
    (tmp_path / "x.spacy").write_bytes(content)
    with pytest.raises(UserError, match="not a DocBin"):
        list(read_docbin(tmp_path / "x.spacy", NLP))
    with pytest.raises(UserError, match="no DocBin there"):
        list(read_docbin(tmp_path / "y.spacy", NLP))


def test_a_megabyte_and_no_docs(tmp_path):
    text = "Took aspirin 25mg.\n" * 55_000
    (doc,), losses = make_docs([Note("big", text, (Span(5, 12, "DRUG"),))], NLP, ["DRUG"])
    assert doc.text == text and not losses
    assert write_docbin(tmp_path / "none.spacy", []) == 0
    assert list(read_docbin(tmp_path / "none.spacy", spacy.blank("en"))) == []


@given(st.text(st.characters(codec="utf8", exclude_characters="\x00"), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back_through_bytes(text):
    (doc,), _ = make_docs([Note("x", text, ())], NLP, [])
    assert to_note(doc, "x", {}) == Note("x", text, ())
