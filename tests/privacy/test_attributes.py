from dataclasses import replace

import pytest

from scripts.notes.note import Note


@pytest.fixture(scope="module")
def attributes(policy):
    return policy.checks[3].attributes


def of_kind(found, kind: str) -> set[str]:
    return {value for k, value in found if k == kind}


@pytest.mark.parametrize(
    ("text", "age", "sex"),
    [
        ("61M BIBA known COPD", "61", "m"),
        ("A 44-year-old woman, seen with her son, who says", "44", "f"),
        ("Aged 7, his mother", "7", "m"),
        ("Paciente de 37 años de edad, varón", "37", "m"),
        ("Edad: 70 años. Mujer, con dolor de 10 años de evolución", "70", "f"),
        ("58-aastane naine", "58", "f"),
        ("83-årig man, hans fru", "83", "m"),
        ("he and she", None, None),  # a draw
        ("120 mmHg, 5 m walk in 10 years", None, None),
    ],
)
def test_age_and_sex_in_many_languages(attributes, text, age, sex):
    found = attributes.of_text(text)
    assert (of_kind(found, "age"), of_kind(found, "sex")) == ({age} - {None}, {sex} - {None})


@pytest.mark.parametrize("text", ["12/03/1951", "1951-03-12", "12 de marzo de 1951", "3 December 1951", "12.3.51"])
def test_a_date_is_the_same_however_it_is_written(attributes, text):
    found = attributes.of_text(f"seen {text}.")
    assert of_kind(found, "date") == {"51 3 12"}
    assert not of_kind(found, "value")


def test_values_stand_under_the_word_before_them(attributes):
    text = "Furosemide 40mg IV, K 3,1. BP: 120/80 on day 3\nNT-proBNP 8420"
    assert of_kind(attributes.of_text(text), "value") == {"furosemide 40", "k 3.1", "bp 120/80", "day 3", "probnp 8420"}


def test_words_are_compared_in_plain_spelling(attributes):
    assert of_kind(attributes.of_text("Pérez-RUIZ had an MRI"), "word") == {"perez", "ruiz"}


def test_the_meta_tells_what_the_text_does_not(attributes):
    note = Note("n", "a fall", None, {"sex": "F", "age": 61})
    assert of_kind(attributes.of_note(note), "sex") == {"f"} and of_kind(attributes.of_note(note), "age") == {"61"}
    note = replace(note, text="35M, a fall")
    assert of_kind(attributes.of_note(note), "sex") == {"m"} and of_kind(attributes.of_note(note), "age") == {"35"}
