"""The gate's text checks on ever more notes: seconds and memory of each, their growth, and single leaks among many.

`make bench NAME=gate-scale`; `python -m benchmarks.gate_scale 1000 100000` for other sizes. As many private, holdout
and synthetic notes of each size: sentences of the shipped notes, shuffled; private and holdout notes begin with an
invented patient's name and number. A few synthetic notes are copies of private ones, a few hold a run of 13 tokens with
such a name. Each check runs in a process of its own, on one thread but for matrix products. How cost grows is told by
the processor's time, which other work on the machine does not add to. G4, whose models learn from the notes, is timed
apart.
"""

import multiprocessing
import random
import re
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from math import log
from pathlib import Path

import numpy as np
import typer
from faker import Faker

from benchmarks.table import Row, write_table
from scripts.corpora.read import read_corpus
from scripts.notes.note import Note
from scripts.privacy.check import Evidence
from scripts.privacy.gate import load_policy
from scripts.privacy.provenance import count_near_duplicates
from scripts.privacy.verbatim import LONG_RUN, RUN_WITH_IDENTIFIER

POLICY = Path("configs/audit.cfg")
TEXT_CHECKS = ("G0", "G1", "G2", "G3", "G7")
CHECKS = (*TEXT_CHECKS, "G4")
SEED = 0
N_SENTENCES = 12  # the shipped notes have 140 words on average, and these about as many
N_TRIES = 10  # leaks of each kind among the synthetic notes
MAX_MINUTES, MAX_GIB = 10, 2
TARGET_SIZE = 10_000
GIB_PER_KB = 1 / 2**20


@dataclass(frozen=True)
class Cost:
    """What one check took, on the clock and of the processor, and how many of each kind of planted leak it named."""

    seconds: float
    cpu_seconds: float
    peak_gib: float
    n_copies: int
    n_runs: int


def main(
    sizes: list[int] = typer.Argument(None, help="Numbers of notes; 1,000, 3,000 and 10,000 unless named"),
) -> None:
    """Measure all checks on SIZES and write metrics/bench/gate_scale.json."""
    sizes = sizes or [1_000, 3_000, 10_000]
    costs: dict[str, list[Cost]] = {id: [] for id in CHECKS}
    rows: list[Row] = []
    for size in sizes:
        for id in CHECKS:
            # A fresh process each: a process's peak memory never falls.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                costs[id].append(pool.submit(measure, id, size).result())
        rows += rows_of(size, {id: cost[-1] for id, cost in costs.items()})
        write_table("gate_scale", rows)
    if len(sizes) > 1:
        # n log n from the smallest to the largest size, as a power of n.
        allowed = 1 + log(log(sizes[-1]) / log(sizes[0])) / log(sizes[-1] / sizes[0])
        for id in [*CHECKS, "text checks"]:
            ids = TEXT_CHECKS if id == "text checks" else [id]
            seconds = np.sum([[cost.cpu_seconds for cost in costs[i]] for i in ids], axis=0)
            exponent = round(float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]), 2)
            rows.append(Row(f"{id}: growth", exponent, "power of n", len(sizes), SEED))
        target = f"at most {allowed:.2f} (n log n)"
        rows[-1] = replace(rows[-1], target=target, reached=exponent <= allowed)
        write_table("gate_scale", rows)


def rows_of(size: int, costs: dict[str, Cost]) -> list[Row]:
    """The figures of one SIZE: seconds and peak of each check and of all text checks, and the leaks that were found."""
    what = f"{size:,} notes a side"
    rows = []
    for id, cost in costs.items():
        rows.append(Row(f"{id}: time, {what}", round(cost.seconds, 1), "s", size, SEED))
        rows.append(Row(f"{id}: processor's time, {what}", round(cost.cpu_seconds, 1), "s", size, SEED))
        rows.append(Row(f"{id}: peak memory, {what}", round(cost.peak_gib, 2), "GiB", size, SEED))
    is_target = size == TARGET_SIZE
    text_costs = [costs[id] for id in TEXT_CHECKS]
    minutes, peak = sum(cost.seconds for cost in text_costs) / 60, max(cost.peak_gib for cost in text_costs)
    for measured, value, unit, most in (("time", minutes, "min", MAX_MINUTES), ("peak memory", peak, "GiB", MAX_GIB)):
        target, reached = (f"at most {most}", value <= most) if is_target else (None, None)
        rows.append(Row(f"text checks: {measured}, {what}", round(value, 2), unit, size, SEED, None, target, reached))
    g2 = costs["G2"]
    for leak, found in (("notes copied verbatim", g2.n_copies), ("13-token runs with an identifier", g2.n_runs)):
        rows.append(
            Row(f"{leak} among {size:,}, found", found, "leaks", N_TRIES, SEED, None, N_TRIES, found == N_TRIES)
        )
    return rows


def measure(id: str, size: int) -> Cost:
    """The cost of check ID on SIZE notes a side, in the process that calls it; G0 without its files."""
    policy = load_policy(POLICY)
    check = next(check for check in policy.checks if check.id == id)
    evidence = make_evidence(size)
    start, cpu_start = time.perf_counter(), time.process_time()
    if id == "G0":
        count_near_duplicates(evidence.holdout, evidence.private)
        reasons = {}
    else:
        reasons = dict(check(evidence).offenders)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * GIB_PER_KB
    found = [
        sum(reasons.get(f"{leak}-{i}") == reason for i in range(N_TRIES))
        for leak, reason in (("copy", LONG_RUN), ("run", RUN_WITH_IDENTIFIER))
    ]
    return Cost(seconds, cpu_seconds, peak, *found)


def make_evidence(size: int) -> Evidence:
    """SIZE notes a side, N_TRIES copies of private notes and as many runs of 13 tokens among the synthetic ones."""
    draw = random.Random(SEED)
    fake = Faker("en_GB")
    fake.seed_instance(SEED)
    shipped = read_corpus(Path("assets/notes/en"), "markup")
    sentences = [s for note in shipped for s in re.split(r"(?<=[.!?])\s+|\n+", note.text) if s.strip()]

    def text() -> str:
        return " ".join(draw.sample(sentences, N_SENTENCES))

    def patient(side: str, i: int) -> Note:
        name, record = fake.name(), str(draw.randrange(10**7, 10**8))
        meta = {"patient": f"{side}-{i}", "name": name, "record": record}
        return Note(f"{side}-{i}", f"{name}, record {record}. {text()}", None, meta)

    private = tuple(patient("private", i) for i in range(size))
    holdout = tuple(patient("holdout", i) for i in range(size))
    synthetic = [Note(f"s{i}", text()) for i in range(size - 2 * N_TRIES)]
    for i, victim in enumerate(draw.sample(private, 2 * N_TRIES)):
        if i < N_TRIES:
            synthetic.append(Note(f"copy-{i}", victim.text))
        else:
            synthetic.append(Note(f"run-{i - N_TRIES}", f"{text()} {thirteen_tokens(victim)} {text()}"))
    draw.shuffle(synthetic)
    return Evidence(private, holdout, (), tuple(synthetic), {}, SEED)


def thirteen_tokens(victim: Note) -> str:
    """The first 13 tokens of VICTIM's note: name, record number and what follows."""
    ends = [match.end() for match in re.finditer(r"[^\W\d_]+|\d+", victim.text)]
    return victim.text[: ends[12]]


if __name__ == "__main__":
    typer.run(main)
