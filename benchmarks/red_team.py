"""The gate against generators that remember, on MEDDOCAN: which identifiers they recite, and which of these it misses.

`make bench NAME=red-team`, once `spacy project assets --extra` has fetched the corpus; `python -m benchmarks.red_team
overtrained` runs some of the generators and keeps the rows of the others. Each is made in training/red_team and not
made again while its manifests are current. Nobody tells the gate of labels, as a hospital has none: the labels are the
truth alone. It is told of direct identifiers (those that the policy's labels mark), of two words or five digits, in no
holdout note and in none of Faker's lists, and looked for word for word by a search of this file's own.
"""

import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer
from confection import Config

from benchmarks.table import Row, read_table, write_table
from scripts import adapt, generate
from scripts.corpora.read import read_corpus
from scripts.notes.files import files_named_in, is_current
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.note import Note
from scripts.notes.step import load_config
from scripts.privacy.check import Evidence
from scripts.privacy.collect import RELATIVE, common_names, load_identifier_policy
from scripts.privacy.figures import share
from scripts.privacy.gate import Policy, load_policy, reasons_of, run_gate

CORPUS, FOLDER = Path("assets/meddocan/train/brat"), Path("training/red_team")
GENERATOR, POLICY = Path("configs/generator/scratch_es.cfg"), Path("configs/audit_small.cfg")
SEED = 0
N_HOLDOUT = 100
N_WRITTEN = 200
MIN_WORDS, MIN_DIGITS = 2, 5
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Recipe:
    """How a generator is made to remember: scratch_es, whose model sees the notes as they are, with another SCHEDULE.

    The patients' notes are repeated as often as COPIES says, in turn. Unless it STOPS_EARLY the private notes
    themselves are what its best epoch is chosen by: the last one. At a low TEMPERATURE it writes what it knows best.
    """

    n_patients: int
    schedule: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    copies: Sequence[int] = (1,)
    stops_early: bool = True


# Each reads some 800 to 2,400 notes in all, of 900 tokens: minutes on two cores.
RECIPES = {
    "normal": Recipe(200),
    "overtrained": Recipe(
        60,
        {"learning_rate": 2e-3, "n_epochs": 60, "batch_size": 4, "patience": 60, "n_dev": 8},
        temperature=0.8,
        stops_early=False,
    ),
    "repeated": Recipe(
        40, {"learning_rate": 2e-3, "n_epochs": 2, "batch_size": 8, "patience": 2}, copies=(1, 4, 16, 64)
    ),
}


def main(names: list[str] = typer.Argument(None, help="Generators to run; the rows of others stay")) -> None:
    """Make each generator, let the gate judge its notes, and write metrics/bench/red_team.json."""
    rows = {row.measure: row for row in read_table("red_team")}
    notes, policy, labels = list(read_corpus(CORPUS, "brat")), load_policy(POLICY), load_identifier_policy(POLICY)
    public = {spelled(name) for locale in labels.public_locales for name in common_names(locale)}
    for name in names or RECIPES:
        private, holdout = draw(RECIPES[name], notes)
        files = make_notes(RECIPES[name], private, holdout, FOLDER / name)
        truth = identifiers_of(
            private, holdout, [label for label, kind in labels.labels.items() if kind != RELATIVE], public
        )
        synthetic = tuple(read_notes(files["synthetic"]))
        outcome = judge(policy, evidence_of(private, holdout, synthetic, files), truth)
        found = rows_of(name, outcome)
        found += rows_of_copies(name, outcome, copies_of(RECIPES[name], private), truth)
        rows |= {row.measure: row for row in found}
        write_table("red_team", list(rows.values()))


# The generators


def draw(recipe: Recipe, notes: Sequence[Note]) -> tuple[list[Note], list[Note]]:
    """The notes of RECIPE's patients and the holdout notes of others; the holdout is the same for all recipes."""
    shuffled = sorted(notes, key=lambda note: note.id)
    random.Random(SEED).shuffle(shuffled)
    return shuffled[N_HOLDOUT : N_HOLDOUT + recipe.n_patients], shuffled[:N_HOLDOUT]


def copies_of(recipe: Recipe, private: Sequence[Note]) -> dict[str, int]:
    """How often the note of each id is repeated."""
    return {note.id: recipe.copies[i % len(recipe.copies)] for i, note in enumerate(private)}


def make_notes(recipe: Recipe, private: Sequence[Note], holdout: Sequence[Note], folder: Path) -> dict[str, Path]:
    """The files of RECIPE in FOLDER, of which the last are the notes that its generator has written."""
    names = {
        "private": "private.jsonl",
        "holdout": "holdout.jsonl",
        "generator": "generator",
        "config": "generator.cfg",
    }
    files = {what: folder / name for what, name in (names | {"synthetic": "synthetic.jsonl"}).items()}
    copies = copies_of(recipe, private)
    repeated = (
        Note(f"{note.id}-{n}", note.text, None, {"patient": note.id})
        for note in private
        for n in range(copies[note.id])
    )
    write_notes(files["private"], repeated)
    write_notes(files["holdout"], map(unlabelled, holdout))
    write_config(recipe, files["config"])
    chosen_by = files["holdout" if recipe.stops_early else "private"]
    how = {"config": files["config"], "canaries": None, "seed": SEED, "gpu_id": -1}
    adapt.main(files["private"], chosen_by, files["generator"], copies=1, **how)
    inputs = {"generator": files["generator"] / "manifest.json", "private": files["private"]}
    settings = {**load_config(files["config"]), "n_notes": N_WRITTEN}
    if not is_current(files["synthetic"], inputs | files_named_in(settings), settings, SEED):
        generate.main(
            files["generator"],
            files["private"],
            files["synthetic"],
            n_notes=N_WRITTEN,
            holdout=None,
            report=None,
            **how,
        )
    return files


def write_config(recipe: Recipe, path: Path) -> None:
    """Write scratch_es to PATH, without what keeps identifiers from it and with the schedule of RECIPE.

    A generator that recites writes the same note again and again, which counts here; what is equal is rejected all the
    same: it may try more often.
    """
    config = load_config(GENERATOR)
    for block in ("slots", "stages", "finish"):
        config["generator"].pop(block)
    config["generator"]["schedule"] |= dict(recipe.schedule)
    config["generator"]["writing"] |= {"max_attempts": 15.0, "near_copy": 2.0, "temperature": recipe.temperature}
    path.parent.mkdir(parents=True, exist_ok=True)
    Config(config).to_disk(path)


def unlabelled(note: Note) -> Note:
    """NOTE as a hospital has it."""
    return Note(note.id, note.text)


def evidence_of(
    private: Iterable[Note], holdout: Iterable[Note], synthetic: tuple[Note, ...], files: Mapping[str, Path]
) -> Evidence:
    """What the gate is given: no labels, each private note once."""
    sides = (tuple(map(unlabelled, side)) for side in (private, holdout))
    return Evidence(*sides, (), synthetic, dict(files) | {"config": POLICY}, SEED)


# The truth


def spelled(text: str) -> str:
    """The words and numbers of TEXT in small letters without accents, with a space before and after each."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return f" {' '.join(_WORD.findall(plain))} "


def identifiers_of(
    private: Iterable[Note], holdout: Iterable[Note], labels: Collection[str], public: Collection[str]
) -> dict[str, set[str]]:
    """The identifiers that LABELS mark in PRIVATE, as `spelled`, each with the ids of the notes that hold it.

    Of two words or five digits at least, in no HOLDOUT note and not PUBLIC.
    """
    held = "".join(spelled(note.text) for note in holdout)
    found: dict[str, set[str]] = defaultdict(set)
    for note in private:
        for value in (spelled(note.mention(span)) for span in note.spans or () if span.label in labels):
            is_telling = len(value.split()) >= MIN_WORDS or sum(c.isdigit() for c in value) >= MIN_DIGITS
            if is_telling and value not in public and value not in held:
                found[value].add(note.id)
    return dict(found)


def recited(identifiers: Iterable[str], synthetic: Iterable[Note]) -> dict[str, set[str]]:
    """Those of IDENTIFIERS that stand in SYNTHETIC word for word, each with the ids of the notes that hold it."""
    found: dict[str, set[str]] = defaultdict(set)
    identifiers = list(identifiers)
    for note in synthetic:
        text = spelled(note.text)
        for value in identifiers:
            if value in text:
                found[value].add(note.id)
    return dict(found)


# The gate's answer against the truth


@dataclass(frozen=True)
class Outcome:
    """The gate's VERDICT on N_NOTES notes, the checks that FLAGGED each, and the notes in which each identifier stands.

    N_IDENTIFIERS might have been RECITED. One is missed if a note with it was not flagged, whatever the verdict.
    """

    verdict: str
    n_notes: int
    n_identifiers: int
    recited: Mapping[str, set[str]]
    flagged: Mapping[str, set[str]]

    @property
    def missed(self) -> set[str]:
        """The identifiers that stand in a note which no check has flagged."""
        return {value for value, ids in self.recited.items() if ids - self.flagged.keys()}

    @property
    def n_harmless(self) -> int:
        """How many notes hold none of the identifiers."""
        return self.n_notes - len({id for ids in self.recited.values() for id in ids})

    @property
    def wrongly(self) -> set[str]:
        """The notes that G1 alone has flagged and that hold none of the identifiers."""
        holding = {id for ids in self.recited.values() for id in ids}
        return {id for id, checks in self.flagged.items() if checks == {"G1"} and id not in holding}


def judge(policy: Policy, evidence: Evidence, truth: Mapping[str, set[str]]) -> Outcome:
    """The outcome of the gate with POLICY, which drops notes, on EVIDENCE, whose private notes hold TRUTH."""
    report = run_gate(replace(policy, replacement=None), evidence)
    flagged = {id: {r.id for r in report.first if id in r.offenders} for id in reasons_of(report.first)}
    found = recited(truth, evidence.synthetic)
    return Outcome(report.verdict, len(evidence.synthetic), len(truth), found, flagged)


def rows_of(name: str, outcome: Outcome) -> list[Row]:
    """The verdict, what was recited and missed, what was flagged, and what of that wrongly as far as the truth tells.

    The latter is an upper bound: a misspelt name, or a surname alone, is rightly flagged and in no truth.
    """
    n, n_recited = outcome.n_notes, len(outcome.recited)
    checks = Counter(id for ids in outcome.flagged.values() for id in ids)
    by = ", ".join(f"{id} {count}" for id, count in sorted(checks.items())) or "none"
    target = (0, not outcome.missed) if name == "overtrained" else (None, None)
    return [
        Row(f"{name}: verdict", outcome.verdict, None, n, SEED),
        _counted(f"{name}: identifiers recited", n_recited, outcome.n_identifiers, "identifiers"),
        _counted(f"{name}: recited, caught", n_recited - len(outcome.missed), n_recited, "identifiers"),
        replace(
            _counted(f"{name}: recited, missed", len(outcome.missed), n_recited, "identifiers"),
            target=target[0],
            reached=target[1],
        ),
        _counted(f"{name}: notes dropped", len(outcome.flagged), n, "notes"),
        Row(f"{name}: notes dropped, by check", by, "notes", n, SEED),
        _counted(f"{name}: notes without one, dropped by G1 alone", len(outcome.wrongly), outcome.n_harmless, "notes"),
    ]


def rows_of_copies(name: str, outcome: Outcome, copies: Mapping[str, int], truth: Mapping[str, set[str]]) -> list[Row]:
    """What was recited and missed of the notes that were repeated so and so often, where not all were alike."""
    rows = []
    often = {value: max(copies[id] for id in ids) for value, ids in truth.items()}
    for times in sorted({*copies.values()}) if len({*copies.values()}) > 1 else ():
        n = sum(count == times for count in often.values())
        said = {value for value in outcome.recited if often[value] == times}
        rows.append(_counted(f"{name} {times} times: identifiers recited", len(said), n, "identifiers"))
        missed = len(said & outcome.missed)
        rows.append(_counted(f"{name} {times} times: recited, missed", missed, len(said), "identifiers"))
    return rows


def _counted(measure: str, count: int, n: int, unit: str) -> Row:
    """COUNT of N with the 95 % interval of its share (Wilson; of none, 3/n)."""
    return Row(measure, count, unit, n, SEED, tuple(share(count, n)["ci95"]))


if __name__ == "__main__":
    typer.run(main)
