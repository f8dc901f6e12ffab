"""The whole flow on the shipped notes: seconds a step, memory, and scores on gold over several seeds.

`make bench NAME=flow`. Seed 0 is timed from clean; the other seeds teach, annotate, train and score again on the same
released notes, so that the interval covers the choice of gold notes and the chance in training, not in generation.
"""

import resource
import time
from pathlib import Path

import numpy as np
import srsly
from weasel.cli.run import project_run

from benchmarks.table import Row, write_table
from scripts.notes.jsonl import read_notes
from scripts.notes.task import read_task
from scripts.notes.tokenizer import blank
from scripts.scoring.report import compare_systems
from scripts.scoring.spans import count_notes

SEEDS = (0, 1, 2)
TRAINED = ("teach", "annotate", "split", "train", "baselines", "evaluate")
ROOT = Path(".")
GIB_PER_KB = 1 / 2**20
TARGETS = {("annotator", "DRUG"): 0.70, ("annotator", "PROCEDURE"): 0.40}
COMPARED = {
    ("student", "annotator"): "student - annotator",
    ("student", "upper_bound"): "student / upper bound",
    ("annotator", "dictionary"): "annotator - dictionary",
}


def main() -> None:
    """Run the flow, then the seeds, and write metrics/bench/flow.json."""
    project = srsly.read_yaml("project.yml")
    project_run(ROOT, "clean")
    rows, total = [], 0.0
    for step in project["workflows"]["all"]:
        start = time.monotonic()
        project_run(ROOT, step)
        total += time.monotonic() - start
        rows.append(Row(f"time: {step}", round(time.monotonic() - start), "s", n=1, seed=0))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * GIB_PER_KB
    rows.append(Row("time: all steps", round(total / 60, 1), "min", 1, 0, target=20, reached=total <= 1200))
    rows.append(Row("peak memory of a step", round(peak, 1), "GiB", 1, 0, target=6, reached=peak <= 6))
    task = read_task(Path(f"configs/task/{project['vars']['task']}.yml"))
    runs = [count_predictions(task.labels)]
    for seed in SEEDS[1:]:
        for step in TRAINED:
            project_run(ROOT, step, overrides={"vars.seed": str(seed)})
        runs.append(count_predictions(task.labels))
    report = compare_systems({name: np.stack([run[name] for run in runs]) for name in runs[0]}, list(task.labels))
    write_table("flow", rows + score_rows(report))


def count_predictions(labels) -> dict[str, np.ndarray]:
    """The counts of every system whose predictions the last `evaluate` left."""
    gold = [note.with_labels(labels) for note in read_notes(Path("corpus/gold.jsonl"))]
    counts = {}
    for path in sorted(Path("corpus/predictions").glob("*.jsonl")):
        predicted = {note.id: note.with_labels(labels) for note in read_notes(path)}
        counts[path.stem] = count_notes(gold, predicted, list(labels), blank("en"))
    return counts


def score_rows(report: dict) -> list[Row]:
    """Strict F1 of each system by label, then the comparisons, as rows."""
    n, seeds = report["n_notes"], ",".join(map(str, SEEDS))
    rows = []
    for name, system in report["systems"].items():
        for scope in ("micro", *report["labels"]):
            f1 = system["scores"][scope]["strict"]["f1"]
            ci95 = system["scores"][scope]["strict"]["ci95"]
            target = TARGETS.get((name, scope))
            reached = None if target is None else f1 >= target
            rows.append(Row(f"strict F1 {scope}: {name}", f1, "F1", n, seeds, tuple(ci95), target, reached))
    for entry in report["comparisons"]:
        if entry["scope"] == "micro":
            pair = (entry["a"], entry["b"])
            target = 1.0 if entry["kind"] == "ratio" else 0.0
            value, low = entry["value"], entry["ci95"][0]
            reached = low > 0 if pair == ("annotator", "dictionary") else value >= target
            measure = f"strict F1 micro: {COMPARED[pair]}"
            rows.append(Row(measure, value, entry["kind"], n, seeds, tuple(entry["ci95"]), target, reached))
    return rows


if __name__ == "__main__":
    main()
