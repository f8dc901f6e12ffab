import random
import re
from itertools import product

import pytest

from scripts.generators.canaries import make_canaries, shared_words
from scripts.notes.canaries import end_of
from scripts.notes.errors import UserError
from scripts.notes.note import Note

COMMON = ["".join(letters) for letters in product("bdk", "aeiou", "lmnr", "st")]  # 120 words, three letters or more


def a_note(i: int) -> Note:
    """A name, a number, a word of its own and forty common words; ward and sex are shared, the record is not."""
    words = random.Random(i).sample(COMMON, 60)
    text = (
        f"Zoilo{chr(97 + i)} Quiroga, {4820000 + i}, was {' '.join(words[:9])} own{chr(97 + i)}ly. {' '.join(words)}."
    )
    return Note(f"n{i}", text, None, {"patient": f"p{i}", "record": f"HN {i}", "sex": "FM"[i % 2], "ward": 7})


NOTES = [a_note(i) for i in range(26)] * 2  # 26 patients with two notes each


@pytest.fixture(scope="module")
def canaries() -> list[Note]:
    return make_canaries(NOTES, 2, "es", "1")


def test_as_many_twins_as_planted_and_none_tells_by_its_id_which_it_is():
    orders = {tuple(c.meta["canary"] for c in make_canaries(NOTES, 2, "es", str(seed))) for seed in range(20)}
    assert all(sorted(order) == ["planted", "planted", "twin", "twin"] for order in orders)
    assert len(orders) > 1
    assert [c.id for c in make_canaries(NOTES, 2, "es", "1")] == [f"canary-000{i}" for i in (1, 2, 3, 4)]


def test_the_same_seed_gives_the_same_canaries_and_another_one_others(canaries):
    assert make_canaries(NOTES, 2, "es", "1") == canaries
    assert {c.text for c in make_canaries(NOTES, 2, "es", "2")}.isdisjoint(c.text for c in canaries)


def test_an_end_is_twenty_to_thirty_words_that_three_patients_share(canaries):
    for canary in canaries:
        words = end_of(canary).removesuffix(".").split()
        assert 20 <= len(words) <= 30 and set(words) <= set(COMMON)


def test_a_beginning_has_the_form_of_a_notes_own_and_no_identifier(canaries):
    for canary in canaries:
        beginning = canary.text[: canary.meta["end"]]
        assert re.match(r"[A-Z]\w+ [A-Z]\w+, \d{7}, was( [a-z]{4}){9} \w+\. $", beginning)
        assert not re.search(r"Zoilo|Quiroga|482000|482001|482002|own.ly", canary.text)


def test_meta_that_few_share_stays_behind(canaries):
    for canary in canaries:
        assert set(canary.meta) == {"patient", "sex", "ward", "canary", "end"}
        assert canary.meta["patient"] == canary.id and canary.spans is None


def test_a_word_is_shared_by_patients_not_by_notes_and_in_lower_case():
    texts = ["plain Rare often 5mg", "plain Rare often", "plain Rare", "often"]
    notes = [Note(f"{i}", text, None, {"patient": "AABC"[i]}) for i, text in enumerate(texts)]
    assert shared_words(notes) == set()
    assert shared_words([*notes, Note("4", "Plain plain", None, {"patient": "D"})]) == {"plain"}


def test_a_language_without_lists_of_names_has_english_ones():
    assert len(make_canaries(NOTES, 1, "xx", "1")) == 2


def test_more_than_a_twentieth_of_the_notes_is_too_much():
    with pytest.raises(UserError, match="3 canaries are more than 5 % of the 52 private notes"):
        make_canaries(NOTES, 3, "es", "1")
    with pytest.raises(UserError, match=r"Leave \[canaries\] out"):
        make_canaries(NOTES[:19], 1, "es", "1")


def test_too_few_shared_words_are_a_clear_error():
    notes = [Note(f"n{i}", "the same few words", None, {}) for i in range(20)]
    with pytest.raises(UserError, match="only 4 words"):
        make_canaries(notes, 1, "en", "1")
