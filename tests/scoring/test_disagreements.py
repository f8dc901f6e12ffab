from scripts.notes.note import Note, Span
from scripts.scoring.disagreements import find_disagreements


def test_each_kind_of_disagreement():
    right, missed = Span(0, 5, "DRUG"), Span(6, 10, "DRUG")
    shifted, relabelled = Span(20, 30, "PROCEDURE"), Span(40, 45, "DRUG")
    gold = Note("1", "x" * 80, (right, missed, shifted, relabelled))
    wrong = [Span(18, 22, "PROCEDURE"), Span(25, 30, "DRUG"), Span(40, 45, "PROCEDURE"), Span(60, 65, "DRUG")]
    found = find_disagreements(gold, gold.with_spans([right, *wrong]))
    assert found.missed == (missed,)
    assert found.invented == (wrong[3],)
    assert found.different == ((shifted, (wrong[0], wrong[1])), (relabelled, (wrong[2],)))
    assert found.n_errors == 3 + 4  # false negatives and false positives


def test_a_prediction_over_two_gold_spans_is_one_false_positive():
    gold = Note("1", "x" * 20, (Span(0, 5, "DRUG"), Span(6, 10, "DRUG")))
    found = find_disagreements(gold, gold.with_spans([Span(0, 10, "DRUG")]))
    assert [len(o) for _, o in found.different] == [1, 1]
    assert found.n_errors == 3


def test_touching_is_not_overlapping():
    gold = Note("1", "x" * 20, (Span(0, 5, "DRUG"),))
    found = find_disagreements(gold, gold.with_spans([Span(5, 9, "DRUG")]))
    assert not found.different
    assert found.n_errors == 2
