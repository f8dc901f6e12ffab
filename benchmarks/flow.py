"""The whole flow on the shipped notes: seconds a step, memory, and scores on gold over several seeds.

`make bench NAME=flow`; its times and memory mean something on a machine that does nothing else. Seed 0 runs from clean;
the other seeds teach, annotate, train and score again on the same released notes, so that the interval covers the
choice of gold notes and the chance in training, not in generation.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import srsly
from weasel.cli.run import project_run

from benchmarks.peak import watch_children
from benchmarks.table import Row, write_table
from scripts.notes.jsonl import read_notes
from scripts.notes.task import read_task
from scripts.notes.tokenizer import blank
from scripts.scoring.report import compare_systems
from scripts.scoring.spans import count_notes

TRAINED = ("teach", "annotate", "split", "train", "baselines", "evaluate")
ROOT = Path(".")
COMPARED = {
    ("student", "annotator"): "student - annotator",
    ("student", "upper_bound"): "student / upper bound",
    ("annotator", "dictionary"): "annotator - dictionary",
}
Targets = Mapping[tuple[str, str], float]  # (system, label or micro) -> strict F1


def main() -> None:
    """Run the flow, then the seeds, and write metrics/bench/flow.json."""
    targets = {("annotator", "DRUG"): 0.70, ("annotator", "PROCEDURE"): 0.40}
    bench("flow", {}, (0, 1, 2), targets, max_minutes=20, max_gib=6)


def bench(
    name: str,
    variables: Mapping[str, str],
    seeds: Sequence[int],
    targets: Targets,
    from_clean: bool = True,
    max_minutes: float | None = None,
    max_gib: float | None = None,
) -> None:
    """Run all steps with VARIABLES and the first of SEEDS, train again with the others, and write the table NAME.

    Unless FROM_CLEAN, what an earlier run has made, and would be made again the same, stays, and nothing is timed. All
    steps together should take MAX_MINUTES at most, and none more than MAX_GIB of memory.
    """
    values = {**srsly.read_yaml("project.yml")["vars"], **variables}
    overrides = {f"vars.{key}": value for key, value in variables.items()}
    if from_clean:
        rows = time_steps(name, variables, seeds[0], max_minutes, max_gib)
    else:
        rows = []
        project_run(ROOT, "all", overrides=overrides | {"vars.seed": str(seeds[0])})
    task, lang = read_task(Path(f"configs/task/{values['task']}.yml")), values["lang"]
    runs = []
    for seed in seeds:
        for step in TRAINED if runs else ():
            project_run(ROOT, step, overrides=overrides | {"vars.seed": str(seed)})
        runs.append(count_predictions(task.labels, lang))
        report = compare_systems({name: np.stack([run[name] for run in runs]) for name in runs[0]}, list(task.labels))
        write_table(name, rows + score_rows(report, seeds[: len(runs)], targets))


def time_steps(
    name: str, variables: Mapping[str, str], seed: int, max_minutes: float | None, max_gib: float | None
) -> list[Row]:
    """Run all steps from clean with VARIABLES and SEED: seconds a step, minutes in all, peak memory of a step.

    What was timed is in the table NAME after each step: a step that fails takes none of it along.
    """
    overrides = {f"vars.{key}": value for key, value in {**variables, "seed": str(seed)}.items()}
    project_run(ROOT, "clean")
    rows, total = [], 0.0
    with watch_children() as peak:
        for step in srsly.read_yaml("project.yml")["workflows"]["all"]:
            start = time.monotonic()
            project_run(ROOT, step, overrides=overrides)
            total += time.monotonic() - start
            rows.append(Row(f"time: {step}", round(time.monotonic() - start), "s", n=1, seed=seed))
            write_table(name, rows)
    for measure, value, unit, limit in (
        ("time: all steps", total / 60, "min", max_minutes),
        ("peak memory of a step", peak[0], "GiB", max_gib),
    ):
        reached = None if limit is None else value <= limit
        rows.append(Row(measure, round(value, 1), unit, 1, seed, None, limit, reached))
    return rows


def count_predictions(labels: Sequence[str], lang: str) -> dict[str, np.ndarray]:
    """The counts of every system whose predictions the last `evaluate` left."""
    gold = [note.with_labels(labels) for note in read_notes(Path("corpus/gold.jsonl"))]
    counts = {}
    for path in sorted(Path("corpus/predictions").glob("*.jsonl")):
        predicted = {note.id: note.with_labels(labels) for note in read_notes(path)}
        counts[path.stem] = count_notes(gold, predicted, list(labels), blank(lang))
    return counts


def score_rows(report: dict, seeds: Sequence[int], targets: Targets) -> list[Row]:
    """F1 of each system, strict by label and by token, then the comparisons, as rows."""
    n, shown = report["n_notes"], ",".join(map(str, seeds))
    rows = []
    for name, system in report["systems"].items():
        for scope, measure in [("micro", "strict"), ("micro", "token"), *((x, "strict") for x in report["labels"])]:
            f1, ci95 = (system["scores"][scope][measure][key] for key in ("f1", "ci95"))
            if f1 is None:  # a label that the gold notes do not have
                continue
            target = targets.get((name, scope)) if measure == "strict" else None
            reached = None if target is None else f1 >= target
            rows.append(Row(f"{measure} F1 {scope}: {name}", f1, "F1", n, shown, tuple(ci95), target, reached))
    for entry in report["comparisons"]:
        if entry["scope"] == "micro":
            pair = (entry["a"], entry["b"])
            target = 1.0 if entry["kind"] == "ratio" else 0.0
            value, low = entry["value"], entry["ci95"][0]
            reached = low > 0 if pair == ("annotator", "dictionary") else value >= target
            measure = f"strict F1 micro: {COMPARED[pair]}"
            rows.append(Row(measure, value, entry["kind"], n, shown, tuple(entry["ci95"]), target, reached))
    return rows


if __name__ == "__main__":
    main()
