"""Prompts, answer forms and examples for the embedded model on MACCROBAT (Caufield et al. 2019), real case reports.

`make bench NAME=annotators-maccrobat`, once the corpus lies in assets/maccrobat; `python -m
benchmarks.annotators_maccrobat NAME ...` measures some settings anew and keeps the rows of the others. Each setting is
scored by cross-validation on train, where settings are chosen, and once on dev, with what the first fold was taught.
"""

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import typer

from benchmarks.table import Row, read_table, write_table
from scripts.annotators.load import load_annotator, predict
from scripts.corpora.read import read_corpus
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note
from scripts.notes.step import load_config
from scripts.notes.task import read_task
from scripts.notes.tokenizer import blank
from scripts.scoring.report import compare_systems
from scripts.scoring.spans import count_notes
from scripts.teach import main as teach

TASK = Path("configs/task/drugs_procedures.yml")
CORPUS = Path("assets/maccrobat")
NER = Path("configs/ner/trf.cfg")
SEED = 0
N_TAUGHT, N_JUDGED = 20, 5  # reports to learn from, and to choose the best epoch on
N_FOLDS, N_SCORED = 2, 10  # reports of a fold that are scored


@dataclass(frozen=True)
class Setting:
    """The shipped annotator CONFIG with OVERRIDES of its values."""

    config: str
    overrides: dict[str, object] = field(default_factory=dict)


def asked(form: str, template: str | None = None, **task: object) -> dict[str, object]:
    """Overrides of what is asked: FORM with its prompt, and other values of the task's block."""
    values = {"form": form, "template": f"configs/prompts/{template or form}.jinja", **task}
    return {f"components.llm.task.{key}": value for key, value in values.items()}


SETTINGS = {
    "dictionary": Setting("dictionary"),
    "teacher": Setting("teacher"),
    "echo, taught": Setting("embedded"),
    "echo, taught, more found": Setting("embedded", {"components.llm.model.outside_bias": 1.0}),
    "echo, taught, passages of 40 words": Setting("embedded", {"components.llm.task.window": 40}),
    "lists, taught": Setting("lists"),
    "JSON, taught": Setting("lists", asked("json")),
    "tags, taught": Setting("lists", asked("tags", occurrences="listed")),
    "lines, taught": Setting("lists", asked("lists", "lines")),
    "JSON, no example": Setting("zero_shot"),
    "JSON, 3 nearest examples": Setting("few_shot", {"components.llm.task.nearest": True}),
}


def main(names: list[str] = typer.Argument(None, help="Settings to measure anew; the rows of others stay")) -> None:
    """Measure all settings and write metrics/bench/annotators_maccrobat.json."""
    scheme = read_task(TASK)
    train, dev = (list(scheme.restrict(read_corpus(CORPUS / f"{part}.jsonl", "jsonl"))) for part in ("train", "dev"))
    random.Random(SEED).shuffle(train)
    rows = {row.measure: row for row in read_table("annotators_maccrobat")}
    for name in names or SETTINGS:
        for row in measure(name, train, dev):
            rows[row.measure] = row
        write_table("annotators_maccrobat", list(rows.values()))


def measure(name: str, train: Sequence[Note], dev: Sequence[Note]) -> list[Row]:
    """The scores of the setting called NAME on N_SCORED reports of each fold, and on dev as taught for the first."""
    counts, size = [], N_TAUGHT + N_JUDGED + N_SCORED
    for fold in range(N_FOLDS):
        notes = train[fold * size : (fold + 1) * size]
        scored = [*notes[-N_SCORED:], *(dev if fold == 0 else ())]
        counts.append(counts_of(SETTINGS[name], notes[:-N_SCORED], scored))
    validated = np.concatenate([found[:, :N_SCORED] for found in counts], axis=1)
    return [
        *rows_of(f"cross-validation: {name}", validated),
        *rows_of(f"dev: {name}", counts[0][:, N_SCORED:]),
    ]


def counts_of(setting: Setting, labelled: Sequence[Note], scored: Sequence[Note]) -> np.ndarray:
    """The counts of SETTING on SCORED, taught on LABELLED, or shown examples from there."""
    scheme, nlp = read_task(TASK), blank("en")
    with tempfile.TemporaryDirectory() as folder:
        taught, judged, path = (Path(folder) / name for name in ("private.jsonl", "holdout.jsonl", "setting.cfg"))
        write_notes(taught, labelled[:N_TAUGHT])
        write_notes(judged, labelled[N_TAUGHT:])
        made = {"adapter": f"{folder}/setting", "model": f"{folder}/setting", "examples": str(taught)}
        config = load_config(Path(f"configs/annotator/{setting.config}.cfg"))
        named = {f"vars.{key}": value for key, value in made.items() if key in config["vars"]}
        load_config(Path(f"configs/annotator/{setting.config}.cfg"), {**named, **setting.overrides}).to_disk(path)
        teach(taught, judged, Path(folder), config=[path], task=TASK, ner=NER, lang="en", seed=SEED, gpu_id=-1)
        found = predict(load_annotator(path, {"task": str(TASK)}), scored)
        predicted = {note.id: note.with_labels(scheme.labels) for note in found}
    return count_notes(scored, predicted, list(scheme.labels), nlp)[None]


def rows_of(name: str, counts: np.ndarray) -> list[Row]:
    """Strict F1, micro and by label."""
    labels = list(read_task(TASK).labels)
    scores = compare_systems({name: counts}, labels)["systems"][name]["scores"]
    f1 = {scope: scores[scope]["strict"] for scope in ("micro", *labels)}
    return [
        Row(f"{name}, strict F1 {scope}", x["f1"], "F1", counts.shape[1], SEED, tuple(x["ci95"]))
        for scope, x in f1.items()
    ]


if __name__ == "__main__":
    typer.run(main)
