"""The steps annotate and split, on the dictionary annotator."""

from pathlib import Path

import pytest

from scripts import annotate, split
from scripts.annotators.teacher import make_teach_dictionary
from scripts.notes.docbins import read_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Span
from scripts.notes.tokenizer import blank

TASK = Path("configs/task/drugs_procedures.yml")


@pytest.fixture
def silver(tmp_path, toy_notes, monkeypatch):
    """Call to annotate eight released notes, two at a time, into the folder it returns."""
    model = tmp_path / "dictionary"
    make_teach_dictionary()(blank("en"), toy_notes[:4], [], model, 0, -1)
    config = tmp_path / "dictionary.cfg"
    text = Path("configs/annotator/dictionary.cfg").read_text("utf8")
    config.write_text(text.replace("training/annotator/dictionary", str(model)))
    released = tmp_path / "released.jsonl"
    write_notes(released, [note.with_spans(None) for note in toy_notes])
    write_manifest(released, inputs={}, config={}, sensitivity="released", counts={})
    monkeypatch.setattr(annotate, "SHARD", 2)

    def run() -> Path:
        folder = tmp_path / "silver"
        annotate.main(released, folder, config, TASK, None, "en", -1, 0.2)
        return folder

    return run


@pytest.mark.slow
def test_every_note_is_labelled_in_order_and_keeps_its_id(silver, toy_notes):
    docs = list(read_docbin(silver(), blank("en")))
    assert [d.user_data["id"] for d in docs] == [n.id for n in toy_notes]
    assert [d.text for d in docs] == [n.text for n in toy_notes]
    assert [[(e.start_char, e.end_char, e.label_) for e in d.ents] for d in docs] == [
        [(s.start, s.end, s.label) for s in n.spans] for n in toy_notes
    ]
    assert read_manifest(silver())["sensitivity"] == "released"
    assert read_manifest(silver())["counts"]["notes"] == 8


@pytest.mark.slow
def test_an_interrupted_run_goes_on_after_the_last_finished_shard(silver, monkeypatch):
    labelled, real = [], annotate._label

    def counted(nlp, notes, batch_size, stop_at=99):
        for doc in real(nlp, notes, batch_size):
            if len(labelled) == stop_at:
                raise KeyboardInterrupt
            labelled.append(doc.user_data["id"])
            yield doc

    monkeypatch.setattr(annotate, "_label", lambda *args: counted(*args, stop_at=5))
    with pytest.raises(KeyboardInterrupt):
        silver()
    monkeypatch.setattr(annotate, "_label", counted)
    folder = silver()
    # two to a shard: the fifth was labelled, but its shard was not finished
    assert labelled == ["n0", "n1", "n2", "n3", "n4", "n4", "n5", "n6", "n7"]
    assert len(list(folder.glob("*.spacy"))) == 4


def test_too_many_unreadable_answers_fail_the_step(silver, monkeypatch):
    def refuse(nlp, notes, batch_size):
        for note in notes:
            doc = nlp.make_doc(note.text)
            doc.set_ents([], default="missing")
            doc.user_data["id"] = note.id
            doc.spans["x"] = []
            yield doc

    monkeypatch.setattr(annotate, "_label", refuse)
    with pytest.raises(UserError, match="100%"):
        silver()


@pytest.mark.slow
def test_train_and_dev_share_no_note_and_keep_nothing_but_tokens_and_entities(silver, tmp_path):
    train, dev = tmp_path / "train.spacy", tmp_path / "dev.spacy"
    split.main(silver(), train, dev, 0.25, "en", 0)
    parts = {path: list(read_docbin(path, blank("en"))) for path in (train, dev)}
    assert (len(parts[train]), len(parts[dev])) == (6, 2)
    for docs in parts.values():
        for doc in docs:
            assert not doc.user_data
            assert not doc.spans
            assert doc.ents
    assert read_manifest(train)["sensitivity"] == "released"


def test_what_the_generator_meant_counts_as_an_opinion_of_the_tasks_labels(toy_notes):
    nlp = blank("en")
    note = toy_notes[0].with_spans([*toy_notes[0].spans[:2], Span(0, 4, "NAME")]).with_labels(["DRUG", "PROCEDURE"])
    (doc,) = annotate._label(nlp, [note], 1)
    assert [(s.start_char, s.end_char, s.label_) for s in doc.spans["generator"]] == [
        (s.start, s.end, s.label) for s in toy_notes[0].spans[:2]
    ]
    (doc,) = annotate._label(nlp, [note.with_spans(None)], 1)
    assert "generator" not in doc.spans
