"""Headings, and what is beneath them."""

import pytest

from scripts.notes.sections import Section, sections_of

NOTE = """DISCHARGE SUMMARY

ALLERGIES
NKDA

**Medications:**
aspirin 100 mg
Plan 2:

Follow-up: in 3 weeks

SOCIAL HISTORY

FAMILY HISTORY
Mother had diabetes: diagnosed late in her life, as far as anybody still knows.
Signed:
"""


def test_headings_by_colon_and_by_capitals():
    assert sections_of(NOTE) == [
        Section("discharge summary", False),  # the title, although a heading follows
        Section("allergies", False),  # "NKDA" does not follow a blank line
        Section("medications", False),
        Section("plan", False),  # what follows has text on its line: it may belong to it
        Section("follow up", False),
        Section("social history", True),
        Section("family history", False),
        Section("mother had diabetes", False),
        Section("signed", True),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "12:30 seen on the ward",
        "see https://example.org",
        "He said that this was the last time he would come: never again",
        "OK",
        "No heading here.",
        "---",
    ],
)
def test_other_lines_are_no_headings(line):
    assert [s for s in sections_of(f"Title\n\n{line}\n") if s.heading != "title"] == []


def test_a_heading_in_capitals_comes_after_a_blank_line():
    assert sections_of("Seen.\nECG LBBB\n\nTTO\nfurosemide") == [Section("tto", False)]


def test_bare_headings_of_one_kind_are_empty_and_of_two_kinds_are_not():
    assert sections_of("Note\nAllergies:\nMedications:\naspirin") == [
        Section("allergies", True),
        Section("medications", False),
    ]
    assert sections_of("Note\n\nEXAMINATION\nHeart:\nnormal") == [
        Section("examination", False),
        Section("heart", False),
    ]
    assert sections_of("") == []
