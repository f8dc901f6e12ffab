"""Ctrl-C in the middle of each long step, then the same command: it goes on, and nothing half-written was left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import ROOT

from scripts.notes.docbins import make_docs, write_docbin
from scripts.notes.files import write_manifest
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.note import Note
from scripts.notes.tokenizer import blank

pytestmark = pytest.mark.slow

TASK = "configs/task/drugs_procedures.yml"
LORA = "[{0}.lora]\nr = 4\n[{0}.schedule]\nlearning_rate = 1e-3\nn_epochs = {1}\nbatch_size = 2\npatience = 99\n"
GENERATOR = """
[generator]
@misc = "clinical.PretrainedLM.v1"
base = "{lm}"
control = ["genre"]
max_tokens = 64
{lora}
[generator.writing]
temperature = 1.0
max_new_tokens = 40
batch_size = 8
min_words = 1
cut = true
max_attempts = 20
# So small a model writes no language, or the same again.
max_excess_bits = 9
near_copy = 2
"""


def run(words: list, until: Path | None = None) -> int:
    """The exit status of a step; interrupted as soon as a file that matches UNTIL is there."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), os.environ["PYTHONPATH"]))}
    process = subprocess.Popen([sys.executable, "-m", *map(str, words)], cwd=ROOT, env=env)
    try:
        for _ in range(2400):
            if process.poll() is not None:
                break
            if until and any(until.parent.glob(until.name)):
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.05)
        return process.wait(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()


def save(path: Path, notes, sensitivity="private") -> Path:
    write_notes(path, notes)
    write_manifest(path, inputs={}, config={}, sensitivity=sensitivity, counts={})
    return path


@pytest.fixture
def notes(tmp_path, toy_notes):
    many = [Note(f"{n.id}-{i}", n.text, n.spans, n.meta) for i in range(30) for n in toy_notes]
    return {
        "private": save(tmp_path / "private.jsonl", many[:40]),
        "holdout": save(tmp_path / "holdout.jsonl", toy_notes[:2]),
        "released": save(tmp_path / "released.jsonl", [n.with_spans(None) for n in many], "released"),
    }


def test_adapt_and_generate_go_on_after_ctrl_c(tmp_path, toy_lm, notes):
    config, out = tmp_path / "generator.cfg", tmp_path / "generator"
    config.write_text(GENERATOR.format(lm=toy_lm, lora=LORA.format("generator", 12)))
    adapt = ["scripts.adapt", notes["private"], notes["holdout"], out, "--config", config]
    assert run(adapt, until=out / "work" / "checkpoints" / "checkpoint-*") == 130
    assert not (out / "manifest.json").exists()
    assert run(adapt) == 0
    assert (out / "model/adapter_config.json").is_file()

    two = tmp_path / "two_workers.cfg"
    two.write_text(config.read_text().replace("batch_size = 8", "batch_size = 8\nn_workers = 2"))

    def generate(to, config=two):
        return ["scripts.generate", out, notes["private"], to, "--config", config, "--n-notes", 200]

    torn, whole = tmp_path / "torn.jsonl", tmp_path / "whole.jsonl"
    assert run(generate(torn), until=tmp_path / "torn.work/batch-00001.json") == 130
    assert not torn.exists()
    assert (tmp_path / "torn.work/batch-00001.json").is_file()
    # Two processes write what one does.
    assert run(generate(torn)) == run(generate(whole, config)) == 0
    assert list(read_notes(torn)) == list(read_notes(whole))
    assert len(list(read_notes(torn))) == 200


def test_teach_and_annotate_go_on_after_ctrl_c(tmp_path, toy_lm, notes):
    config, out = tmp_path / "tagger.cfg", tmp_path / "annotator"
    text = Path("configs/annotator/embedded.cfg").read_text("utf8").split("\n[teach]\n")[0] + "\n"
    text = text.replace("training/base/smollm2", toy_lm).replace("training/annotator/embedded", str(out / "tagger"))
    teaching = '[teach]\n@misc = "clinical.teach_tagger.v1"\nbase = ${vars.base}\n'
    config.write_text(text.replace("window = 80", "window = 10") + teaching + LORA.format("teach", 12))
    teach = ["scripts.teach", notes["private"], notes["holdout"], out, "--config", config, "--task", TASK]
    assert run(teach, until=out / ".tagger.part" / "work" / "checkpoint-*") == 130
    assert not (out / "tagger").exists()
    assert run(teach) == 0
    silver = tmp_path / "silver"
    annotate = ["scripts.annotate", notes["released"], silver, "--config", config, "--task", TASK]
    assert run(annotate, until=silver / "00001.spacy.manifest.json") == 130
    assert not (silver / "manifest.json").exists()
    first = (silver / "00000.spacy").stat().st_mtime_ns
    assert run(annotate) == 0
    assert (silver / "manifest.json").is_file()
    assert (silver / "00000.spacy").stat().st_mtime_ns == first  # what was finished is not done again


def test_train_and_evaluate_after_ctrl_c(tmp_path, toy_lm, notes):
    for name in ("train", "dev"):
        docs, _ = make_docs(read_notes(notes["private"]), blank("en"), ["DRUG", "PROCEDURE"])
        write_docbin(tmp_path / f"{name}.spacy", docs)
    out = tmp_path / "ner"
    train = ["spacy", "train", "configs/ner/cnn.cfg", "--output", out, "--code", "scripts/functions.py"]
    train += ["--paths.train", tmp_path / "train.spacy", "--paths.dev", tmp_path / "dev.spacy"]
    train += ["--training.max_steps", 40, "--training.eval_frequency", 10]
    run(train, until=out / "model-best" / "meta.json")  # spaCy saves what it has, and begins anew
    assert run(train) == 0
    scores = tmp_path / "spacy.json"
    assert run(["spacy", "benchmark", "accuracy", out / "model-best", tmp_path / "dev.spacy", "--output", scores]) == 0

    gold, kept, evaluation = notes["private"], tmp_path / "predictions", tmp_path / "evaluation.json"
    slow = tmp_path / "zero_shot.cfg"
    slow.write_text(Path("configs/annotator/zero_shot.cfg").read_text("utf8").replace("training/base/smollm2", toy_lm))
    evaluate = ["scripts.evaluate", gold, evaluation, "--task", TASK, "--predictions", kept]
    evaluate += ["--system", f"student={out / 'model-best'}", "--system", f"annotator={slow}"]
    assert run(evaluate, until=kept / "student.jsonl.manifest.json") == 130
    assert not evaluation.exists()
    first = (kept / "student.jsonl").stat().st_mtime_ns
    assert run(evaluate) == 0
    assert evaluation.is_file()
    assert (kept / "student.jsonl").stat().st_mtime_ns == first  # what was finished is not done again
