"""What a generator keeps of the notes: without near-duplicates, with a cap on notes per patient, with an early stop.

`make bench NAME=adaptation-hygiene`; `python -m benchmarks.adaptation_hygiene --n-private 40 --n-notes 20 --seed 0` for
a short one. A model from scratch is adapted on shipped notes. Of a third of the patients, and of each canary, the note
stands there several times with another day above it, as notes are copied forward in records: here canaries are notes
like any other, so that each measure acts on them too. Losses and exposures are taken on the model itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import typer

from benchmarks.table import Row, write_table
from scripts.corpora.partition import partition
from scripts.generators.canaries import MAX_SHARE, make_canaries
from scripts.generators.causal_lm import CausalLM
from scripts.generators.drop_near_duplicates import DropNearDuplicates
from scripts.generators.load import load_generator
from scripts.generators.notes_per_patient import NotesPerPatient
from scripts.generators.stages import Stages, make_stages
from scripts.llm.local import LocalModel
from scripts.notes.canaries import END, PLANTED, ROLE, planted
from scripts.notes.note import Note
from scripts.notes.step import load_config
from scripts.notes.task import read_task
from scripts.privacy.exposure import exposure, loss_of
from scripts.privacy.normalize import tokenize
from scripts.privacy.overlap import count_grams, number_tokens, run_lengths
from scripts.privacy.verbatim import private_runs

CORPUS, TASK = Path("configs/corpus/shipped.cfg"), Path("configs/task/drugs_procedures.yml")
GENERATOR = Path("configs/generator/scratch.cfg")
COPIED = 3  # every third patient's notes are copied forward
DAYS = 4  # how often
ROUNDS = 4  # of canaries, each as many as `prepare` would allow
N_RESAMPLES = 2000


@dataclass(frozen=True)
class Measure:
    """What is done to the notes, and whether adaptation stops when the loss on the holdout notes rises."""

    stages: Stages = field(default_factory=Stages)
    stops_early: bool = False


DISTINCT, CAP = DropNearDuplicates(), NotesPerPatient(2)
MEASURES = {
    "as they are": Measure(),
    "near-duplicates removed": Measure(make_stages(DISTINCT)),
    f"{CAP.most} notes a patient": Measure(make_stages(CAP)),
    "early stop": Measure(stops_early=True),
    "all three": Measure(make_stages(DISTINCT, CAP), stops_early=True),
}


@dataclass(frozen=True)
class Corpus:
    """Notes to adapt on, canaries among them as plain notes; CANARIES are planted ones and twins, as invented."""

    notes: list[Note]
    private: list[Note]
    holdout: list[Note]
    canaries: list[Note]


@dataclass(frozen=True, eq=False)
class Kept:
    """What one adapted model has kept; arrays over synthetic notes or planted canaries."""

    n_shown: int
    n_epochs: float
    holdout_loss: float
    longest: np.ndarray
    grams: np.ndarray  # (found, all) 8-grams of each note
    exposures: np.ndarray
    n_emitted: int


def main(
    config: Path = GENERATOR,
    n_private: int = 100,
    n_notes: int = 100,
    n_epochs: int = 20,
    seed: list[int] = typer.Option([0, 1], help="Of training and sampling; may be given several times"),
) -> None:
    """Adapt a generator under each measure and seed, and write metrics/bench/adaptation_hygiene.json."""
    corpus = make_corpus(n_private)
    generator = load_generator(config)
    generator = replace(generator, schedule=replace(generator.schedule, n_epochs=n_epochs))
    rows = []
    for name, measure in MEASURES.items():
        rows += rows_of(name, [adapt_and_write(generator, measure, corpus, n_notes, s) for s in seed], seed, corpus)
        write_table("adaptation_hygiene", rows)


def make_corpus(n_private: int) -> Corpus:
    """N_PRIVATE shipped notes, some copied forward, and canaries as often as these."""
    settings = load_config(CORPUS)
    parts = partition(settings, read_task(TASK))
    private = [note.with_spans(None) for note in parts.private[:n_private]]
    n, lang = int(MAX_SHARE * len(private)), settings["vars"]["lang"]
    canaries = [
        replace(canary, id=f"{canary.id}-{i}", meta=dict(canary.meta) | {"patient": f"{canary.id}-{i}"})
        for i in range(ROUNDS)
        for canary in make_canaries(private, n, lang, f"{i}")
    ]
    patients = sorted({note.patient for note in private})[::COPIED]
    notes = [copy for note in private for copy in (copied_forward(note) if note.patient in patients else [note])]
    notes += [copy for canary in planted(canaries) for copy in copied_forward(plain(canary))]
    return Corpus(notes, private, parts.holdout, canaries)


def copied_forward(note: Note) -> list[Note]:
    """NOTE on several days."""
    return [replace(note, id=f"{note.id}-{day}", text=f"Day {day}.\n{note.text}") for day in range(1, DAYS + 1)]


def plain(canary: Note) -> Note:
    """CANARY as a note that no stage takes for one."""
    return replace(canary, meta={key: value for key, value in canary.meta.items() if key not in (ROLE, END)})


def adapt_and_write(generator: CausalLM, measure: Measure, corpus: Corpus, n_notes: int, seed: int) -> Kept:
    """Adapt GENERATOR (from scratch) under MEASURE, have it write N_NOTES, and see what these and the model tell."""
    schedule = generator.schedule
    if not measure.stops_early:
        # On the notes it is trained on, the loss falls to the end: no stop, and the last epoch is kept.
        schedule = replace(schedule, patience=schedule.n_epochs)
    generator = replace(generator, stages=measure.stages, schedule=schedule)
    shown = list(measure.stages(corpus.notes, seed))
    with TemporaryDirectory() as folder:
        out = Path(folder)
        report = generator.adapt(corpus.notes, corpus.holdout if measure.stops_early else shown, out, seed, -1)
        loss = loss_of(LocalModel(str(out / "model")), generator.max_tokens)
        written = generator.write(
            out, corpus.private, n_notes, seed, -1, out / "batches", lambda n: None, planted(corpus.canaries)
        )
        losses = {canary.id: loss(canary.text, canary.meta[END]) for canary in corpus.canaries}
        holdout_loss = float(np.mean([loss(note.text, 0) for note in corpus.holdout]))
    twins = np.array([losses[c.id] for c in corpus.canaries if c.meta[ROLE] != PLANTED])
    texts = [[tokenize(note.text) for note in side] for side in (written.notes, corpus.private, corpus.holdout)]
    synthetic, private, holdout = number_tokens(*texts)
    runs = private_runs(synthetic, private, holdout)
    return Kept(
        len(shown),
        max(row["epoch"] for row in report["epochs"]),
        holdout_loss,
        np.array([runs[synthetic.of_note(i)].max(initial=0) for i in range(synthetic.n_notes)]),
        count_grams(synthetic, run_lengths(synthetic, private), 8),
        np.array([exposure(losses[canary.id], twins) for canary in planted(corpus.canaries)]),
        len(written.emitted),
    )


def rows_of(name: str, runs: Sequence[Kept], seeds: Sequence[int], corpus: Corpus) -> list[Row]:
    """The figures of the measure NAME over its RUNS, one a seed."""
    shown = ",".join(map(str, seeds))
    n_canaries = len(planted(corpus.canaries))
    longest, grams = (np.concatenate([getattr(run, key) for run in runs]) for key in ("longest", "grams"))
    # A canary has one exposure a seed; canaries are what is drawn from.
    exposures = np.mean([run.exposures for run in runs], axis=0)
    at_most = float(np.log2(len(corpus.canaries) - n_canaries + 1))
    ones = np.ones(len(exposures))
    found = [
        ("notes adapted on", runs[0].n_shown, "notes", len(corpus.notes)),
        ("epochs", float(np.mean([run.n_epochs for run in runs])), "epochs", len(runs)),
        ("loss on holdout notes", float(np.mean([r.holdout_loss for r in runs])), "nats a token", len(corpus.holdout)),
        ("longest verbatim run, median", float(np.median(longest)), "tokens", len(longest)),
        ("longest verbatim run", int(longest.max()), "tokens", len(longest)),
        ("8-grams that stand in private notes", ratio(grams), "share", len(grams), interval(grams)),
        (
            f"canary exposure, {at_most:.1f} at most",
            float(exposures.mean()),
            "bits",
            len(exposures),
            interval(np.stack([exposures, ones], axis=1)),
        ),
        ("canaries emitted", sum(run.n_emitted for run in runs), "canaries", len(runs) * n_canaries),
    ]
    return [Row(f"{measure}: {name}", value, unit, n, shown, *ci95) for measure, value, unit, n, *ci95 in found]


def ratio(pairs: np.ndarray) -> float:
    """The sum of the first column of PAIRS over that of the second."""
    found, n = pairs.sum(axis=0)
    return float(found / n) if n else 0.0


def interval(pairs: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of `ratio` over resamples of the rows."""
    random = np.random.default_rng(0)
    draws = [ratio(pairs[random.integers(len(pairs), size=len(pairs))]) for _ in range(N_RESAMPLES)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    typer.run(main)
