"""A generator without weights from `adapt` to the gate: nothing is adapted, and its notes are audited as any."""

import json
import random
import re
from itertools import count
from pathlib import Path
from string import ascii_lowercase

import pytest
from toy import ROOT

from benchmarks.server import Server
from scripts import adapt, audit, generate
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest, sensitivity_of, write_manifest
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.note import Note

CONFIG = """
[generator]
@misc = "clinical.EndpointWriter.v1"
template = "configs/prompts/write.jinja"
control = ["genre"]
{more}
[generator.model]
@llm_models = "clinical.OpenAI.v1"
name = "m"
base_url = "{url}"
journal = "{journal}"
parameters = {{"temperature": 1.0}}
"""


def words(what: str) -> str:
    rng = random.Random(what)  # words at random: what all notes of a side had in common would tell members from others
    return " ".join("".join(rng.choices(ascii_lowercase, k=7)) for _ in range(40))


@pytest.fixture
def server():
    numbers = count()

    def answer(prompt: str) -> str:
        mark = re.search(r"<note (\w+)>", prompt)[1]
        return f"<note {mark}>{words(f'answer {next(numbers)}')}</note {mark}>"

    with Server(answer) as server:
        yield server


@pytest.fixture
def paths(tmp_path, server) -> dict[str, Path]:
    paths = {side: tmp_path / f"{side}.jsonl" for side in ("private", "holdout", "gold", "canaries")}
    for side in ("private", "holdout", "gold"):
        meta = [{"patient": f"{side}-{i}", "genre": "clinic"} for i in range(8)]
        write_notes(paths[side], [Note(f"note-{side}-{i}", words(f"{side} {i}"), None, m) for i, m in enumerate(meta)])
    roles = [{"patient": f"c{i}", "canary": ("planted", "twin")[i % 2], "end": 40} for i in range(4)]
    write_notes(paths["canaries"], [Note(f"c{i}", words(f"canary {i}"), None, m) for i, m in enumerate(roles)])
    write_manifest(paths["private"], inputs={}, config={}, sensitivity="private", counts={})
    names = {"generator": "generator", "synthetic": "synthetic.jsonl", "released": "released.jsonl"}
    paths |= {name: tmp_path / file for name, file in names.items()}
    paths |= {"audit": tmp_path / "audit.json", "page": tmp_path / "audit.html", "config": tmp_path / "endpoint.cfg"}
    paths["config"].write_text(CONFIG.format(url=server.url, journal=tmp_path / "journal.sqlite", more=""))
    return paths


def write_road(p, n_notes=8):
    adapt.main(p["private"], p["holdout"], p["generator"], p["config"], p["canaries"], 1, 0, -1)
    generate.main(p["generator"], p["private"], p["synthetic"], p["config"], p["canaries"], n_notes, 0, -1, None, None)


def judge(p, tmp_path, name="audit_small"):
    policy = tmp_path / f"{name}.cfg"
    text = re.sub(r"neural_tokens = \d+", "neural_tokens = null", (ROOT / f"configs/{name}.cfg").read_text("utf8"))
    policy.write_text(text.replace("n_notes = 0\n", "n_notes = 8\n"), "utf8")  # G5 asks for a model's loss
    sides = {name: p[name] for name in ("private", "holdout", "gold", "generator", "canaries", "page")}
    audit.main(p["synthetic"], p["released"], p["audit"], **sides, control=None, config=policy, seed=0)


def test_from_adapt_to_released_notes(paths, server, tmp_path, capsys):
    write_road(paths)
    said = capsys.readouterr().out
    assert "Nothing to adapt" in said and "8 notes" in said and "calls: answered 8" in said
    made = read_manifest(paths["generator"])
    assert made["counts"] == {"n_notes": 0, "n_canaries": 0, "adapted": False, "sees_private_notes": False}
    assert "configs/prompts/write.jinja" in made["inputs"] and not any("journal" in name for name in made["inputs"])
    counts = read_manifest(paths["synthetic"])["counts"]
    assert counts["canaries"] == {"n": 2, "emitted": 0} and counts["usage"]["calls: answered"] == 8
    judge(paths, tmp_path)
    assert sensitivity_of(paths["released"]) == "released"
    notes = list(read_notes(paths["released"]))
    assert len(notes) == 8 and all(note.meta == {"genre": "clinic"} for note in notes)
    verdict = json.loads(paths["audit"].read_text())
    checks = {check["id"]: check for check in verdict["checks"]}
    assert verdict["verdict"] == "PASS" and checks["G5"]["verdict"] == "NOT_RUN"  # there is no model to ask for a loss
    assert checks["G4"]["figures"]["generator_saw_no_private_note"] is True
    for private in ("private-", "holdout-", "gold-", words("private 0")[:20]):
        assert not any(private in str(request["body"]) for request in server.requests)


def test_the_same_steps_again_ask_for_nothing(paths, server):
    write_road(paths)
    first, manifest = list(read_notes(paths["synthetic"])), read_manifest(paths["generator"])
    write_road(paths)
    assert server.n_calls == 8 and list(read_notes(paths["synthetic"])) == first
    assert read_manifest(paths["generator"]) == manifest  # the journal has grown, and is none of its inputs


def test_a_server_on_this_machine_that_gives_private_examples_back_fails_at_the_gate(paths, server, tmp_path):
    def echo(prompt: str) -> str:
        mark, text = re.search(r"<note (\w+)>\n(.*?)\n</note ", prompt, re.DOTALL).groups()
        return f"<note {mark}>{text}</note {mark}>"

    server.answer = echo
    more = f'examples = "{paths["private"]}"\nn_examples = 1'
    paths["config"].write_text(CONFIG.format(url=server.url, journal=tmp_path / "journal.sqlite", more=more))
    write_road(paths)
    assert read_manifest(paths["generator"])["counts"]["sees_private_notes"] is True
    assert read_manifest(paths["synthetic"])["counts"]["canaries"] == {"n": 2, "emitted": 2}
    with pytest.raises(UserError, match=r"FAIL .*no note is released"):
        judge(paths, tmp_path)
    verdict = json.loads(paths["audit"].read_text())
    assert verdict["verdict"] == "FAIL" and verdict["counts"]["n_dropped"] == 8
    assert verdict["before_dropping"]["G4"] == "FAIL"  # it recited canaries
    assert not paths["released"].exists()


def test_private_examples_stop_at_adapt_where_the_host_is_not_allowed(paths, server, tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.llm.egress.is_loopback", lambda host: False)
    more = f'examples = "{paths["private"]}"'
    paths["config"].write_text(CONFIG.format(url=server.url, journal=tmp_path / "journal.sqlite", more=more))
    with pytest.raises(UserError, match="private text was about to be sent"):
        write_road(paths)
    assert server.n_calls == 0 and not (paths["generator"] / "manifest.json").exists()
