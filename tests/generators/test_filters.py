from collections import Counter
from pathlib import Path

import pytest

from scripts.corpora.markup import read_markup
from scripts.generators.filters import MIN_CHARACTERS, Filter, Language, Limits, repeats_itself, spell

FIT = "Admitted with fever and given ceftriaxone after a chest x-ray"


def test_each_reason_by_an_example_of_its_own():
    fit = Filter(Limits(min_words=5, max_empty_sections=0.5), [], 0)
    assert fit.reason("Fever.", "stop") == "empty"
    assert fit.reason(FIT + "\x00", "stop") == "NUL"
    assert fit.reason(FIT, "length") == "truncated"
    assert fit.reason("takes aspirin every day " * 9, "stop") == "loop"
    assert fit.reason("Seen on the ward\n\nPLAN\n\nDRUGS\nnone\n\nALLERGIES", "stop") == "empty sections"
    assert fit.reason(FIT, "stop") is None
    assert fit.reason(FIT.upper() + "!", "stop") == "duplicate"
    # 7 runs of five words; with another last word 6 of 8 are shared.
    assert fit.reason(FIT.replace("ray", "rays"), "stop") == "near-duplicate"


def test_limits_are_the_largest_that_pass():
    half_empty = "Seen on the ward\n\nPLAN\n\nDRUGS\nnone"
    assert Filter(Limits(5, max_empty_sections=0.5), [], 0).reason(half_empty, "stop") is None
    assert Filter(Limits(5, max_empty_sections=0.4), [], 0).reason(half_empty, "stop") == "empty sections"
    for near_copy, expected in ((0.75, "near-duplicate"), (0.76, None), (1.1, None)):
        fit = Filter(Limits(5, near_copy), [], 0)
        assert fit.reason(FIT, "stop") is None
        assert fit.reason(FIT.replace("ray", "rays"), "stop") == expected


def test_what_was_rejected_is_no_reason_to_reject_another():
    fit = Filter(Limits(5), [], 0)
    assert fit.reason(FIT, "length") == "truncated"
    assert fit.reason(FIT, "stop") is None


def test_a_loop_is_more_than_a_quarter_of_repeated_four_grams():
    # 8 words, 5 four-grams, of which 1 is a repetition: 20 %
    assert not repeats_itself(["a", "b", "c", "d", "a", "b", "c", "d"])
    # 9 words, 6 four-grams, 2 repetitions: 33 %
    assert repeats_itself(["a", "b", "c", "d", "a", "b", "c", "d", "a"])


def shipped(lang: str) -> list[str]:
    return [note.text for note in read_markup(Path("assets/notes") / lang, Counter())]


@pytest.fixture(scope="module")
def english() -> list[str]:
    return shipped("en")


@pytest.mark.slow
def test_another_language_than_the_notes_is_told_by_the_notes_themselves(english):
    """25 notes are enough for nearly all; what they cannot do is tell every text that changes half-way."""
    language, limit = Language(english[::7][:25], 0), Limits().max_excess_bits
    others = [text for i, text in enumerate(english) if i % 7]
    assert sum(language.excess_bits(text) > limit for text in others[:60]) <= 1
    foreign = [text for lang in ("es", "et", "sv") for text in shipped(lang)]
    assert len(foreign) == 30 and sum(language.excess_bits(text) > limit for text in foreign) >= 27
    all_of_it = Language(english[: -len(english) // 5], 0)
    assert all(all_of_it.excess_bits(text) > limit for text in foreign)
    assert not any(all_of_it.excess_bits(text) > limit for text in english[-len(english) // 5 :])


def test_a_filter_rejects_for_language_after_all_that_a_text_has_by_itself(english):
    fit = Filter(Limits(), english[:25], 0)
    (foreign, *_) = shipped("et")
    assert fit.reason(foreign, "length") == "truncated"
    assert fit.reason(foreign, "stop") == "language"
    assert fit.reason(english[60], "stop") is None


def test_of_too_little_text_no_language_is_learned():
    few = [f"He took aspirin {i} times and went home." for i in range(50)]
    assert sum(map(len, few)) < MIN_CHARACTERS
    assert Language(few, 0).excess_bits("Выписан домой в удовлетворительном состоянии") == 0
    many = few * 4
    assert Language(many, 0).excess_bits("Выписан домой в удовлетворительном состоянии") > 1
    assert Language(many, 0).excess_bits(" \n") == 0


def test_numbers_and_white_space_are_no_language():
    assert spell("  K 4.1\n\nNa 138 ") == "k 0.0 na 0"
