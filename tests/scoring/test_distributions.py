"""Counts, distances and names by hand."""

import pytest

from scripts.notes.headings import Heading
from scripts.notes.note import Note, Span
from scripts.scoring.distributions import (
    RARE,
    control_distributions,
    heading_distribution,
    naive_bayes,
    names_nobody,
    recognised,
    spread,
    variation,
)


def note(number: int, text: str = "x", **meta) -> Note:
    return Note(f"n{number}", text, None, {"patient": f"p{number}"} | meta)


PRIVATE = [
    *(note(i, genre="ward", sex="F") for i in range(3)),
    *(Note(f"r{i}", "x", None, {"patient": "p9", "genre": "porphyria"}) for i in range(4)),  # one patient's
    note(4, genre="", sex="F"),
]


def test_control_values_in_private_asked_for_and_delivered():
    asked = [{"genre": "ward"}, {"genre": "ward"}, {"genre": "ward"}, {"genre": "porphyria"}]
    synthetic = [Note("s1", "x", None, {"genre": "ward"}), Note("s2", "x", None, {"genre": "porphyria"})]
    found = control_distributions(PRIVATE, asked, synthetic)
    assert found == {
        "genre": {
            "values": {
                "ward": {"private": 3, "requested": 3, "delivered": 1},
                RARE: {"private": 4, "requested": 1, "delivered": 1},
            },
            "tvd": {"requested_delivered": 0.25, "private_delivered": pytest.approx(4 / 7 - 1 / 2)},
        }
    }
    assert control_distributions(PRIVATE, [{}, {}], synthetic) == {}
    ages = [note(i, age=0) for i in range(3)]
    assert control_distributions(ages, [{"age": 0}], ages)["age"]["values"] == {
        "0": {"private": 3, "requested": 1, "delivered": 3}
    }


def test_entities_are_delivered_where_the_note_has_them():
    def labelled(patient: str, *labels: str) -> Note:
        spans = tuple(Span(i, i + 1, label) for i, label in enumerate(labels))
        return Note(patient, "some text", spans, {"patient": patient, "entities": "never looked at"})

    private = [*(labelled(f"p{i}", "DRUG", "DRUG") for i in range(3)), labelled("p4", "PROCEDURE"), note(5)]
    asked = [{"entities": "DRUG PROCEDURE"}, {"entities": "DRUG"}, {"entities": "none"}]
    synthetic = [labelled("s1", "DRUG"), labelled("s2"), note(7)]
    assert control_distributions(private, asked, synthetic)["entities"]["values"] == {
        "DRUG": {"private": 3, "requested": 2, "delivered": 1},
        RARE: {"private": 1, "requested": 1, "delivered": 0},
    }


def test_naive_bayes_by_hand():
    classify = naive_bayes([({"a", "b"}, "x"), ({"a"}, "x"), ({"c"}, "y")])
    assert classify({"c"}) == "y"  # 2/3 * 1/6 for x, 1/3 * 2/4 for y
    assert classify({"a"}) == classify(set()) == classify({"unknown"}) == "x"
    assert classify({"c", "b"}) == "y"  # 2 * 1/6 * 2/6 = 1/9 against 2/4 * 1/4 = 1/8


def test_how_often_a_control_value_can_be_told_from_the_text():
    train = [note(i, "walks", sex="F") for i in range(3)] + [note(i, "runs", sex="M") for i in range(3, 7)]
    train += [note(8, "swims", sex="?")]
    asked = [note(10, "walks", sex="F"), note(11, "runs", sex="F"), note(12, "swims", sex="?"), note(13, "runs")]
    told = recognised(train, {"holdout": asked}, "sex")
    assert told == {"holdout": {"count": 1, "most_frequent": 0, "n": 2}}
    assert recognised(train[:3], {"holdout": asked}, "sex") is None


def sections(*headings: str) -> list[Heading]:
    return [Heading(heading, False) for heading in headings]


def test_headings_of_three_patients_are_named_and_all_others_counted():
    private = [(note(i), sections("plan", "history")) for i in range(3)]
    private += [(note(0), sections("quackenbush", "plan")) for _ in range(5)]  # one patient again
    found = heading_distribution(private, [sections("plan", "plan"), sections("other")], lambda name: name != "history")
    assert found == {
        "n_notes": {"private": 8, "synthetic": 2},
        "n_sections": {"private": 16, "synthetic": 3},
        "notes_with": {"plan": {"private": 8, "synthetic": 1}},
        "sections_not_named": {"private": 8, "synthetic": 1},
        "tvd": pytest.approx(2 / 3 - 1 / 2),
    }


def test_a_heading_that_is_a_mention_or_meta_value_or_shares_one_is_not_named():
    named = Note(
        "n",
        "Dr Zebulon and aspirin",
        (Span(15, 22, "DRUG"),),
        {"name": "Ada de Quackenbush", "genre": "ward round", "record": "12"},
        (Span(3, 10, "PERSON"),),
    )
    is_free = names_nobody([named], ["genre"])
    for heading in ("zebulon", "seen by zebulon", "quackenbush", "ada de quackenbush", "aspirin", "de quackenbush"):
        assert not is_free(heading), heading
    for heading in ("ward round", "plan", "motivo de ingreso", "ada quackenbush x"):
        assert is_free(heading), heading
    few = ("seen by zebulon", "plan")  # the same of these, with less in memory
    assert [names_nobody([named], ["genre"], few)(heading) for heading in few] == [False, True]


def test_variation_and_spread():
    assert variation({"a": 1, "b": 1}, {"a": 30, "b": 10}) == 0.25
    assert variation({"a": 1}, {"b": 1}) == 1
    assert variation({}, {"b": 1}) is None
    assert spread(range(101)) == {"n": 101, "mean": 50, "q05": 5, "q25": 25, "median": 50, "q75": 75, "q95": 95}
    assert spread([]) == {"n": 0}
