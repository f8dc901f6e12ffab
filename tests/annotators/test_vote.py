from math import log

import pytest
import spacy
from spacy.tokens import Span

from scripts import functions  # noqa: F401  registers the component
from scripts.annotators.vote import Vote, agreement, fit_weights
from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.notes.note import Span as NoteSpan

WORDS = "a b c d e f g h"  # every word a token


def voted(rule="majority", weights=None, doubt=0.5, ents=(), missing=(), **groups):
    """What a vote of GROUPS (name to (start, end, label) in tokens) leaves: entities, and the missing tokens.

    A group called x_unread says what x left unread.
    """
    doc = spacy.blank("en")(WORDS)
    doc.set_ents([Span(doc, *e) for e in ents], missing=[doc[i : i + 1] for i in missing], default="outside")
    for name, spans in groups.items():
        doc.spans[name.replace("_", ":")] = [Span(doc, *span) for span in spans]
    doc = Vote(["x", "y", "z"], rule, weights or {}, doubt)(doc)
    return [(e.start, e.end, e.label_) for e in doc.ents], [t.i for t in doc if t.ent_iob == 0]


def test_what_both_hold_is_an_entity_and_what_one_holds_is_missing():
    x, y = [(0, 2, "DRUG"), (3, 4, "DRUG")], [(0, 2, "DRUG"), (5, 7, "PROC")]
    assert voted(x=x, y=y) == ([(0, 2, "DRUG")], [3, 5, 6])


def test_two_of_three_are_a_majority_for_an_entity_and_against_one():
    x, y, z = [(0, 1, "DRUG")], [(0, 1, "DRUG"), (4, 5, "PROC")], []
    assert voted(x=x, y=y, z=z) == ([(0, 1, "DRUG")], [])


def test_words_on_which_most_see_something_but_not_the_same_are_missing():
    assert voted(x=[(0, 2, "DRUG")], y=[(0, 1, "DRUG")], z=[]) == ([], [0])


def test_another_label_or_another_edge_is_no_agreement():
    assert voted(x=[(0, 1, "DRUG")], y=[(0, 1, "PROC")]) == ([], [0])
    assert voted(x=[(0, 2, "DRUG")], y=[(0, 1, "DRUG")]) == ([], [0, 1])


def test_a_heavier_voice_outweighs_a_lighter_one():
    x, y = [(0, 1, "DRUG")], [(4, 5, "PROC")]
    assert voted(weights={"x": 2.0}, x=x, y=y) == ([(0, 1, "DRUG")], [])


def test_what_only_a_lighter_voice_holds_is_missing_where_doubt_begins_with_it():
    x, y = [(0, 1, "DRUG")], [(0, 2, "DRUG"), (4, 5, "PROC")]
    assert voted(weights={"x": 2.0}, doubt=0.3, x=x, y=y) == ([(0, 1, "DRUG")], [1, 4])


@pytest.mark.parametrize("doubt", [0.0, 0.6])
def test_a_doubt_that_is_no_share_is_an_error(doubt):
    with pytest.raises(UserError, match="doubt"):
        spacy.blank("en").add_pipe("clinical_vote", config={"doubt": doubt})


def test_a_union_takes_every_span_the_longer_of_two_that_overlap():
    x, y = [(0, 2, "DRUG"), (3, 4, "DRUG")], [(1, 2, "PROC"), (5, 6, "PROC")]
    assert voted("union", x=x, y=y) == ([(0, 2, "DRUG"), (3, 4, "DRUG"), (5, 6, "PROC")], [])
    assert voted("union", x=x, y=[], y_unread=[(2, 5, "")]) == ([(0, 2, "DRUG"), (3, 4, "DRUG")], [2, 4])


@pytest.mark.slow
def test_words_that_half_of_the_annotators_could_not_read_are_missing_where_no_entity_stands():
    x, unread = [(0, 1, "DRUG")], [(0, 1, ""), (6, 8, "")]
    assert voted(x=x, x_unread=unread, y=x) == ([(0, 1, "DRUG")], [6, 7])
    assert voted(x=[], x_unread=unread, y=x, z=x) == ([(0, 1, "DRUG")], [])


def test_one_opinion_alone_is_left_as_it_is():
    assert voted(ents=[(2, 3, "DRUG")], missing=[5], x=[(0, 1, "DRUG")]) == ([(2, 3, "DRUG")], [5])


@pytest.mark.parametrize(
    ("config", "message"), [({"rule": "consensus"}, "consensus"), ({"weights": {"lm": 2.0}}, "weights of lm")]
)
def test_a_bad_config_is_named(config, message):
    with pytest.raises(UserError, match=message):
        spacy.blank("en").add_pipe("clinical_vote", config=config)


def test_weights_are_the_log_odds_of_being_right_about_a_span():
    doc = spacy.blank("en")(WORDS)
    doc.spans["x"] = [Span(doc, 0, 1, "DRUG"), Span(doc, 2, 3, "DRUG")]  # right about all three candidates
    doc.spans["y"] = [Span(doc, 0, 1, "DRUG"), Span(doc, 4, 5, "PROC")]  # right about one of three
    note = Note("1", WORDS, (NoteSpan(0, 1, "DRUG"), NoteSpan(4, 5, "DRUG")))
    weights = fit_weights([doc], [note], ["x", "y", "z"])
    assert weights == {"x": pytest.approx(log(4 / 1)), "y": 0.01}


def test_a_vote_without_its_weights_names_the_step(tmp_path):
    with pytest.raises(UserError, match="teach"):
        voted(weights=str(tmp_path / "weights.json"), x=[], y=[])


def test_agreement_is_strict_f1_of_each_two_by_label():
    doc = spacy.blank("en")(WORDS)
    doc.spans["x"] = [Span(doc, 0, 1, "DRUG"), Span(doc, 2, 3, "DRUG"), Span(doc, 4, 5, "PROC")]
    doc.spans["y"] = [Span(doc, 0, 1, "DRUG"), Span(doc, 4, 6, "PROC")]
    doc.spans["x:unread"] = [doc[6:7]]
    assert agreement([doc, doc]) == {"x ~ y": {"DRUG": pytest.approx(2 / 3), "PROC": 0}}


@pytest.mark.parametrize(("task", "rule"), [("phi", "union"), ("drugs_procedures", "majority"), (None, "majority")])
def test_the_rule_is_the_tasks(task, rule):
    nlp = spacy.blank("en")
    assert nlp.add_pipe("clinical_vote", config={"task": task and f"configs/task/{task}.yml"}).rule == rule
    assert nlp.add_pipe("clinical_vote", name="own", config={"task": None, "rule": "union"}).rule == "union"
