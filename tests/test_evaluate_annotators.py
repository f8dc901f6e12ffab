"""The score card: annotators small enough to be made here, and a server on loopback that stands for a far one."""

import json
from pathlib import Path

import pytest
from toy import SPANS, llm_config

from benchmarks.server import Server
from scripts import evaluate_annotators
from scripts.annotators import load
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span

TEXT = "Zebulon Quandary took aspirin. CT head was normal."
GOLD = Note("g1", TEXT, (Span(22, 29, "DRUG"), Span(31, 38, "PROCEDURE")))
RELEASED = "On heparin after a CT neck."
CHECKED = Note("s1", RELEASED, (Span(3, 10, "DRUG"), Span(19, 26, "PROCEDURE")))
PRICE = 'price = {"input": 1.0, "output": 2.0}'
SILENT = '[nlp]\nlang = "en"\npipeline = []\n'


def answer(prompt):
    text = prompt.rsplit("<note ", 1)[-1]
    found = {"DRUG": ["aspirin", "heparin"], "PROCEDURE": ["CT head", "CT neck"]}
    return json.dumps({k: [s for s in v if s in text] for k, v in found.items()} | {"DISEASE": ["flu"]})


@pytest.fixture
def server():
    with Server(answer) as server:
        yield server


@pytest.fixture
def folder(tmp_path, server):
    write_notes(tmp_path / "gold.jsonl", [GOLD])
    write_notes(tmp_path / "released.jsonl", [CHECKED.with_spans(None)])
    write_manifest(tmp_path / "released.jsonl", inputs={}, config={}, sensitivity="released", counts={})
    (tmp_path / "llm.cfg").write_text(llm_config(SPANS, server.url, tmp_path / "journal.sqlite", PRICE))
    (tmp_path / "silent.cfg").write_text(SILENT)
    (tmp_path / "untaught.cfg").write_text(SILENT + '[teach]\n@misc = "clinical.teach_dictionary.v1"\n')
    return tmp_path


def run(folder, names):
    evaluate_annotators.main(
        folder / "gold.jsonl",
        folder / "card.json",
        page=folder / "card.html",
        annotators=names,
        configs=folder,
        taught=folder / "taught",
        checked=folder / "checked.jsonl",
        released=folder / "released.jsonl",
        task=Path("configs/task/drugs_procedures.yml"),
        lang="en",
        gpu_id=-1,
        n_resamples=50,
        seed=0,
    )
    return json.loads((folder / "card.json").read_text())["annotators"]


def test_annotators_side_by_side(folder, capsys):
    card = run(folder, "llm, silent,untaught")
    assert card["llm"]["scored_on"] == "gold"  # on this machine it may see them
    assert card["llm"]["scores"]["micro"]["strict"]["f1"] == 1
    assert card["llm"]["answers"] == {"read": 1}
    assert card["llm"]["mentions"] == {"exact": 2}
    # 10 tokens in and 5 out at 1 and 2 dollars a million, for one note
    assert card["llm"]["dollars_per_1000_notes"] == pytest.approx(0.02)
    assert card["silent"]["scores"]["micro"]["strict"]["f1"] == 0
    assert card["silent"]["dollars_per_1000_notes"] == 0
    assert "teach --vars.annotator untaught" in card["untaught"]["not_scored"]
    printed, page = capsys.readouterr().out, (folder / "card.html").read_text()
    for text in (printed, page):
        assert "not taught" in text and "1.000" in text
        assert "Quandary" not in text and "aspirin" not in text
    assert "<svg" in page
    assert read_manifest(folder / "card.json")["sensitivity"] == "public"


def test_another_host_sees_no_gold_but_notes_that_were_released_and_checked(folder, server, monkeypatch):
    monkeypatch.setattr(load, "is_loopback", lambda host: False)
    assert "not allowed" in run(folder, "llm")["llm"]["not_scored"]
    assert server.n_calls == 0
    write_notes(folder / "checked.jsonl", [CHECKED])
    row = run(folder, "llm")["llm"]
    assert (row["scored_on"], row["n_notes"], row["scores"]["micro"]["strict"]["f1"]) == ("checked", 1, 1)
    assert not any("Quandary" in str(request["body"]) for request in server.requests)
    assert read_manifest(folder / "checked.jsonl")["sensitivity"] == "released"


def test_labels_that_a_generator_wrote_along_have_no_gold(folder):
    (folder / "written.cfg").write_text(Path("configs/annotator/written.cfg").read_text("utf8"))
    assert "no generator wrote" in run(folder, "written")["written"]["not_scored"]


@pytest.mark.parametrize(
    ("note", "message"),
    [(GOLD, "note 1 is not among the released"), (CHECKED.with_spans(None), "note 1 has no 'spans'")],
)
def test_checked_notes_are_released_ones_with_labels(folder, note, message):
    write_notes(folder / "checked.jsonl", [note])
    with pytest.raises(UserError, match=message):
        run(folder, "silent")
