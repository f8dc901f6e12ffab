"""Weights by hand, and requests drawn with them."""

from collections import Counter
from itertools import islice

import pytest

from scripts.generators.control import control_requests, opening_requests
from scripts.generators.wanted import weights_of
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span


def note(id: str, labels: str | None = "", **meta: str) -> Note:
    """A note with a span of each letter of LABELS; None: nobody labelled it."""
    spans = None if labels is None else tuple(Span(i, i + 1, label) for i, label in enumerate(labels))
    return Note(id, f"{id} text of it", spans, meta)


NOTES = [
    note("0", genre="ward"),
    note("1", genre="ward"),
    note("2", genre="ward"),
    note("3", genre="clinic"),
    note("4"),
]


def test_nothing_wanted_is_no_weights():
    assert weights_of(NOTES, {}) is None


def test_named_values_get_their_shares_and_the_others_what_is_left():
    assert weights_of(NOTES, {"genre": {"clinic": 0.6}}) == pytest.approx([0.1, 0.1, 0.1, 0.6, 0.1])
    assert weights_of(NOTES, {"genre": {"clinic": 0.5, "ward": 0.5}}) == pytest.approx([1 / 6] * 3 + [0.5, 0])


def test_two_keys_are_weighed_one_by_one():
    notes = [note("0", genre=g, sex=s) for g in ("ward", "clinic") for s in ("F", "M")]
    weights = weights_of(notes, {"genre": {"ward": 0.9}, "sex": {"F": 0.2}})
    assert weights == pytest.approx([0.45 * 0.1, 0.45 * 0.4, 0.05 * 0.1, 0.05 * 0.4])


def test_a_note_counts_by_the_rarest_of_its_labels():
    notes = [note("0", "AB"), note("1", "A"), note("2", "A"), note("3", "A"), note("4", ""), note("5", None)]
    # of five labelled notes four have A, one B
    assert weights_of(notes, {}, rare_labels=1) == pytest.approx([5, 5 / 4, 5 / 4, 5 / 4, 1, 1])
    assert weights_of(notes, {}, rare_labels=0.5)[0] == pytest.approx(5**0.5)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"genre": {"letter": 0.5}}, "no note has the value letter"),
        ({"genre": {"ward": 1.5}}, "ward = 1.5 is no share"),
        ({"genre": {"ward": 0.7, "clinic": 0.7}}, "more than 1 together"),
        ({"genre": {"ward": 0.0, "clinic": 0.0, "None": 0.0}}, "leave 100%"),
        ({"genre": {"ward": 1.0}, "id": {"3": 1.0}}, "no note has the value 3"),
    ],
)
def test_what_cannot_be_is_refused(wanted, said):
    with pytest.raises(UserError, match=said):
        weights_of(NOTES, wanted)


def test_values_that_no_note_has_together_are_refused():
    notes = [note("0", genre="ward", sex="F"), note("1", genre="clinic", sex="M")]
    with pytest.raises(UserError, match="no note has the values of genre, sex"):
        weights_of(notes, {"genre": {"ward": 1.0}, "sex": {"M": 1.0}})


def test_requests_have_the_shares_that_are_wanted():
    weights = weights_of(NOTES, {"genre": {"clinic": 0.6}})
    drawn = Counter(r.meta.get("genre") for r in islice(control_requests(NOTES, ["genre"], 0, weights=weights), 2000))
    assert drawn["clinic"] / 2000 == pytest.approx(0.6, abs=0.04)
    opened = Counter(r.opening[0] for r in islice(opening_requests(NOTES, 1, 0, weights), 2000))
    assert opened["3"] / 2000 == pytest.approx(0.6, abs=0.04)


def test_a_prefix_tells_what_is_labelled_in_a_note_or_passage():
    labelled = Note("n", "a b c d", (Span(0, 1, "B"), Span(2, 3, "A"), Span(6, 7, "A")))
    whole = next(control_requests([labelled], ["entities"], 0))
    assert whole.prompts == ("entities: A B\n\n",) and whole.meta == {"entities": "A B"}
    passages = next(control_requests([labelled], ["entities"], 0, n_words=2))
    assert passages.prompts == ("entities: A B | part: 1 of 2\n\n", "entities: A | part: 2 of 2\n\n")
    assert next(control_requests([note("0")], ["entities"], 0)).prompts == ("entities: none\n\n",)
    assert next(control_requests([note("0", None)], ["entities"], 0)).prompts == ("",)
