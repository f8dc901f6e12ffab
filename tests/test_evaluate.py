"""The step, with pipelines small enough to be made here."""

import json
from pathlib import Path

import pytest

from scripts import evaluate
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank

TEXT = "Zebulon Quandary took aspirin. CT head was normal."
SPANS = (Span(0, 16, "PERSON"), Span(22, 29, "DRUG"), Span(31, 38, "PROCEDURE"))
SILENT = '[nlp]\nlang = "en"\npipeline = []\n'
BROKEN = SILENT.replace("[]", '["ner"]') + '[components]\n[components.ner]\nfactory = "no_such_factory"\n'


@pytest.fixture
def folder(tmp_path):
    write_notes(tmp_path / "gold.jsonl", [Note("g1", TEXT, SPANS), Note("g2", "No aspirin.", (Span(3, 10, "DRUG"),))])
    (tmp_path / "task.yml").write_text("labels: {DRUG: a drug, PROCEDURE: a procedure}\nignore: [PERSON]\n")
    nlp, known = blank("en"), {"DRUG": "aspirin", "PROCEDURE": "CT head", "PERSON": "Quandary"}
    nlp.add_pipe("entity_ruler").add_patterns([{"label": k, "pattern": v} for k, v in known.items()])
    nlp.to_disk(tmp_path / "student")
    (tmp_path / "silent.cfg").write_text(SILENT)
    return tmp_path


def run(folder, *systems):
    evaluate.main(
        folder / "gold.jsonl",
        folder / "evaluation.json",
        task=folder / "task.yml",
        lang="en",
        predictions=folder / "predictions",
        system=[f"{name}={folder / path}" for name, path in systems],
        gpu_id=-1,
        n_resamples=50,
        seed=0,
    )
    return json.loads((folder / "evaluation.json").read_text())


@pytest.mark.slow
def test_systems_side_by_side(folder, capsys):
    report = run(folder, ("student", "student"), ("annotator", "silent.cfg"))
    scores = {name: system["scores"]["micro"] for name, system in report["systems"].items()}
    assert (scores["student"]["n_gold"], scores["student"]["n_predicted"]) == (3, 3)
    assert scores["student"]["strict"]["f1"] == 1
    assert scores["annotator"]["strict"] == {"f1": 0, "ci95": [0, 0], "precision": None, "recall": 0}
    assert [(c["a"], c["b"], c["value"]) for c in report["comparisons"] if c["scope"] == "micro"] == [
        ("student", "annotator", 1)
    ]
    printed = capsys.readouterr().out
    assert "student − annotator" in printed and "1.000" in printed


def test_a_system_that_knows_generated_notes_alone_is_left_out_with_the_reason(folder, capsys):
    (folder / "written.cfg").write_text(Path("configs/annotator/written.cfg").read_text("utf8"))
    report = run(folder, ("student", "student"), ("annotator", "written.cfg"))
    assert list(report["systems"]) == ["student"]
    assert list(report["not_scored"]) == ["annotator"] and "no generator wrote" in report["not_scored"]["annotator"]
    assert "system annotator is not scored" in capsys.readouterr().out
    with pytest.raises(UserError, match="no system can be scored"):
        run(folder, ("annotator", "written.cfg"))


def test_predictions_are_private_and_scores_hold_no_text(folder, capsys):
    run(folder, ("student", "student"))
    labelled = list(read_notes(folder / "predictions" / "student.jsonl"))
    assert labelled[0].spans == (Span(8, 16, "PERSON"), *SPANS[1:])
    assert read_manifest(folder / "predictions" / "student.jsonl")["sensitivity"] == "private"
    assert read_manifest(folder / "evaluation.json")["sensitivity"] == "public"
    captured = capsys.readouterr()
    leaving = [(folder / f"evaluation.json{suffix}").read_text() for suffix in ("", ".manifest.json")]
    for word in ("Zebulon", "Quandary", "aspirin"):
        assert not any(word in text for text in (*leaving, captured.out, captured.err))


@pytest.mark.slow
def test_what_was_predicted_is_not_predicted_again_until_something_changes(folder, monkeypatch):
    systems = ("student", "student"), ("annotator", "silent.cfg")
    loaded = []
    load = evaluate.load_annotator
    monkeypatch.setattr(evaluate, "load_annotator", lambda path, *rest: loaded.append(path.name) or load(path, *rest))
    first = run(folder, *systems)
    assert loaded == ["student", "silent.cfg"]
    assert run(folder, *systems) == first
    assert len(loaded) == 2
    (folder / "silent.cfg").write_text(SILENT + "batch_size = 8\n")
    run(folder, *systems)
    assert loaded[2:] == ["silent.cfg"]
    write_notes(folder / "gold.jsonl", [Note("g1", TEXT, SPANS)])
    assert run(folder, *systems)["n_notes"] == 1
    assert loaded[3:] == ["student", "silent.cfg"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "said"),
    [
        (("teacher", "absent"), "system teacher: nothing at"),
        (("teacher", "broken.cfg"), "system teacher: .*cannot be loaded"),
        (("teacher", "empty"), "system teacher: .*cannot be loaded"),
        (("gold", "student"), "system gold: the name is taken"),
        (("no name", "student"), "is not NAME=PATH"),
    ],
)
def test_a_system_that_cannot_be_used_is_named(folder, system, said):
    (folder / "broken.cfg").write_text(BROKEN)
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match=said):
        run(folder, system)
    assert not (folder / "evaluation.json").exists()


def test_an_empty_gold_file_is_refused(folder):
    (folder / "gold.jsonl").write_text("")
    with pytest.raises(UserError, match="holds no notes"):
        run(folder, ("student", "student"))
