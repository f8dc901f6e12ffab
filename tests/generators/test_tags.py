import random

import pytest

from scripts.generators.tags import read_tags, tag_canaries, write_tags
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span

LABELS = ("DRUG", "DRUG_CLASS", "PROC")


def test_mentions_stand_in_tags_and_other_labels_do_not():
    note = Note("n", "Ann takes aspirin.", (Span(0, 3, "NAME"), Span(10, 17, "DRUG")))
    assert write_tags(note, LABELS) == "Ann takes [aspirin](DRUG)."
    assert read_tags("Ann takes [aspirin](DRUG).", LABELS) == ("Ann takes aspirin.", (Span(10, 17, "DRUG"),), None)
    assert write_tags(note.with_spans(None), LABELS) == note.text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("BP <90, K >5 & rising (DRUG)", "BP <90, K >5 & rising (DRUG)"),
        ("[x] yes [ ] no", "&#91;x] yes &#91; ] no"),
        ("a list](DRUG) or](DRUGS)", "a list&#93;(DRUG) or](DRUGS)"),
        ("&#91; &#93; &#93;(PROC)", "&amp;#91; &#93; &amp;#93;(PROC)"),
        ("&amp;#91; &amp; &amp;amp;", "&amp;amp;#91; &amp; &amp;amp;"),
    ],
)
def test_what_looks_like_a_tag_is_escaped_and_nothing_else(text, written):
    assert write_tags(Note("n", text), LABELS) == written
    assert read_tags(written, LABELS) == (text, (), None)


def test_whatever_a_note_holds_text_and_spans_come_back():
    rng = random.Random(0)
    parts = ("[", "]", "(", "DRUG", "PROC", ")", "](DRUG)", "&", "#91;", "#93;", "amp;", "x", " ")
    n_escaped = 0
    for _ in range(3000):
        text = "".join(rng.choices(parts, k=12))
        edges = sorted(rng.sample(range(len(text) + 1), 4))
        spans = [Span(a, b, rng.choice(LABELS)) for a, b in (edges[:2], edges[2:])]
        spans = tuple(s for s in spans if text[s.start : s.end] == text[s.start : s.end].strip())
        written = write_tags(Note("n", text, spans), LABELS)
        n_escaped += "&#93;(DRUG)" in written
        assert read_tags(written, LABELS) == (text, spans, None)
    assert n_escaped > 50


@pytest.mark.parametrize(
    ("text", "plain", "fault"),
    [
        ("On [aspirin.", "On aspirin.", "unclosed tag"),
        ("On [aspirin](DRG).", "On aspirin](DRG).", "unclosed tag"),
        ("On [aspirin] (DRUG).", "On aspirin] (DRUG).", "unclosed tag"),
        ("On aspirin](DRUG).", "On aspirin.", "tag never opened"),
        ("On [low [dose](PROC) aspirin](DRUG).", "On low dose aspirin.", "nested tags"),
        ("On [low [dose](PROC) aspirin.", "On low dose aspirin.", "unclosed tag"),
        ("On [ ](DRUG).", "On  .", "empty tag"),
    ],
)
def test_a_fault_is_named_and_the_text_is_plain_without_spans(text, plain, fault):
    assert read_tags(text, LABELS) == (plain, (), fault)


def test_blanks_at_the_ends_of_a_mention_are_no_part_of_it():
    assert read_tags("On [ vit D\n](DRUG).", LABELS) == ("On  vit D\n.", (Span(4, 9, "DRUG"),), None)


def test_a_canary_is_tagged_where_it_holds_mentions_of_labelled_notes():
    labelled = Note("a", "On aspirin.", (Span(3, 10, "DRUG"),))
    canary = Note("c", "Takes Aspirin daily.", None, {"canary": "planted", "end": 9})
    unlabelled = Note("u", "No aspirin.")
    notes = [labelled, canary, unlabelled]
    tagged = canary.with_spans([Span(6, 13, "DRUG")])
    assert list(tag_canaries(notes, LABELS, notes)) == [labelled, tagged, unlabelled]
    assert list(tag_canaries(notes, LABELS, [])) == [labelled, canary.with_spans([]), unlabelled]
    with pytest.raises(UserError, match="labelled"):
        tag_canaries([unlabelled], LABELS, [unlabelled])
