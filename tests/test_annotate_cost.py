"""What `annotate` costs: told before, kept within a budget, shown while it runs, written down after."""

import json
import re
from pathlib import Path

import pytest
from toy import label

from benchmarks.server import Fault, Server
from scripts import annotate
from scripts.annotators.teacher import make_teach_dictionary
from scripts.llm.endpoint import Endpoint
from scripts.notes.docbins import read_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.tokenizer import blank

TASK = Path("configs/task/drugs_procedures.yml")
CONFIGS = sorted(Path("configs/annotator").glob("*.cfg"))
ANSWER = '{"DRUG": ["aspirin"], "PROCEDURE": []}'
N_NOTES = 12
# By the server's count an answer has 10 tokens in and 5 out: 5 dollars; with its max_tokens it may cost 10.
PRICE = 'price = {"input": 0.0, "output": 1000000.0}'
CONFIG = """
[nlp]
lang = "en"
pipeline = ["llm"]
after_creation = {{"@callbacks": "clinical.tokenizer.v1"}}
[components]
[components.llm]
factory = "llm"
[components.llm.task]
@llm_tasks = "clinical.Spans.v1"
task = "configs/task/drugs_procedures.yml"
template = "configs/prompts/json.jinja"
occurrences = "all"
[components.llm.model]
@llm_models = "clinical.OpenAI.v1"
name = "m"
base_url = "{url}"
journal = "{journal}"
parameters = {{"max_tokens": 10}}
limits = {{"max_in_flight": 2, "first_wait_s": 0.01}}
{price}
"""


@pytest.fixture
def server():
    with Server(lambda prompt: ANSWER, latency_s=0.005) as server:
        yield server


@pytest.fixture
def released(tmp_path) -> Path:
    path = tmp_path / "released.jsonl"
    write_notes(path, [label(f"n{i}", f"Day {i}: takes aspirin.", {}).with_spans(None) for i in range(N_NOTES)])
    write_manifest(path, inputs={}, config={}, sensitivity="released", counts={})
    return path


@pytest.fixture
def run(server, released, tmp_path):
    """Call to annotate the notes with options of `annotate`; returns what it wrote to --metrics."""

    def annotated(price=PRICE, config=None, **options):
        path = tmp_path / "endpoint.cfg"
        path.write_text(config or CONFIG.format(url=server.url, journal=tmp_path / "j.sqlite", price=price))
        metrics = tmp_path / "annotation.json"
        annotate.main(released, tmp_path / "silver", path, TASK, None, "en", -1, 0.2, metrics=metrics, **options)
        return json.loads(metrics.read_text("utf8")) if metrics.is_file() else None

    return annotated


def files(folder: Path) -> dict[Path, bytes]:
    """All files and what they hold, but the config that a test writes and SQLite's notes on who reads."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith((".cfg", "-shm")))
    return {path: path.read_bytes() for path in found}


def told(capsys) -> dict[str, str]:
    """The rows of the table that was printed; where there are several, of the first."""
    rows = re.findall(r"^(\S.*?) {2,}(\S.*?)\s*$", capsys.readouterr().out, re.MULTILINE)
    return dict(reversed(rows))


@pytest.mark.slow
def test_a_budget_stops_the_run_before_it_is_exceeded_and_the_next_run_repeats_no_call(run, server, tmp_path):
    with pytest.raises(UserError, match=r"\$20\.0000 of a budget of \$25\.0000 are spent.*larger budget"):
        run(budget=25.0)
    assert len(server.requests) == 4  # 15 spent leave 10 for one more; 20 spent do not
    report = run(budget=1000.0)
    assert set(server.calls.values()) == {1} and len(server.requests) == N_NOTES
    cost = report["llm"]["llm"]
    assert (cost["calls"], cost["answers"], cost["answer_tokens"], cost["dollars"]) == (8, 8, 40, 40.0)
    assert cost["paid_before"] == {
        "answers": 4,
        "answers_uncounted": 0,
        "prompt_tokens": 40,
        "answer_tokens": 20,
        "dollars": 20.0,
    }
    assert cost["dollars_in_all"] == 60.0
    assert len(list(read_docbin(tmp_path / "silver", blank("en")))) == N_NOTES


def test_shards_that_were_finished_within_the_budget_are_kept(run, server, tmp_path, monkeypatch):
    monkeypatch.setattr(annotate, "ENDPOINT_SHARD", 2)
    with pytest.raises(UserError, match="larger budget"):
        run(budget=30.0)
    kept = sorted(path.name for path in (tmp_path / "silver").glob("*.spacy"))
    assert kept == ["00000.spacy", "00001.spacy"]
    assert run(budget=1000.0)["llm"]["llm"]["dollars_in_all"] == 60.0
    assert set(server.calls.values()) == {1}


def test_a_budget_needs_a_price(run, server):
    with pytest.raises(UserError, match=r"no price in \[components\.llm\.model\]"):
        run(price="", budget=25.0)
    stock = CONFIG.format(url=server.url, journal="j", price="").replace("clinical.OpenAI.v1", "spacy.GPT-4.v3")
    with pytest.raises(UserError, match="no price"):
        run(config=stock, budget=25.0)
    assert not server.requests


def test_the_report_holds_numbers_only_and_what_the_manifest_counts(run, tmp_path):
    report = run()
    assert report["counts"] == read_manifest(tmp_path / "silver")["counts"]
    assert report["counts"]["calls: answered"] == N_NOTES
    assert 0 < report["seconds_per_note"] < 5

    def values(tree):
        return [v for child in tree.values() for v in values(child)] if isinstance(tree, dict) else [tree]

    assert all(isinstance(value, int | float) for value in values(report))


@pytest.mark.slow
def test_a_report_that_is_gone_is_written_anew_without_a_call(run, server, tmp_path):
    first = run()["llm"]["llm"]
    (tmp_path / "annotation.json").unlink()
    again = run()
    assert again["llm"]["llm"]["paid_before"]["dollars"] == first["dollars"] == 60.0
    assert again["seconds_per_note"] is None
    assert len(server.requests) == N_NOTES


def test_without_a_price_the_money_is_unknown(run):
    cost = run(price="")["llm"]["llm"]
    assert cost["dollars"] is cost["dollars_in_all"] is cost["paid_before"]["dollars"] is None
    assert cost["answer_tokens"] == 5 * N_NOTES


@pytest.mark.slow
def test_a_dry_run_tells_the_cost_and_sends_and_writes_nothing(run, server, tmp_path, capsys):
    before = files(tmp_path)
    assert run(dry_run=True) is None
    assert files(tmp_path) == before and not server.requests
    rows = told(capsys)
    assert [rows[k] for k in ("notes", "prompts", "answers in the journal", "calls to make")] == ["12", "12", "0", "12"]
    assert rows["tokens out, estimated"] == "120"  # 10 an answer at most
    assert rows["money, estimated"] == "$120.0000"
    # no answer can be read, and each is asked for twice
    assert (rows["calls at most"], rows["money at most"]) == ("24", "$240.0000")
    with pytest.raises(UserError):
        run(budget=25.0)
    before = files(tmp_path)
    run(dry_run=True)
    assert files(tmp_path) == before and len(server.requests) == 4
    rows = told(capsys)
    assert (rows["answers in the journal"], rows["calls to make"], rows["money, estimated"]) == ("4", "8", "$80.0000")
    run(dry_run=True, price="")
    assert told(capsys)["money, estimated"] == "price unknown"


def test_a_dry_run_counts_a_passage_that_two_notes_share_once(run, released, capsys):
    write_notes(released, [label(id, "Takes aspirin.", {}).with_spans(None) for id in "ab"])
    run(dry_run=True)
    rows = told(capsys)
    assert (rows["notes"], rows["prompts"], rows["calls to make"], rows["calls at most"]) == ("2", "2", "1", "2")


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_dry_run_works_with_every_config(path, run, tmp_path, toy_notes, capsys, monkeypatch):
    monkeypatch.setattr(Endpoint, "_open", lambda self: pytest.fail("a connection was opened"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    write_notes(tmp_path / "examples.jsonl", toy_notes)
    text = path.read_text("utf8").replace("corpus/private.jsonl", str(tmp_path / "examples.jsonl"))
    text = text.replace('"clinical.OpenAI.v1"', f'"clinical.OpenAI.v1"\njournal = "{tmp_path / "none.sqlite"}"')
    before = files(tmp_path)
    run(config=text, dry_run=True)
    assert files(tmp_path) == before
    rows = told(capsys)
    if '"llm"' not in text:
        assert not rows
    elif "clinical.Local" in text:
        assert (rows["calls"], rows["sent"]) == ("12", "nothing: the model runs here")
    else:
        assert int(rows["calls to make"]) >= 12
        assert rows["money, estimated"].startswith("$" if "\nprice = " in text else "price unknown")


@pytest.mark.parametrize("task", ['"spacy.NER.v3"\nlabels = ["DRUG"]', '"spacy.NER.v1"\nlabels = "DRUG"'])
def test_a_dry_run_of_a_stock_config_does_not_make_its_model_which_would_connect(task, run, capsys, monkeypatch):
    from spacy_llm.models.rest.openai.model import OpenAI

    monkeypatch.setattr(OpenAI, "__init__", lambda self, *args, **kwargs: pytest.fail("a connection was opened"))
    config = '[nlp]\nlang = "en"\npipeline = ["llm"]\n[components]\n[components.llm]\nfactory = "llm"\n'
    config += f'[components.llm.task]\n@llm_tasks = {task}\n[components.llm.model]\n@llm_models = "spacy.GPT-4.v3"\n'
    run(config=config, dry_run=True)
    rows = told(capsys)
    assert (rows["calls to make"], rows["money, estimated"]) == ("12", "price unknown")
    assert "calls at most" not in rows  # stock spacy-llm asks once, and promises no more


def test_the_journal_is_forgotten_on_request_and_nothing_else_happens(run, server, tmp_path, capsys):
    run()
    silver = files(tmp_path / "silver")
    with pytest.raises(UserError, match="--forget deletes"):
        run(forget=True, dry_run=True)
    run(forget=True)
    assert f"{N_NOTES} answers deleted" in capsys.readouterr().out
    assert not list(tmp_path.glob("j.sqlite*"))
    assert files(tmp_path / "silver") == silver and len(server.requests) == N_NOTES
    run(forget=True)
    assert "0 answers deleted" in capsys.readouterr().out


def test_calls_retries_and_money_are_shown_while_it_runs(run, server, monkeypatch, capsys):
    monkeypatch.setattr(annotate, "REFRESH_S", 0.0)
    server.fault = lambda prompt, n: Fault(429, {"retry-after-ms": "1"}) if n == 1 and "Day 3:" in prompt else None
    run()
    shown = capsys.readouterr().err
    assert "13 calls, 1 retries, $60.0000" in shown
    assert len(set(re.findall(r"\d+ calls", shown))) > 3


@pytest.mark.slow
def test_a_local_annotator_has_no_calls_to_show_or_pay_for(run, toy_notes, tmp_path, capsys):
    make_teach_dictionary()(blank("en"), toy_notes, [], tmp_path / "dictionary", 0, -1)
    text = Path("configs/annotator/dictionary.cfg").read_text("utf8")
    report = run(config=text.replace("training/annotator/dictionary", str(tmp_path / "dictionary")), budget=0.0)
    assert report["llm"] == {} and report["counts"]["notes"] == N_NOTES
    assert "calls" not in capsys.readouterr().err
