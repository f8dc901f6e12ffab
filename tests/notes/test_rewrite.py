"""Notes made from others: every span stands where its mention does."""

from scripts.notes.note import Note, Span
from scripts.notes.rewrite import part_of, with_mentions

NAME, DRUG, END = Span(0, 3, "NAME"), Span(9, 16, "DRUG"), Span(21, 25, "X")
NOTE = Note("n", "Ann took aspirin and slept", (NAME, DRUG, END), {"sex": "F"}, (NAME,))


def test_a_longer_or_shorter_mention_moves_the_spans_after_it():
    made = with_mentions(NOTE, {NAME: "Margareta", DRUG: "ASA"})
    assert made.text == "Margareta took ASA and slept"
    assert made.spans == (Span(0, 9, "NAME"), Span(15, 18, "DRUG"), Span(23, 27, "X"))
    assert (made.id, made.meta, made.identifiers) == ("n", {"sex": "F"}, ())


def test_without_spans_there_is_nothing_to_replace():
    assert with_mentions(Note("n", "Ann came"), {NAME: "Eva"}) == Note("n", "Ann came")
    assert with_mentions(Note("n", "Ann came", ()), {}) == Note("n", "Ann came", ())


def test_a_part_has_the_spans_inside_it():
    assert part_of(NOTE, 4, 21) == Note("n", "took aspirin and ", (Span(5, 12, "DRUG"),), {"sex": "F"})
    assert part_of(NOTE, 1, 26).spans == (Span(8, 15, "DRUG"), Span(20, 24, "X"))  # of Ann only nn is there
    assert part_of(Note("n", "Ann came"), 4, 8) == Note("n", "came")
