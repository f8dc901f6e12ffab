"""Memory does not grow with the private notes: peak of `adapt` and `generate` for 1, 10 and 100 MB of them.

`make bench NAME=generator-memory`; `python -m benchmarks.generator_memory 1 3` for other sizes. Private notes are
sentences of the shipped ones under two headings, with their drugs and procedures, three notes a patient; holdout and
public texts grow with them, and are a tenth of their size. The generator is of a fixed size (by itself one from scratch
grows with the text, as it should) and takes few steps; it has public texts and the stages that see the whole corpus.
"""

import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import typer

from benchmarks.peak import WITHIN, peak_of
from benchmarks.table import Row, write_table
from scripts.corpora.read import read_corpus
from scripts.notes.files import write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span
from scripts.notes.rewrite import part_of

SEED = 0
MEGABYTE = 10**6
HEADINGS = ("History", "Plan")
N_SENTENCES = 6  # a section; the shipped notes have 140 words on average, and these about as many
NOTES_PER_PATIENT = 3
N_BYTES = 1300  # of a note with its spans and meta, as JSON
N_STEPS, BATCH = 20, 8
N_WRITTEN = 20
CONFIG = """
[generator]
@misc = "clinical.ScratchLM.v1"
control = ["genre", "sex"]
vocab_size = 2000
n_layers = 2
width = 128
n_heads = 2
max_tokens = 512

[generator.stages]
@misc = "clinical.stages.v1"
[generator.stages.*.near_duplicates]
@misc = "clinical.drop_near_duplicates.v1"
[generator.stages.*.notes_per_patient]
@misc = "clinical.notes_per_patient.v1"
most = 2
[generator.stages.*.mentions]
@misc = "clinical.mentions.v1"
labels = ["DRUG", "PROCEDURE"]
lists = "assets/lists/en.yml"
[generator.stages.*.sections]
@misc = "clinical.sections.v1"
same = ["genre"]

[generator.schedule]
n_epochs = {epochs}
batch_size = {batch}

[generator.pretraining]
texts = "{public}"
[generator.pretraining.schedule]
n_epochs = {public_epochs}
batch_size = {batch}

# What so small a model writes after so few steps is no language: every text is taken.
[generator.writing]
temperature = 1.0
max_new_tokens = 60
batch_size = 20
max_attempts = 50
cut = true
min_words = 1
max_excess_bits = 99
near_copy = 2
"""


def main(sizes: list[float] = typer.Argument(None, help="Private notes in MB; 1, 10 and 100 unless named")) -> None:
    """Adapt and generate with corpora of SIZES and write metrics/bench/generator_memory.json."""
    rows: list[Row] = []
    least: dict[str, float] = {}
    for size in sizes or [1, 10, 100]:
        with tempfile.TemporaryDirectory() as folder:
            n_notes, peaks = measure(Path(folder), size)
        for step, peak in peaks.items():
            first = least.setdefault(step, peak)
            target = f"within {WITHIN:.0%} of {first:.2f}" if len(rows) > 1 else None
            reached = abs(peak - first) <= WITHIN * first if target else None
            what = f"{step}: peak memory, {size:g} MB of private notes"
            rows.append(Row(what, round(peak, 2), "GiB", n_notes, SEED, None, target, reached))
        write_table("generator_memory", rows)


def measure(folder: Path, size: float) -> tuple[int, dict[str, float]]:
    """How many private notes SIZE megabytes are, and the peaks of both steps in GiB."""
    n_notes = max(1, int(size * MEGABYTE / N_BYTES))
    parts = {"private": n_notes, "holdout": n_notes // 10 + 1, "public": n_notes // 10 + 1}
    paths = {part: folder / f"{part}.jsonl" for part in parts}
    for part, n in parts.items():
        write_notes(paths[part], notes(part, n))
        write_manifest(paths[part], inputs={}, config={}, sensitivity="private", counts={})
    config, generator = folder / "generator.cfg", folder / "generator"
    epochs = {part: N_STEPS * BATCH / n for part, n in parts.items()}
    values = {"epochs": epochs["private"], "public_epochs": epochs["public"], "public": paths["public"], "batch": BATCH}
    config.write_text(CONFIG.format(**values), "utf8")
    given = (paths["private"], paths["holdout"], generator, "--config", config)
    peaks = {"adapt": peak_of("adapt", *given)}
    given = (generator, paths["private"], folder / "synthetic.jsonl", "--config", config, "--n-notes", N_WRITTEN)
    report = ("--holdout", paths["holdout"], "--report", folder / "report.json")
    return n_notes, peaks | {"generate": peak_of("generate", *given, *report)}


def notes(part: str, n: int) -> Iterator[Note]:
    """N invented notes of PART, the same each time."""
    draw = random.Random(f"{SEED} {part}")
    shipped = list(read_corpus(Path("assets/notes/en"), "markup"))
    sentences = [sentence for note in shipped for sentence in sentences_of(note)]
    for i in range(n):
        meta = {**draw.choice(shipped).meta, "patient": f"{part}-{i // NOTES_PER_PATIENT}"}
        text, spans = "", []
        for heading in HEADINGS:
            text += f"{heading}:"
            for sentence in draw.sample(sentences, N_SENTENCES):
                text += " "
                spans += [Span(s.start + len(text), s.end + len(text), s.label) for s in sentence.spans or ()]
                text += sentence.text
            text += "\n\n"
        yield Note(f"{part}-{i}", text.rstrip(), tuple(spans), meta)


def sentences_of(note: Note) -> list[Note]:
    """The sentences and lines of NOTE, with the spans inside them."""
    ends = [(match.start(), match.end()) for match in re.finditer(r"(?<=[.!?])\s+|\n+", note.text)]
    starts = [0, *(end for _, end in ends)]
    parts = [part_of(note, a, b) for a, b in zip(starts, [*(a for a, _ in ends), len(note.text)], strict=True)]
    return [part for part in parts if part.text.strip()]


if __name__ == "__main__":
    typer.run(main)
