"""Every annotator that the embedded models allow, on the shipped notes: strict F1 by label on holdout, then on gold.

`make bench NAME=annotators`, after `spacy project run models` and `prepare`. The default is chosen on the holdout rows;
the gold rows are only reported. One training seed.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import srsly
import typer

from benchmarks.table import Row, read_table, write_table
from scripts.annotators.load import load_annotator, predict
from scripts.notes.jsonl import read_notes
from scripts.notes.task import read_task
from scripts.notes.tokenizer import blank
from scripts.scoring.report import compare_systems
from scripts.scoring.spans import count_notes
from scripts.teach import main as teach

ANNOTATORS = ("dictionary", "teacher", "embedded", "lists", "zero_shot", "few_shot")  # quick ones first
CORPUS, TAUGHT = Path("corpus"), Path("training/annotator")
SEED = 0


def main(names: list[str] = typer.Argument(None, help="Annotators to measure anew; the rows of others stay")) -> None:
    """Teach what can be taught, score all, and write metrics/bench/annotators.json."""
    variables = srsly.read_yaml("project.yml")["vars"]
    task = Path(f"configs/task/{variables['task']}.yml")
    measured = names or ANNOTATORS
    configs = [Path(f"configs/annotator/{name}.cfg") for name in measured]
    teach(
        CORPUS / "private.jsonl",
        CORPUS / "holdout.jsonl",
        TAUGHT,
        config=configs,
        task=task,
        ner=Path(f"configs/ner/{variables['ner']}.cfg"),
        lang=variables["lang"],
        seed=SEED,
        gpu_id=-1,
    )
    rows = [
        row for row in read_table("annotators") if row.measure.split(": ")[1].split(",")[0] not in (names or ANNOTATORS)
    ]
    for path in configs:
        for part in ("holdout", "gold"):
            rows += score(part, path, task)
            write_table("annotators", rows)


def score(part: str, config: Path, task: Path) -> Iterator[Row]:
    """The rows of one annotator on one PART of the notes: seconds a note, and strict F1 by label."""
    scheme, nlp = read_task(task), blank("en")
    notes = list(scheme.restrict(read_notes(CORPUS / f"{part}.jsonl")))
    annotator = load_annotator(config, {"lang": "en", "task": str(task)})
    start = time.monotonic()
    predicted = {note.id: note.with_labels(scheme.labels) for note in predict(annotator, notes)}
    seconds, name = (time.monotonic() - start) / len(notes), config.stem
    counts = count_notes(notes, predicted, list(scheme.labels), nlp)[None]
    scores = compare_systems({name: counts}, list(scheme.labels))["systems"][name]["scores"]
    yield Row(f"{part}: {name}, time a note, loading included", round(seconds, 2), "s", len(notes), SEED)
    for scope in ("micro", *scheme.labels):
        strict = scores[scope]["strict"]
        yield Row(f"{part}: {name}, strict F1 {scope}", strict["f1"], "F1", len(notes), SEED, tuple(strict["ci95"]))


if __name__ == "__main__":
    typer.run(main)
