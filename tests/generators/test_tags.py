import random

import pytest

from scripts.generators.tags import read_tags, tag_canaries, write_tags
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span

LABELS = ("DRUG", "DRUG_CLASS", "PROC")


def test_mentions_stand_between_tags_and_other_labels_do_not():
    note = Note("n", "Ann takes aspirin.", (Span(0, 3, "NAME"), Span(10, 17, "DRUG")))
    assert write_tags(note, LABELS) == "Ann takes <DRUG>aspirin</DRUG>."
    assert read_tags("Ann takes <DRUG>aspirin</DRUG>.", LABELS) == ("Ann takes aspirin.", (Span(10, 17, "DRUG"),), None)
    assert write_tags(note.with_spans(None), LABELS) == note.text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("BP <90, K >5 & rising", "BP <90, K >5 & rising"),
        ("the <DRUG> field", "the &lt;DRUG> field"),
        ("the <DRUG field </PROC>", "the &lt;DRUG field &lt;/PROC>"),
        ("the &lt;DRUG> field", "the &amp;lt;DRUG> field"),
        ("<DRUGS> &lt; &amp;lt;", "<DRUGS> &lt; &amp;lt;"),
        ("<DRUG_CLASS>", "&lt;DRUG_CLASS>"),
    ],
)
def test_what_looks_like_a_tag_is_escaped_and_nothing_else(text, written):
    assert write_tags(Note("n", text), LABELS) == written
    assert read_tags(written, LABELS) == (text, (), None)


def test_whatever_a_note_holds_text_and_spans_come_back():
    rng = random.Random(0)
    parts = ("<", "/", "DRUG", "_CLASS", "PROC", ">", "&", "lt;", "amp;", "x", " ")
    n_escaped = 0
    for _ in range(3000):
        text = "".join(rng.choices(parts, k=12))
        edges = sorted(rng.sample(range(len(text) + 1), 4))
        spans = [Span(a, b, rng.choice(LABELS)) for a, b in (edges[:2], edges[2:])]
        spans = tuple(s for s in spans if text[s.start : s.end] == text[s.start : s.end].strip())
        written = write_tags(Note("n", text, spans), LABELS)
        n_escaped += "&lt;DRUG" in written
        assert read_tags(written, LABELS) == (text, spans, None)
    assert n_escaped > 50


@pytest.mark.parametrize(
    ("text", "plain", "fault"),
    [
        ("On <DRUG>aspirin.", "On aspirin.", "unclosed tag"),
        ("On aspirin</DRUG>.", "On aspirin.", "tag never opened"),
        ("On <DRUG>aspirin</PROC>.", "On aspirin.", "unclosed tag"),
        ("On <DRUG>low <PROC>dose</PROC> aspirin</DRUG>.", "On low dose aspirin.", "nested tags"),
        ("On <DRUG>low <DRUG>dose</DRUG></DRUG>.", "On low dose.", "nested tags"),
        ("On <DRUG>low <PROC>dose</DRUG> x</PROC>.", "On low dose x.", "crossing tags"),
        ("On <DRUG>low <PROC>dose</PROC> aspirin.", "On low dose aspirin.", "unclosed tag"),
        ("On <DRUG> </DRUG>.", "On  .", "empty tag"),
        ("On <DRUG aspirin.", "On  aspirin.", "broken tag"),
    ],
)
def test_a_fault_is_named_and_the_text_is_plain_without_spans(text, plain, fault):
    assert read_tags(text, LABELS) == (plain, (), fault)


def test_blanks_at_the_ends_of_a_mention_are_no_part_of_it():
    assert read_tags("On <DRUG> vit D\n</DRUG>.", LABELS) == ("On  vit D\n.", (Span(4, 9, "DRUG"),), None)


def test_a_canary_is_tagged_where_it_holds_mentions_of_labelled_notes():
    labelled = Note("a", "On aspirin.", (Span(3, 10, "DRUG"),))
    canary = Note("c", "Takes Aspirin daily.", None, {"canary": "planted", "end": 9})
    unlabelled = Note("u", "No aspirin.")
    assert tag_canaries([labelled, canary, unlabelled], LABELS) == [
        labelled,
        canary.with_spans([Span(6, 13, "DRUG")]),
        unlabelled,
    ]
    with pytest.raises(UserError, match="labelled"):
        tag_canaries([unlabelled], LABELS)
