"""The aligner: a known-answer set written by hand, and what holds for any text."""

import json
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.notes.align import align
from scripts.notes.fold import CLEAN, CUT, GLUED, JOINED, edge, fold
from scripts.notes.note import Note, Span, check_note

KNOWN = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "alignment.jsonl").read_text("utf8").splitlines()
]
PLACED = {"exact", "case", "whitespace", "inflected", "fuzzy"}


def run(case):
    mentions = [(string, label) for string, label in case["mentions"]]
    return align(case["text"], mentions, case.get("occurrences", "listed"))


def test_known_answers():
    assert len(KNOWN) >= 200
    wrong_spans, wrong = [], []
    for number, case in enumerate(KNOWN, 1):
        result = run(case)
        spans = [[s.start, s.end, s.label] for s in result.spans]
        statuses = [entry.status for entry in result.ledger]
        if any(span not in case["spans"] for span in spans):
            wrong_spans.append(number)
        if spans != case["spans"] or statuses != case["statuses"]:
            wrong.append(number)
    assert not wrong_spans, f"lines with wrong offsets: {wrong_spans}"
    assert len(wrong) <= 0.01 * len(KNOWN), f"lines with wrong answers: {wrong}"


def test_the_known_answers_are_sound_themselves():
    for case in KNOWN:
        check_note(Note("x", case["text"], tuple(Span(*span) for span in case["spans"])), case["text"])
        assert len(case["statuses"]) == len(case["mentions"])
    assert {status for case in KNOWN for status in case["statuses"]} == PLACED | {"ambiguous", "absent", "misaligned"}


def test_every_mention_is_accounted_for():
    result = align("aspirin, aspirin, CT head", [("aspirin", "D"), ("CT", "P"), ("CT head", "P"), ("MRI", "P")])
    assert dict(result.counts) == {"exact": 2, "misaligned": 1, "absent": 1}
    assert [entry.spans for entry in result.ledger] == [(Span(0, 7, "D"),), (), (Span(18, 25, "P"),), ()]


def test_the_two_meanings_of_a_list():
    text = "aspirin a aspirin b aspirin"
    assert len(align(text, [("aspirin", "D")]).spans) == 1
    assert len(align(text, [("aspirin", "D")] * 2).spans) == 2
    (entry,) = align(text, [("aspirin", "D")], "all").ledger
    assert entry.spans == (Span(0, 7, "D"), Span(10, 17, "D"), Span(20, 27, "D"))


def test_labels_follow_the_order_of_the_list():
    result = align("iron level; CT; iron given", [("iron", "TEST"), ("CT", "P"), ("iron", "DRUG")])
    assert [s.label for s in result.spans] == ["TEST", "P", "DRUG"]


def test_lists_by_label_are_each_in_order():
    text = "CT. iron studies. MRI. iron tablets. zinc. ECG."
    mentions = [("CT", "P"), ("MRI", "P"), ("ECG", "P"), ("iron", "D"), ("zinc", "D")]
    assert [s.start for s in align(text, mentions).spans] == [0, 4, 18, 37, 43]


def test_a_status_is_about_the_mention_itself():
    mentions = [("aspirin", "D"), ("Aspirin", "D")]
    assert [entry.status for entry in align("Aspirin then aspirin", mentions, "all").ledger] == ["exact", "exact"]
    assert [entry.status for entry in align("Aspirin alone", mentions, "all").ledger] == ["case", "exact"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab|cd", CUT),
        ("12|34", CUT),
        ("2|.5", CUT),
        ("2.|5", CUT),
        ("5|,000", CUT),
        ("e|\u0301", CUT),
        ("B|12", CUT),
        ("Mc|Lee", CUT),
        ("aspirin|25", GLUED),
        ("CP|28016", GLUED),
        ("72|yo", GLUED),
        ("x|2/7", GLUED),
        ("Pérez|Calle", GLUED),
        ("beta|-blocker", JOINED),
        ("beta-|blocker", JOINED),
        ("CT|'s", JOINED),
        ("a| b", CLEAN),
        ("CT|.", CLEAN),
        ("5|. ", CLEAN),
        ("|a", CLEAN),
        ("a|", CLEAN),
    ],
)
def test_where_a_span_may_have_an_edge(text, expected):
    assert edge(text.replace("|", ""), text.index("|")) == expected


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_folding_keeps_the_way_back(text):
    folded = fold(text)
    assert len(folded.key) == len(folded.source)
    assert list(folded.source) == sorted(folded.source)
    assert all(0 <= i < len(text) for i in folded.source)


@given(st.text(st.sampled_from("aàéßİñ5 E\u0301zc-"), max_size=20))
@settings(max_examples=150, deadline=None)
def test_composed_and_decomposed_text_fold_alike(text):
    assert fold(unicodedata.normalize("NFD", text)).key == fold(unicodedata.normalize("NFC", text)).key


VOCABULARY = "aspirin|Aspirin|aspirini|CT|İzmir|Straße|5|25|2.5|mg|Lee|sleet|e\u0301|é|-|.|,|\n|(|x2/7"
WORDS = st.sampled_from(VOCABULARY.split("|"))
TEXTS = st.lists(WORDS, max_size=14).map(" ".join) | st.lists(WORDS, max_size=8).map("".join)


@pytest.mark.slow
@given(
    TEXTS, st.lists(st.tuples(WORDS | TEXTS | st.text(max_size=6), st.sampled_from("DP")), max_size=8), st.booleans()
)
@settings(max_examples=300, deadline=None)
def test_spans_are_whole_words_of_the_text_and_never_overlap(text, mentions, everywhere):
    result = align(text, mentions, "all" if everywhere else "listed")
    assert len(result.ledger) == len(mentions)
    last = 0
    for span in result.spans:
        assert last <= span.start < span.end <= len(text)
        assert edge(text, span.start) != CUT and edge(text, span.end) != CUT
        assert text[span.start : span.end].strip() == text[span.start : span.end]
        last = span.end
    for (string, label), entry in zip(mentions, result.ledger, strict=True):
        assert bool(entry.spans) == (entry.status in PLACED)
        assert all(span.label == label and span in result.spans for span in entry.spans)
        if entry.status == "exact":
            surfaces = {unicodedata.normalize("NFC", text[s.start : s.end]) for s in entry.spans}
            assert unicodedata.normalize("NFC", string.strip()) in surfaces
    if not everywhere:
        assert len(result.spans) == sum(len(entry.spans) for entry in result.ledger) <= len(mentions)


@given(st.lists(st.sampled_from(["alpha", "bravo", "charlie", "delta", "echo"]), min_size=1, max_size=12), st.data())
@settings(max_examples=100, deadline=None)
def test_a_full_list_in_order_comes_back_whole(words, data):
    """Any choice of words, all occurrences of each, in order: every span is recovered with its own label."""
    text, spans = "", []
    for word in words:
        spans.append(Span(len(text), len(text) + len(word), data.draw(st.sampled_from("DP"))))
        text += f"{word} "
    assert align(text, [(text[s.start : s.end], s.label) for s in spans]).spans == tuple(spans)


def test_a_long_note_takes_milliseconds():
    text = "Pt seen today, given aspirin for chest pain. " * 125
    mentions = [("aspirin", "D"), ("chest pain", "S")] * 40 + [("warfarin sodium", "D"), ("aspirine", "D")]
    align(text, mentions)
    start = time.perf_counter()
    align(text, mentions)
    assert time.perf_counter() - start < 1  # some 10 ms on an idle core
