import pytest
import spacy
from spacy.tokens import Span

from scripts import functions  # noqa: F401  registers the component
from scripts.annotators.vote import Vote
from scripts.notes.errors import UserError

WORDS = "a b c d e f g h"  # every word a token


def voted(rule="majority", missing=(), ents=(), **groups):
    """What a vote of GROUPS (name to (start, end, label) in tokens) leaves: entities, and the missing tokens."""
    doc = spacy.blank("en")(WORDS)
    doc.set_ents([Span(doc, *e) for e in ents], missing=[doc[i : i + 1] for i in missing], default="outside")
    for name, spans in groups.items():
        doc.spans[name] = [Span(doc, *span) for span in spans]
    doc = Vote(["x", "y", "z"], rule)(doc)
    return [(e.start, e.end, e.label_) for e in doc.ents], [t.i for t in doc if t.ent_iob == 0]


def test_what_both_hold_is_an_entity_and_what_one_holds_is_missing():
    x, y = [(0, 2, "DRUG"), (3, 4, "DRUG")], [(0, 2, "DRUG"), (5, 7, "PROC")]
    assert voted(x=x, y=y) == ([(0, 2, "DRUG")], [3, 5, 6])


def test_two_of_three_are_a_majority():
    x, y, z = [(0, 1, "DRUG")], [(0, 1, "DRUG"), (4, 5, "PROC")], []
    assert voted(x=x, y=y, z=z) == ([(0, 1, "DRUG")], [4])


def test_another_label_or_another_edge_is_no_agreement():
    assert voted(x=[(0, 1, "DRUG")], y=[(0, 1, "PROC")]) == ([], [0])
    assert voted(x=[(0, 2, "DRUG")], y=[(0, 1, "DRUG")]) == ([], [0, 1])


def test_a_union_takes_every_span_the_longer_of_two_that_overlap():
    x, y = [(0, 2, "DRUG"), (3, 4, "DRUG")], [(1, 2, "PROC"), (5, 6, "PROC")]
    assert voted("union", x=x, y=y) == ([(0, 2, "DRUG"), (3, 4, "DRUG"), (5, 6, "PROC")], [])


def test_words_that_an_annotator_could_not_read_stay_missing_where_no_entity_stands():
    assert voted(missing=[0, 6, 7], x=[(0, 1, "DRUG")], y=[(0, 1, "DRUG")]) == ([(0, 1, "DRUG")], [6, 7])


def test_one_opinion_alone_is_left_as_it_is():
    assert voted(ents=[(2, 3, "DRUG")], missing=[5], x=[(0, 1, "DRUG")]) == ([(2, 3, "DRUG")], [5])


def test_an_unknown_rule_is_named():
    with pytest.raises(UserError, match="consensus"):
        spacy.blank("en").add_pipe("clinical_vote", config={"rule": "consensus"})
