"""Generators on MEDDOCAN with all, a quarter and a twentieth of its labelled notes: what a student learns from their
notes, against the same NER that is taught on the labelled ones.

`make bench NAME=generators`, once `spacy project assets --extra` has fetched the corpus; `python -m
benchmarks.generators "5 %"` runs some shares and keeps the rows of the others. Every run goes through the project's own
steps in a folder of training/generators; what is current there is not made again. At x %, generator and teacher see x %
of train, of which a tenth (five notes at least) chooses their best epochs; 50 other notes of train are the gate's
holdout. The student sees only what passes G0 to G2. With `--choose GENERATOR` (of configs/generator, several times) 100
notes of train that nothing else sees are scored, the figures are printed, and no table is written: settings are chosen
there, and dev is only reported.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import typer
from confection import Config
from spacy.cli.train import train as train_pipeline

from benchmarks.table import Row, read_table, show_table, write_table
from scripts import adapt, annotate, audit, generate, split, teach
from scripts.annotators.load import load_annotator, predict
from scripts.corpora.read import read_corpus
from scripts.notes.errors import UserError
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note
from scripts.notes.step import load_config
from scripts.notes.task import read_task
from scripts.notes.tokenizer import blank
from scripts.scoring.spans import MEASURES, count_notes
from scripts.scoring.statistics import Estimate, estimate, micro_f1

CORPUS, FOLDER = Path("assets/meddocan"), Path("training/generators")
TASK, NER, LANG = Path("configs/task/meddocan.yml"), Path("configs/ner/cnn.cfg"), "es"
ANNOTATOR, MIXED = (Path(f"configs/annotator/{name}.cfg") for name in ("teacher", "labelled_and_silver"))
POLICY = Path("configs/audit_small.cfg")
CHECKS = ("g0", "g1", "g2")
N_CONTROL, N_JUDGED, MIN_CHOSEN = 50, 100, 5
SEEDS = [0, 1, 2]


@dataclass(frozen=True)
class Cell:
    """A SHARE of the labelled notes: the GENERATOR for it, its epochs, how many notes it writes, what is to be reached.

    MIXES says whether the student's architecture is also taught on labelled and synthetic notes together, to compare.
    """

    share: float
    generator: str
    n_epochs: int
    n_notes: int
    token_target: float
    strict_target: float | None = None
    mixes: bool = False


CELLS = {
    "100 %": Cell(1.0, "scratch_es", 5, 900, 0.995, 0.985),
    "25 %": Cell(0.25, "scratch_es", 8, 900, 0.995, 0.98),
    "5 %": Cell(0.05, "little_data_es", 8, 200, 1.0, mixes=True),
}


@dataclass(frozen=True)
class Parts:
    """Labelled notes LEARNED from, others that best epochs are CHOSEN by, the gate's CONTROL, and the notes SCORED."""

    learned: Sequence[Note]
    chosen: Sequence[Note]
    control: Sequence[Note]
    scored: Sequence[Note]


@dataclass(frozen=True)
class Run:
    """What one seed gave: COUNTS of student, upper bound and others on the scored notes, and what the gate found.

    LONGEST_RUN (tokens) and OVERLAP (the private notes' 8-grams in the synthetic ones) are those of the released notes.
    """

    counts: Mapping[str, np.ndarray]
    n_written: int
    n_released: int
    longest_run: int
    overlap: float


def main(
    names: list[str] = typer.Argument(None, help="Shares to measure anew: 100 %, 25 %, 5 %; the rows of others stay"),
    choose: list[str] = typer.Option([], help="A generator to judge on notes of train; printed only"),
    seeds: list[int] = typer.Option(SEEDS, help="Each draws notes, generator, teacher and student anew"),
    n_notes: int = typer.Option(None, help="How many notes to write in place of the cell's"),
    n_epochs: int = typer.Option(None, help="The generator's epochs in place of the cell's"),
) -> None:
    """Run the cells called NAMES and write metrics/bench/generators.json."""
    train, dev = (sorted(read_corpus(CORPUS / part / "brat", "brat"), key=lambda n: n.id) for part in ("train", "dev"))
    rows = {row.measure: row for row in read_table("generators")}
    for name in names or CELLS:
        cell = CELLS[name]
        cell = replace(cell, n_notes=n_notes or cell.n_notes, n_epochs=n_epochs or cell.n_epochs)
        for generator in choose:
            runs = [run(cell, generator, draw(train, cell.share, seed), seed, "judged") for seed in seeds]
            show_table(rows_of(f"{name}, {generator}", cell, runs, seeds))
        if not choose:
            runs = [run(cell, cell.generator, draw(train, cell.share, seed, dev), seed, "dev") for seed in seeds]
            rows |= {row.measure: row for row in rows_of(name, cell, runs, seeds)}
            write_table("generators", list(rows.values()))


def draw(train: Sequence[Note], share: float, seed: int, dev: Sequence[Note] | None = None) -> Parts:
    """The parts of TRAIN for SEED, SHARE of them labelled; scored are DEV or else N_JUDGED notes of TRAIN."""
    notes, scored = list(train), dev
    if scored is None:
        random.Random(0).shuffle(notes)  # what is scored is the same for all seeds
        notes, scored = notes[N_JUDGED:], notes[:N_JUDGED]
    random.Random(seed).shuffle(notes)
    control, notes = notes[:N_CONTROL], notes[N_CONTROL:]
    labelled = notes[: round(share * len(train))]
    n_chosen = max(MIN_CHOSEN, len(labelled) // 10)
    return Parts(labelled[n_chosen:], labelled[:n_chosen], control, scored)


def run(cell: Cell, generator: str, parts: Parts, seed: int, scored: str) -> Run:
    """All steps for CELL with GENERATOR on PARTS in a folder of their own; the scored notes are called SCORED there."""
    folder = FOLDER / f"{scored}-{cell.share:.0%}" / str(seed)
    made = folder / f"{generator}-{cell.n_epochs}-{cell.n_notes}"
    taught = folder / "annotator" / "teacher"
    write_parts(parts, folder)
    teach_ner(folder, seed)
    write_released(cell, generator, folder, made, seed)
    learn(made, taught, seed)
    counts = {"student": score(made / "ner" / "model-best", parts), "upper_bound": score(taught, parts)}
    if cell.mixes:
        if (made / "silver").is_dir():
            load_config(MIXED, {"vars.silver": str(made / "silver"), "vars.ner": str(NER)}).to_disk(made / MIXED.name)
            teach_ner(folder, seed, made / MIXED.name, made)
        counts[MIXED.stem] = score(made / MIXED.stem, parts)
    verdict = json.loads((made / "audit.json").read_text("utf8"))
    copied = next(check["figures"] for check in verdict["checks"] if check["id"] == "G2")
    n = verdict["counts"]
    return Run(
        counts,
        n["n_synthetic"],
        n["n_released"],
        copied["longest_run_tokens"]["max"],
        copied["recall_8grams"]["private"],
    )


def write_parts(parts: Parts, folder: Path) -> None:
    """Write PARTS to FOLDER, but for the scored notes."""
    write_notes(folder / "learned.jsonl", parts.learned)
    write_notes(folder / "chosen.jsonl", parts.chosen)
    write_notes(folder / "control.jsonl", parts.control)
    write_notes(folder / "gold.jsonl", ())  # for the gate: nobody's, as MEDDOCAN's dev notes are public


def teach_ner(folder: Path, seed: int, config: Path = ANNOTATOR, out: Path | None = None) -> None:
    """Teach the teacher, which is the upper bound, too, or another NER of CONFIG, on the parts in FOLDER.

    It is written below OUT, or else below the folder's own `annotator`.
    """
    teach.main(
        folder / "learned.jsonl",
        folder / "chosen.jsonl",
        out or folder / "annotator",
        config=[config],
        task=TASK,
        ner=NER,
        lang=LANG,
        seed=seed,
        gpu_id=-1,
    )


def write_released(cell: Cell, generator: str, folder: Path, made: Path, seed: int) -> None:
    """Adapt GENERATOR on the labelled notes of FOLDER, write and audit notes in MADE; a failed audit releases none."""
    adapted = folder / "adapted" / f"{generator}-{cell.n_epochs}"
    learned, synthetic, config = folder / "learned.jsonl", made / "synthetic.jsonl", adapted.with_suffix(".cfg")
    config.parent.mkdir(parents=True, exist_ok=True)
    shipped = Path(f"configs/generator/{generator}.cfg")
    load_config(shipped, {"generator.schedule.n_epochs": cell.n_epochs}).to_disk(config)
    how = {"config": config, "canaries": None, "seed": seed, "gpu_id": -1}
    adapt.main(learned, folder / "chosen.jsonl", adapted, copies=1, **how)
    if not synthetic.is_file():
        generate.main(adapted, learned, synthetic, n_notes=cell.n_notes, holdout=None, report=None, **how)
    policy = load_config(POLICY)
    policy["checks"] = {name: policy["checks"][name] for name in CHECKS}
    policy["gate"]["required"] = [name.upper() for name in CHECKS]
    Config(policy).to_disk(made / "audit.cfg")
    try:
        audit.main(
            synthetic,
            made / "released.jsonl",
            made / "audit.json",
            private=learned,
            holdout=folder / "control.jsonl",
            gold=folder / "gold.jsonl",
            generator=adapted,
            canaries=None,
            control=None,
            config=made / "audit.cfg",
            page=made / "audit.html",
            seed=seed,
        )
    except UserError as e:
        print(e.what)


def learn(made: Path, taught: Path, seed: int) -> None:
    """Label the released notes of MADE with the teacher TAUGHT, and train the student on them."""
    released = made / "released.jsonl"
    if not released.is_file() or (made / "ner" / "model-best").is_dir():
        return
    config = load_config(ANNOTATOR, {"vars.model": str(taught)})
    config.to_disk(made / "annotator.cfg")
    annotate.main(
        released,
        made / "silver",
        config=made / "annotator.cfg",
        task=TASK,
        taught=taught,
        lang=LANG,
        gpu_id=-1,
        max_missing=0.2,
        budget=None,
        dry_run=False,
        forget=False,
        metrics=None,
    )
    split.main(made / "silver", made / "train.spacy", made / "dev.spacy", share=0.15, lang=LANG, seed=seed)
    paths = {f"paths.{part}": str(made / f"{part}.spacy") for part in ("train", "dev")}
    train_pipeline(NER, made / "ner", use_gpu=-1, overrides=paths | {"nlp.lang": LANG, "system.seed": seed})


def score(pipeline: Path, parts: Parts) -> np.ndarray:
    """The counts of PIPELINE on the scored notes of PARTS; of one that was never trained, those of no entities."""
    scheme = read_task(TASK)
    golds = list(scheme.restrict(parts.scored))
    found = {note.id: note for note in predict(load_annotator(pipeline), golds)} if pipeline.is_dir() else {}
    found = {note.id: found.get(note.id, note.with_spans(())) for note in golds}
    return count_notes(golds, found, list(scheme.labels), blank(LANG))


def rows_of(name: str, cell: Cell, runs: Sequence[Run], seeds: Sequence[int]) -> list[Row]:
    """Token and strict F1 of both systems and their ratios, then what passed the gate and what of train was in it."""
    n_notes, shown = next(iter(runs[0].counts.values())).shape[0], ",".join(map(str, seeds))
    rows = []
    for measure, target in (("token", cell.token_target), ("strict", cell.strict_target)):
        f1 = {system: f1_of([r.counts[system] for r in runs], measure) for system in runs[0].counts}
        for system, found in f1.items():
            rows.append(row_of(f"{name}: {measure} F1, {system}", found, "F1", n_notes, shown))
        ratio = f1["student"] / f1["upper_bound"]
        rows.append(row_of(f"{name}: {measure} F1, student / upper bound", ratio, "ratio", n_notes, shown, target))
    n_written = sum(r.n_written for r in runs)
    rows.append(
        Row(
            f"{name}: notes dropped by the gate", n_written - sum(r.n_released for r in runs), "notes", n_written, shown
        )
    )
    rows.append(Row(f"{name}: longest run of train", max(r.longest_run for r in runs), "tokens", len(runs), shown))
    overlap = float(np.mean([r.overlap for r in runs]))
    rows.append(Row(f"{name}: 8-grams of train that stand in the notes", round(overlap, 4), "share", len(runs), shown))
    return rows


def f1_of(counts: Sequence[np.ndarray], measure: str) -> Estimate:
    """The micro F1 of COUNTS, one array for each seed."""
    return estimate(np.stack(counts)[:, :, :, MEASURES.index(measure)], micro_f1)


def row_of(measure: str, found: Estimate, unit: str, n: int, seeds: str, target: float | None = None) -> Row:
    """FOUND as a row."""
    low, high = found.ci95
    value = round(found.value, 4)
    reached = None if target is None else value >= target
    return Row(measure, value, unit, n, seeds, (round(low, 4), round(high, 4)), target, reached)


if __name__ == "__main__":
    typer.run(main)
