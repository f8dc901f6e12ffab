import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.llm.answers import FORMS, Unreadable, spans_of_copy
from scripts.notes.note import Span

LABELS = ("DRUG", "PROCEDURE")
TEXT = "CT head, then heparin 5,000 units; CT chest. Heparin stopped."
SPANS = (Span(0, 7, "PROCEDURE"), Span(14, 21, "DRUG"), Span(35, 43, "PROCEDURE"), Span(45, 52, "DRUG"))
IN_ORDER = [("CT head", "PROCEDURE"), ("heparin", "DRUG"), ("CT chest", "PROCEDURE"), ("Heparin", "DRUG")]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_reads_back_what_it_writes(form):
    answer = FORMS[form].write(TEXT, SPANS, LABELS)
    assert sorted(FORMS[form].read(answer, LABELS)) == sorted(IN_ORDER)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_can_say_that_there_is_nothing(form):
    assert FORMS[form].read(FORMS[form].write(TEXT, (), LABELS), LABELS) == []


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("json", "I cannot help with that."),
        ("json", '{"DRUG": ["heparin"'),
        ("json", '{"DRUG": [1, 2]}'),
        ("lists", "I cannot help with that."),
        ("tags", ""),
        ("tags", "CT head, then <DRUG>heparin 5,000 units"),
    ],
)
def test_a_refusal_or_a_torn_answer_is_unreadable_not_empty(form, answer):
    with pytest.raises(Unreadable):
        FORMS[form].read(answer, LABELS)


def test_json_is_found_between_chatter_and_labels_in_any_case():
    answer = 'Sure:\n```json\n{"drug": ["heparin"], "Procedure": "CT head", "DISEASE": ["stroke"]}\n```'
    assert FORMS["json"].read(answer, LABELS) == [("heparin", "DRUG"), ("CT head", "PROCEDURE")]


def test_lists_part_at_semicolons_so_that_a_dose_keeps_its_comma():
    assert FORMS["lists"].read("DRUG: heparin 5,000 units; aspirin\nPROCEDURE: none", LABELS) == [
        ("heparin 5,000 units", "DRUG"),
        ("aspirin", "DRUG"),
    ]


@given(st.text(alphabet="ab <>/DRUG\n", max_size=40), st.data())
def test_a_tagged_copy_gives_back_the_very_offsets(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = [Span(a, b, "DRUG") for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    found = spans_of_copy(FORMS["tags"].write(text, spans, LABELS), text, LABELS)
    if "<DRUG>" not in text and "</DRUG>" not in text:
        assert found == spans
    else:  # a note that itself holds our tags: never offsets outside it
        assert found is None or all(0 <= s.start <= s.end <= len(text) for s in found)


def test_an_answer_that_is_no_copy_has_no_offsets():
    assert spans_of_copy("CT <DRUG>heparin</DRUG>", "CT head heparin", LABELS) is None
