import random
import re
from itertools import islice

from scripts.generators.control import Mentions, control_requests, opening_requests, prefix_of
from scripts.llm.answers import spans_of_copy
from scripts.notes.note import Note

NOTES = [
    Note("1", "Seen in  clinic today.", None, {"genre": "clinic", "sex": "F"}),
    Note("2", "Admitted.", None, {"genre": "ward", "sex": ""}),
]


def labelled(marked: str) -> Note:
    """The note whose spans MARKED shows as <DRUG>mention</DRUG> or <PROC>mention</PROC>."""
    text = re.sub(r"</?[A-Z]+>", "", marked)
    return Note(text[:9], text, tuple(spans_of_copy(marked, text, ["DRUG", "PROC"])))


# One drug and one procedure; one drug; nothing found.
LABELLED = [
    labelled("Given <DRUG>aspirin</DRUG> after <PROC>CT\n  head</PROC>."),
    labelled("On <DRUG>aspirin 75</DRUG> since May."),
    labelled("Slept well, declined aspirin."),
]


def test_a_prefix_names_what_is_known_and_only_that():
    assert prefix_of(NOTES[0].meta, ["genre", "sex", "age_group"]) == "genre: clinic | sex: F\n\n"
    assert prefix_of(NOTES[1].meta, ["genre", "sex"]) == "genre: ward\n\n"
    assert prefix_of({}, ["genre"]) == ""


def test_requests_are_drawn_from_the_notes_and_repeat_with_the_seed():
    first, again = (list(islice(control_requests(NOTES, ["genre"], seed), 50)) for seed in (3, 3))
    assert first == again
    assert {r.meta["genre"] for r in first} == {"clinic", "ward"}


def test_an_opening_keeps_the_notes_own_spaces_and_a_short_note_gives_all_it_has():
    openings = {r.opening for r in islice(opening_requests(NOTES, 3, 0), 20)}
    assert openings == {"Seen in  clinic", "Admitted."}


def test_a_prefix_with_mentions_has_a_line_for_them():
    assert (
        prefix_of(NOTES[0].meta, ["genre"], ["CT head", "aspirin"]) == "genre: clinic\nmentions: CT head; aspirin\n\n"
    )
    assert prefix_of({}, ["genre"], ["aspirin"]) == "mentions: aspirin\n\n"
    assert prefix_of(NOTES[0].meta, ["genre"], []) == "genre: clinic\n\n"


def test_a_labelled_note_has_its_own_mentions_in_order_each_once_and_on_one_line():
    note = labelled("<DRUG>Heparin</DRUG>, <PROC>CT\n head</PROC>, <DRUG>aspirin</DRUG>, <DRUG>Heparin</DRUG>; aspirin")
    assert Mentions(LABELLED).of(note) == ["Heparin", "CT head", "aspirin"]
    assert Mentions(LABELLED).of(LABELLED[2]) == []  # it says that there are none, whatever the others have


def test_a_note_without_labels_has_the_whole_words_of_others_mentions_longest_first():
    pool = Mentions(LABELLED)
    assert pool.of(Note("u", "CT head, aspirin 75, then aspirin; CT head again.")) == [
        "CT head",
        "aspirin 75",
        "aspirin",
    ]
    assert pool.of(Note("u", "aspirin 750")) == ["aspirin"]
    assert pool.of(Note("u", "aspirinate, CT heads, preaspirin")) == []


def test_mentions_are_taken_as_they_are_written_and_not_as_patterns():
    pool = Mentions([labelled("<DRUG>vit. D (D3)</DRUG> and <DRUG>5-FU+</DRUG>")])
    assert pool.of(Note("u", "vitx D (D3), 5-FU+ given; vit. D (D3)")) == ["5-FU+", "vit. D (D3)"]


def test_drawn_are_as_many_of_each_label_as_a_labelled_note_has_from_all_of_them():
    pool, rng = Mentions(LABELLED), random.Random(0)
    drawn = {tuple(pool.draw(rng)) for _ in range(100)}
    # The labels of each note, one of them without any, with the drugs of both.
    assert drawn == {
        (),
        ("aspirin", "CT head"),
        ("aspirin 75", "CT head"),
        ("aspirin",),
        ("aspirin 75",),
    }


def test_the_same_mention_drawn_twice_is_asked_for_once():
    pool = Mentions([labelled("<DRUG>aspirin</DRUG>, <DRUG>heparin</DRUG>")])
    rng = random.Random(0)
    assert {frozenset(pool.draw(rng)) for _ in range(50)} == {
        frozenset({"aspirin"}),
        frozenset({"heparin"}),
        frozenset({"aspirin", "heparin"}),
    }


def test_without_labelled_notes_there_are_no_mentions():
    for notes in ([], NOTES, [LABELLED[2]]):
        assert Mentions(notes).draw(random.Random(0)) == []
        assert Mentions(notes).of(Note("u", "aspirin")) == []


def test_requests_with_mentions_repeat_with_the_seed_and_say_nothing_of_them_in_the_meta():
    first, again, other = (
        list(islice(control_requests(NOTES, ["genre"], seed, Mentions(LABELLED)), 50)) for seed in (3, 3, 4)
    )
    assert first == again != other
    assert {"genre: ward\nmentions: aspirin 75; CT head\n\n", "genre: clinic\nmentions: aspirin\n\n"} <= {
        prompt for r in first for prompt in r.prompts
    }
    assert all(set(r.meta) == {"genre"} and not r.opening for r in first)
