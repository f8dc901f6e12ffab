from itertools import islice

from scripts.generators.control import control_requests, opening_requests, prefix_of
from scripts.notes.note import Note

NOTES = [
    Note("1", "Seen in  clinic today.", None, {"genre": "clinic", "sex": "F"}),
    Note("2", "Admitted.", None, {"genre": "ward", "sex": ""}),
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
