"""What differential privacy costs: F1 on gold of students of a generator adapted without it, and with epsilon 8 and 2.

`make bench NAME=privacy-cost`, on the shipped notes. Without it the default generator adapts (smollm2.cfg), with it the
same as private.cfg, whose settings are those of the literature: none was chosen by these scores. One teacher labels the
notes of all, and a CNN learns from them. The gate is left out: with all notes kept, the difference is privacy's alone.
Where too few texts were fit to be notes there is no student, and it counts as one that finds nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer
from wasabi import msg
from weasel.cli.run import project_run

from benchmarks.flow import ROOT
from benchmarks.student import step, train
from benchmarks.table import Row, write_table
from scripts import generate
from scripts.annotators.load import load_annotator, predict
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest
from scripts.notes.jsonl import read_notes
from scripts.notes.step import load_config
from scripts.notes.task import read_task
from scripts.notes.tokenizer import blank
from scripts.scoring.spans import MEASURES, count_notes
from scripts.scoring.statistics import estimate, micro_f1

FOLDER = Path("training/privacy_cost")
PRIVATE, HOLDOUT, GOLD = (Path(f"corpus/{part}.jsonl") for part in ("private", "holdout", "gold"))
TASK, NER, LANG = Path("configs/task/drugs_procedures.yml"), Path("configs/ner/cnn.cfg"), "en"
TEACHER = Path("configs/annotator/teacher.cfg")
WITHOUT, WITH = Path("configs/generator/smollm2.cfg"), Path("configs/generator/private.cfg")
EPSILONS = (8.0, 2.0)
NONE = "no privacy"


@dataclass(frozen=True, eq=False)
class Run:
    """One seed of one setting: COUNTS of the student's spans on gold, and of the notes that were written for it."""

    counts: np.ndarray  # (notes, labels, measures, 3)
    n_notes: int
    spent: Mapping[str, float]  # the manifest's "privacy"; empty without it


def main(
    n_notes: int = 120,
    seed: list[int] = typer.Option([0, 1], help="Of adapting, writing and training; may be given several times"),
) -> None:
    """Adapt, write, label, train and score for each setting and seed; write metrics/bench/privacy_cost.json."""
    for name in ("models", "prepare"):
        project_run(ROOT, name)
    FOLDER.mkdir(parents=True, exist_ok=True)
    teacher = teach()
    runs: dict[str, list[Run]] = {}
    for name, config in write_configs(FOLDER).items():
        runs[name] = [run(name, config, teacher, n_notes, s) for s in seed]
        write_table("privacy_cost", rows_of(runs, seed))


def write_configs(folder: Path) -> dict[str, Path]:
    """The generator's config of each setting, by its name; those with another epsilon lie in FOLDER."""
    configs = {NONE: WITHOUT}
    for epsilon in EPSILONS:
        path = folder / f"epsilon_{epsilon:g}.cfg"
        load_config(WITH, {"generator.privacy.epsilon": epsilon}).to_disk(path)
        configs[f"epsilon {epsilon:g}"] = path
    return configs


def teach() -> Path:
    """The config of an annotator that labels with a CNN taught on the labelled notes."""
    path, taught = FOLDER / TEACHER.name, FOLDER / "annotator"
    load_config(TEACHER, {"vars.model": str(taught / TEACHER.stem), "vars.ner": str(NER)}).to_disk(path)
    step("teach", PRIVATE, HOLDOUT, taught, config=path, task=TASK, ner=NER)
    return path


def run(name: str, config: Path, teacher: Path, n_notes: int, seed: int) -> Run:
    """The setting NAME with SEED from adapting to scores; what is adapted already stays."""
    folder = FOLDER / name.replace(" ", "_") / str(seed)
    generator, synthetic = folder / "generator", folder / "synthetic.jsonl"
    step("adapt", PRIVATE, HOLDOUT, generator, config=config, seed=seed)
    spent = read_manifest(generator)["counts"].get("privacy", {})
    scheme = read_task(TASK)
    labels, golds = list(scheme.labels), list(scheme.restrict(read_notes(GOLD)))
    try:
        generate.main(generator, PRIVATE, synthetic, config, None, n_notes, seed, -1, None, None)
    except UserError as e:
        msg.warn(f"{name}, seed {seed}: {e.what}")
        return Run(count_notes(golds, {}, labels, blank(LANG)), 0, spent)
    step("annotate", synthetic, folder / "silver", config=teacher, task=TASK)
    student = train(folder / "silver", folder / "student", {}, seed, NER)
    found = {note.id: note.with_labels(labels) for note in predict(load_annotator(student, {}), golds)}
    return Run(count_notes(golds, found, labels, blank(LANG)), n_notes, spent)


def rows_of(runs: Mapping[str, Sequence[Run]], seeds: Sequence[int]) -> list[Row]:
    """F1 of each setting in RUNS (by seed), what it costs against none, and the privacy that was spent, as rows."""
    shown, strict = ",".join(map(str, seeds)), MEASURES.index("strict")
    scores = {
        name: estimate(np.stack([run.counts for run in own])[:, :, :, strict], micro_f1) for name, own in runs.items()
    }
    n_gold = len(runs[NONE][0].counts)
    rows = []
    for name, own in runs.items():
        rows.append(Row(f"strict F1 micro: {name}", scores[name].value, "F1", n_gold, shown, scores[name].ci95))
        if name != NONE:
            cost = scores[NONE] - scores[name]
            rows.append(Row(f"cost in F1: {name}", cost.value, "F1", n_gold, shown, cost.ci95))
        rows.append(Row(f"notes written: {name}", sum(r.n_notes for r in own), "notes", len(own), shown))
        if spent := own[0].spent:  # the same for all seeds
            rows += [
                Row(f"epsilon spent, delta {spent['delta']:.2g}: {name}", spent["epsilon"], None, spent["n_patients"]),
                Row(f"noise in clipping norms: {name}", spent["noise_multiplier"], None, spent["steps"]),
            ]
    return rows


if __name__ == "__main__":
    typer.run(main)
