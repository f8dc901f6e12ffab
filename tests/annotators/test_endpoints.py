"""Every shipped config of an endpoint, and configs of stock spacy-llm, through `annotate` against a loopback server."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from toy import ROOT, llm_config

from benchmarks.server import Fault, Server, completion
from scripts import annotate
from scripts.annotators.load import check_egress
from scripts.notes.docbins import read_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.tokenizer import blank

TASK = Path("configs/task/drugs_procedures.yml")
DRUGS = ("aspirin", "metformin", "ceftriaxone", "furosemide")
PROCEDURES = ("ct head", "chest x-ray", "colonoscopy", "echo")
PATHS = ("/v1/chat/completions", "/openai/deployments/YOUR-DEPLOYMENT/chat/completions")


def found_in(prompt: str) -> tuple[list[str], list[str]]:
    passage = prompt.rsplit("<note ", 1)[-1].lower()
    return [d for d in DRUGS if d in passage], [p for p in PROCEDURES if p in passage]


def as_json(prompt: str) -> str:
    drugs, procedures = found_in(prompt)
    return json.dumps({"DRUG": drugs, "PROCEDURE": procedures})


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0001")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-test-0001")
    with Server(as_json, paths=PATHS) as server:
        yield server


@pytest.fixture
def run(tmp_path, toy_notes):
    """Call to annotate the toy notes by a config's text; returns the silver Docs and the manifest's counts."""
    released = tmp_path / "released.jsonl"
    write_notes(released, [note.with_spans(None) for note in toy_notes])
    write_manifest(released, inputs={}, config={}, sensitivity="released", counts={})

    def annotated(text: str, max_missing: float = 0.2):
        config, silver = tmp_path / "endpoint.cfg", tmp_path / "silver"
        config.write_text(text)
        annotate.main(released, silver, config, TASK, None, "en", -1, max_missing)
        return list(read_docbin(silver, blank("en"))), read_manifest(silver)["counts"]

    return annotated


def pointed_at(server: Server, name: str, journal: Path) -> str:
    """The shipped config NAME with nothing changed but its server's address and its journal."""
    text = (ROOT / f"configs/annotator/{name}.cfg").read_text("utf8")
    base = server.url.removesuffix("/v1") if name == "azure" else server.url
    text = text.replace('"clinical.OpenAI.v1"', f'"clinical.OpenAI.v1"\njournal = "{journal}"')
    if "base_url" not in text:
        return text.replace("\nname = ", f'\nbase_url = "{base}"\nname = ')
    return re.sub(r'base_url = "[^"]*"', f'base_url = "{base}"', text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt35", "gpt4", "azure", "server"])
def test_a_shipped_config_labels_the_notes(name, server, run, toy_notes, tmp_path):
    docs, counts = run(pointed_at(server, name, tmp_path / "j.sqlite"))
    assert [[(e.start_char, e.end_char, e.label_) for e in d.ents] for d in docs] == [
        [(s.start, s.end, s.label) for s in n.spans] for n in toy_notes
    ]
    assert counts["calls: answered"] == len({r["body"]["messages"][0]["content"] for r in server.requests})
    assert counts["tokens: prompts"] == 10 * counts["calls: answered"]
    asked = server.requests[0]
    key = asked["headers"].get("api-key") or asked["headers"]["Authorization"]
    assert key == {"azure": "azure-test-0001", "server": "Bearer none"}.get(name, "Bearer sk-test-0001")
    assert asked["body"]["temperature"] == 0.0


JSON = {"Content-Type": "application/json; charset=utf-8"}
SAFE = {"hate": {"filtered": False, "severity": "safe"}}
# What each kind of server puts around an answer, beside what all have; and how it refuses a prompt that is too long.
DIALECTS = {
    "OpenAI": (
        {"system_fingerprint": "fp_1", "service_tier": "default"},
        {"logprobs": None},
        {"annotations": [], "refusal": None},
        400,
        {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}},
    ),
    "Azure": (
        {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]},
        {"content_filter_results": SAFE, "logprobs": None},
        {"refusal": None},
        400,
        {"error": {"message": "too long", "code": "context_length_exceeded", "innererror": None}},
    ),
    "vLLM": (
        {"prompt_logprobs": None, "kv_transfer_params": None},
        {"stop_reason": None, "logprobs": None},
        {"reasoning_content": None, "tool_calls": []},
        400,
        {"object": "error", "message": "too long", "type": "BadRequestError", "param": None, "code": 400},
    ),
    "Ollama": (
        {"system_fingerprint": "fp_ollama"},
        {},
        {},
        400,
        {"error": {"message": "too long", "type": "invalid_request_error", "param": None, "code": None}},
    ),
    "llama.cpp": (
        {"timings": {"prompt_n": 10}},
        {"logprobs": None},
        {},
        400,
        {"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}},
    ),
    "TGI": (
        {"system_fingerprint": "3.0-sha"},
        {"finish_reason": "eos_token", "logprobs": None},
        {},
        422,
        {"error": "Input validation error: too long", "error_type": "validation"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_server_s_way_to_answer_and_to_refuse_is_understood(dialect, server, run, toy_notes, tmp_path):
    around, choice, message, status, refusal = DIALECTS[dialect]

    def reply(prompt, n):
        if "colonoscopy" in found_in(prompt)[1]:
            return Fault(status, JSON, json.dumps(refusal))
        body = completion(as_json(prompt)) | around
        body["choices"][0] |= choice
        body["choices"][0]["message"] |= message
        return Fault(headers=JSON, body=json.dumps(body))

    server.fault = reply
    name = "azure" if dialect == "Azure" else "server"
    docs, counts = run(pointed_at(server, name, tmp_path / "j.sqlite"), max_missing=1.0)
    too_long = ["colonoscopy" in note.text.lower() for note in toy_notes]
    assert counts["answers: rejected"] == sum(too_long) and counts["answers: read"] == len(docs) - sum(too_long)
    assert [all(t.ent_iob == 0 for t in doc) for doc in docs] == too_long
    assert counts["tokens: prompts"] == 10 * counts["calls: answered"]


def test_the_careful_config_asks_label_by_label_thrice_and_looks_again_at_what_is_in_doubt(
    server, run, toy_notes, tmp_path
):
    write_notes(tmp_path / "examples.jsonl", toy_notes[:4])
    asked_before = Counter()

    def answer(prompt: str) -> str:
        if "[[" in prompt:
            return "yes" if "[[aspirin]]" in prompt.lower() else "no"
        asked_before[prompt] += 1
        label = next(label for label in ("DRUG", "PROCEDURE") if f"- {label}" in prompt)
        found = found_in(prompt)[label == "PROCEDURE"]
        # Of three samples one invents nothing but sees no CT.
        return json.dumps({label: [f for f in found if f != "ct head" or asked_before[prompt] > 1]})

    server.answer = answer
    config = pointed_at(server, "careful", tmp_path / "j.sqlite")
    docs, counts = run(config.replace('"corpus/private.jsonl"', f'"{tmp_path / "examples.jsonl"}"'))
    assert max(asked_before.values()) == 3
    asked = [r["body"] for r in server.requests]
    first, checks = asked[0], [body for body in asked if "[[" in body["messages"][0]["content"]]
    assert first["response_format"]["json_schema"]["schema"]["required"] == ["DRUG"]
    assert checks and all("response_format" not in body and body["max_tokens"] == 5 for body in checks)
    entities = {(e.text.lower(), e.label_) for d in docs for e in d.ents}
    assert ("aspirin", "DRUG") in entities  # all samples, and the second look
    # two of three samples, but not the second look: one of two voices, so undecided
    assert not any(text == "ct head" for text, _ in entities)
    assert counts["verified: yes"] > 0 and counts["verified: no"] > 0
    assert any(t.ent_iob == 0 and t.text == "CT" for d in docs for t in d)


LABELS = 'labels = ["DRUG", "PROCEDURE"]\n'
STOCK_TASKS = {
    "NER.v3": f'@llm_tasks = "spacy.NER.v3"\n{LABELS}',
    "NER.v3, few-shot": f'@llm_tasks = "spacy.NER.v3"\n{LABELS}[components.llm.task.examples]\n'
    '@misc = "spacy.FewShotReader.v1"\npath = "EXAMPLES"',
    "NER.v2": f'@llm_tasks = "spacy.NER.v2"\n{LABELS}[components.llm.task.label_definitions]\nDRUG = "a medicine"\n',
}


def stock_answer(prompt: str) -> str:
    text = prompt.rsplit("'''", 2)[-2] if "'''" in prompt else prompt.rsplit("Paragraph:", 1)[-1]
    drugs, procedures = [d for d in DRUGS if d in text.lower()], [p for p in PROCEDURES if p in text.lower()]
    if "Paragraph:" in prompt:
        named = [(d, "DRUG") for d in drugs] + [(p, "PROCEDURE") for p in procedures]
        return "\n".join(f"{i}. {string} | True | {label} | is one" for i, (string, label) in enumerate(named, 1))
    return f"DRUG: {', '.join(drugs)}\nPROCEDURE: {', '.join(procedures)}"


@pytest.mark.slow
@pytest.mark.parametrize("name", STOCK_TASKS)
def test_a_config_of_stock_spacy_llm_runs_with_its_model_line_changed(name, server, run, tmp_path):
    examples = tmp_path / "examples.yml"
    examples.write_text(
        "- text: 'On aspirin.'\n  spans:\n"
        "    - {text: aspirin, is_entity: true, label: DRUG, reason: 'is a medicine'}\n"
    )
    server.answer = stock_answer
    task = STOCK_TASKS[name].replace("EXAMPLES", str(examples))
    docs, counts = run(llm_config(task, server.url, tmp_path / "j.sqlite"))
    assert {(e.text.lower(), e.label_) for d in docs for e in d.ents} >= {("aspirin", "DRUG"), ("ct head", "PROCEDURE")}
    assert counts["calls: answered"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", STOCK_TASKS)
def test_a_failed_answer_is_missing_annotation_for_a_stock_task_too(name, server, run, tmp_path):
    examples = tmp_path / "examples.yml"
    examples.write_text("- text: 'x'\n  spans: [{text: x, is_entity: false, label: DRUG, reason: no}]\n")
    server.answer, server.finish_reason = stock_answer, "content_filter"
    task = STOCK_TASKS[name].replace("EXAMPLES", str(examples))
    config = llm_config(task, server.url, tmp_path / "j.sqlite")
    docs, counts = run(config, max_missing=1.0)
    assert {t.ent_iob for doc in docs for t in doc} == {0}
    assert counts["answers: filtered"] == len(docs) == counts["notes with unread passages"]


def test_faults_of_the_server_become_missing_annotation_and_are_counted(server, run, tmp_path):
    refusal = '{"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [{"index": 0, '
    refusal += '"finish_reason": "stop", "message": {"role": "assistant", "content": null, "refusal": "No."}}]}'
    json_type = {"Content-Type": "application/json"}

    def fault(prompt, n):
        if "colonoscopy" in prompt.rsplit("<note ", 1)[-1]:
            return Fault(headers=json_type, body=refusal)
        return None

    server.fault = fault
    docs, counts = run(pointed_at(server, "server", tmp_path / "j.sqlite"), max_missing=1.0)
    assert counts["answers: refused"] > 0
    for doc in docs:
        expected = {0} if "colonoscopy" in doc.text else {2, 3, 1}
        assert {t.ent_iob for t in doc} <= expected


def test_an_endpoint_on_this_machine_may_see_private_notes_and_one_elsewhere_may_not(tmp_path):
    check_egress(ROOT / "configs/annotator/server.cfg", "private")
    for name in ("gpt35", "gpt4", "azure"):
        check_egress(ROOT / f"configs/annotator/{name}.cfg", "released")
        with pytest.raises(UserError, match="another host"):
            check_egress(ROOT / f"configs/annotator/{name}.cfg", "private")
    allowed = tmp_path / "azure.cfg"
    text = (ROOT / "configs/annotator/azure.cfg").read_text("utf8")
    host = "your-resource.openai.azure.com"
    allowed.write_text(text.replace("allow_private_hosts = []", f'allow_private_hosts = ["{host}"]'))
    check_egress(allowed, "private")
