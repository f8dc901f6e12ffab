"""Headings, and what is beneath them."""

import pytest

from scripts.notes.headings import Heading, headings_in

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
    assert headings_in(NOTE) == [
        Heading("discharge summary", False),  # the title, although a heading follows
        Heading("allergies", False),  # "NKDA" does not follow a blank line
        Heading("medications", False),
        Heading("plan", False),  # what follows has text on its line: it may belong to it
        Heading("follow up", False),
        Heading("social history", True),
        Heading("family history", False),
        Heading("mother had diabetes", False),
        Heading("signed", True),
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
    assert [s for s in headings_in(f"Title\n\n{line}\n") if s.words != "title"] == []


def test_a_heading_in_capitals_comes_after_a_blank_line():
    assert headings_in("Seen.\nECG LBBB\n\nTTO\nfurosemide") == [Heading("tto", False)]


def test_bare_headings_of_one_kind_are_empty_and_of_two_kinds_are_not():
    assert headings_in("Note\nAllergies:\nMedications:\naspirin") == [
        Heading("allergies", True),
        Heading("medications", False),
    ]
    assert headings_in("Note\n\nEXAMINATION\nHeart:\nnormal") == [
        Heading("examination", False),
        Heading("heart", False),
    ]
    assert headings_in("") == []
