"""What more synthetic notes give a student, and more private ones under them: two of paper B's ablations, on MEDDOCAN.

`make bench NAME=volume`, once `spacy project assets --extra` has fetched the corpus. The generator is adapted on a
quarter or on all of the labelled notes of `make bench NAME=generators`, whose files it goes on with; the teacher is
always the one that was taught on all of them. The student learns from what the gate releases of the first 25 %, 100 %
and 400 % as many notes as all labelled ones are. One seed; dev is scored.
"""

from dataclasses import replace
from itertools import islice

from benchmarks.generators import (
    CELLS,
    CORPUS,
    FOLDER,
    draw,
    f1_of,
    learn,
    row_of,
    score,
    teach_ner,
    write_parts,
    write_released,
)
from benchmarks.table import write_table
from scripts.corpora.read import read_corpus
from scripts.notes.jsonl import read_notes, write_notes

SEED = 0
VOLUMES = (0.25, 1.0, 4.0)
ADAPTED = ("25 %", "100 %")


def main() -> None:
    """Train and score a student for each share of private notes and each volume; write metrics/bench/volume.json."""
    train, dev = (sorted(read_corpus(CORPUS / part / "brat", "brat"), key=lambda n: n.id) for part in ("train", "dev"))
    folders = {name: FOLDER / f"dev-{CELLS[name].share:.0%}" / str(SEED) for name in ADAPTED}
    parts = {name: draw(train, CELLS[name].share, SEED, dev) for name in ADAPTED}
    for name, folder in folders.items():
        write_parts(parts[name], folder)
    teach_ner(folders["100 %"], SEED)
    taught = folders["100 %"] / "annotator" / "teacher"
    everything = parts["100 %"]
    n_private = len(everything.learned) + len(everything.chosen)
    rows = []
    for name, folder in folders.items():
        cell = replace(CELLS[name], n_notes=round(max(VOLUMES) * n_private))
        made = folder / f"{cell.generator}-{cell.n_notes}"
        write_released(cell, cell.generator, folder, made, SEED)
        for volume in VOLUMES:
            part = made / f"{volume:.0%}"
            written = {note.id for note in islice(read_notes(made / "synthetic.jsonl"), round(volume * n_private))}
            released = [note for note in read_notes(made / "released.jsonl") if note.id in written]
            write_notes(part / "released.jsonl", released)
            learn(part, taught, SEED)
            counts = score(part / "ner" / "model-best", everything)
            for measure in ("token", "strict"):
                what = f"adapted on {name}, {volume:.0%} as many notes: {measure} F1, student"
                rows.append(row_of(what, f1_of([counts], measure), "F1", len(dev), str(SEED)))
            write_table("volume", rows)


if __name__ == "__main__":
    main()
