"""`annotate` through a real server with a real model: llama.cpp's, on loopback, with the embedded SmolLM2.

Runs where llama-cpp-python is installed: `pip install -r requirements-server.txt`, which compiles it for many minutes.
"""

import importlib.util
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from toy import DRUGS, PROCEDURES, SPANS, llm_config

from scripts import annotate
from scripts.llm.embedded import gguf_file
from scripts.notes.docbins import read_docbin
from scripts.notes.files import read_manifest, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.tokenizer import blank

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"),
]
STARTS_WITHIN_S = 120
N_EXAMPLES = 2
EXAMPLES = '\nexamples = "{examples}"\nn_examples = 2'
MODEL = """limits = {{"max_in_flight": 2}}
max_answers = 1
parameters = {{"temperature": 0.0, "max_tokens": 120{form}}}
"""
# This server knows no schemas (`guided`), but it can be told to answer in JSON.
FORMS = {"free": "", "JSON": ', "response_format": {"type": "json_object"}'}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a llama.cpp server that has loaded the model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(gguf_file()), "--model_alias", "m"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", "2048", "--n_threads", "2"]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/v1/models", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    give_up_at = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.mark.parametrize("form", FORMS)
def test_a_real_model_labels_notes_through_a_real_server_and_is_asked_once(form, url, toy_notes, tmp_path):
    examples, released, silver, config = (tmp_path / n for n in ("shots.jsonl", "released.jsonl", "silver", "llm.cfg"))
    write_notes(examples, toy_notes[:N_EXAMPLES])
    notes = toy_notes[N_EXAMPLES : N_EXAMPLES + 4]
    write_notes(released, [note.with_spans(None) for note in notes])
    write_manifest(released, inputs={}, config={}, sensitivity="released", counts={})
    journal = tmp_path / "journal.sqlite"
    asked = SPANS + EXAMPLES.format(examples=examples)
    config.write_text(llm_config(asked, url, journal, MODEL.format(form=FORMS[form])))
    task = Path("configs/task/drugs_procedures.yml")

    annotate.main(released, silver, config, task, None, "en", -1, 1.0)
    counts = read_manifest(silver)["counts"]
    assert counts["calls: answered"] == len(notes)
    assert sum(n for key, n in counts.items() if key.startswith("answers: ")) == len(notes)
    assert counts["tokens: prompts"] > 100 * len(notes) and counts["tokens: answers"] > len(notes)
    if form == "JSON":
        assert counts["answers: read"] == len(notes)
        found = {entity.text.lower() for doc in read_docbin(silver, blank("en")) for entity in doc.ents}
        assert found & {name.lower() for name in (*DRUGS, *PROCEDURES)}  # it read the examples, and the notes

    (silver / "manifest.json").unlink()
    for shard in silver.glob("*.manifest.json"):
        shard.unlink()
    annotate.main(released, silver, config, task, None, "en", -1, 1.0)
    again = read_manifest(silver)["counts"]
    assert again["calls: journal"] == len(notes) and "calls: answered" not in again
