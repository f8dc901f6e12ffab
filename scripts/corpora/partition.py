"""From a source of notes to the project's three private corpora: private (some of it labelled), holdout and gold."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from scripts.notes.errors import UserError
from scripts.notes.near_duplicates import Pair, near_duplicates
from scripts.notes.note import Note
from scripts.notes.split import LEAST, Sizes, fit_sizes, split_notes
from scripts.notes.task import Task

from .read import read_corpus

KEYS = {
    "vars": {"lang"},
    "notes": {"format", "path", "labels"},
    "gold": {"format", "path", "labels"},
    "split": {"private", "labelled", "holdout", "gold", "salt"},
    "canaries": {"n"},
}
OPTIONAL = {"gold", "labels", "canaries"}
PARTS = ("gold", "holdout", "private")  # in the order of drawing


@dataclass(frozen=True)
class Partition:
    """Notes of three disjoint sets of patients, and what a person should know of how they came about."""

    private: list[Note]  # spans only where the flow may see them
    holdout: list[Note]
    gold: list[Note]
    asked: Sizes
    n_unused: int
    n_without_patient: int
    losses: Counter[str]  # what the source holds and a note cannot
    duplicates: Mapping[tuple[str, str], list[Pair]]  # near-duplicates across two parts

    @property
    def parts(self) -> dict[str, list[Note]]:
        return {"private": self.private, "holdout": self.holdout, "gold": self.gold}

    @property
    def labelled(self) -> list[Note]:
        return [note for note in self.private if note.spans is not None]


def partition(config: Mapping[str, Any], task: Task, identifying: Collection[str] = ()) -> Partition:
    """Read the sources that CONFIG names, keep the spans of TASK's labels, and split by patient as CONFIG says.

    Spans of the source's IDENTIFYING labels become each note's `identifiers`, also of notes that stay unlabelled for
    the task: whoever decides what leaves should know all that is known. Gold is drawn from patients all of whose notes
    are labelled, unless it has a source of its own. With fewer notes than the sizes add up to, the sizes shrink in
    proportion.
    """
    _check(config)
    split, losses = config["split"], Counter()
    notes = _read(config["notes"], task, identifying, losses)
    if "gold" in config:
        gold, sizes = _own_gold(_read(config["gold"], task, identifying, losses), notes, split)
    else:
        gold, sizes = _drawn_gold(notes, split)
    patients = {note.patient for note in gold}
    drawn = split_notes([note for note in notes if note.patient not in patients], sizes, split["salt"])
    parts = {"private": _with_labelled(drawn["private"], split), "holdout": drawn["holdout"], "gold": gold}
    for name, part in parts.items():
        if len(part) < LEAST:
            raise UserError(f"only {len(part)} notes are left for {name}", "Give notes of more patients")
    return Partition(
        **parts,
        asked={name: split[name] for name in ("private", "labelled", "holdout", "gold")},
        n_unused=len(drawn[""]),
        n_without_patient=sum(not note.meta.get("patient") for part in parts.values() for note in part),
        losses=losses,
        duplicates={(a, b): near_duplicates(parts[a], parts[b]) for a, b in combinations(parts, 2)},
    )


def _read(source: Mapping[str, Any], task: Task, identifying: Collection[str], losses: Counter[str]) -> list[Note]:
    found = _with_identifiers(read_corpus(Path(source["path"]), source["format"], losses), identifying)
    if names := source.get("labels"):
        found = (_renamed(note, names, losses) for note in found)
    notes = list(task.restrict(found))
    if not notes:
        raise UserError(f"{source['path']} holds no notes", "Check path and format of the corpus config")
    return notes


def _with_identifiers(notes: Iterable[Note], identifying: Collection[str]) -> Iterator[Note]:
    """NOTES with the spans of IDENTIFYING labels set aside before the task's names and labels decide what stays."""
    for note in notes:
        marked = tuple(span for span in note.spans or () if span.label in identifying)
        yield replace(note, identifiers=tuple(sorted({*note.identifiers, *marked})))


def _renamed(note: Note, names: Mapping[str, str], losses: Counter[str]) -> Note:
    """NOTE with the task's label for each of the source's NAMES; spans of a label that is not named are lost."""
    if note.spans is None:
        return note
    kept = [replace(span, label=names[span.label]) for span in note.spans if span.label in names]
    if n_lost := len(note.spans) - len(kept):
        losses["spans of labels that the corpus config does not name"] += n_lost
    return note.with_spans(kept)


def _drawn_gold(notes: Sequence[Note], split: Mapping[str, Any]) -> tuple[list[Note], Sizes]:
    """Gold from among NOTES, and the sizes that are left to fill."""
    sizes = fit_sizes({name: split[name] for name in PARTS}, len(notes))
    size = sizes.pop("gold")
    if size is None:
        raise UserError("[split] gold of the corpus config is null", "Write a number, or name a source under [gold]")
    unlabelled = {note.patient for note in notes if note.spans is None}
    candidates = [note for note in notes if note.patient not in unlabelled]
    if len(candidates) < size:
        raise UserError(
            f"gold needs {size} labelled notes, but of patients with all notes labelled there are {len(candidates)}",
            "Label more notes, lower 'gold' under [split], or name a source under [gold]",
        )
    return split_notes(candidates, {"gold": size}, split["salt"])["gold"], sizes


def _own_gold(gold: list[Note], notes: Sequence[Note], split: Mapping[str, Any]) -> tuple[list[Note], Sizes]:
    """Gold from the source of its own, and the sizes that NOTES are to fill."""
    for note in gold:
        if note.spans is None:
            raise UserError(
                f"gold note {note.id} is unlabelled", "Gold needs 'spans': an empty list where there are none"
            )
    shared = {note.patient for note in gold} & {note.patient for note in notes}
    if shared:
        raise UserError(f"{len(shared)} patients are in [notes] and in [gold]", "Gold must be notes of other patients")
    sizes = fit_sizes({name: split[name] for name in PARTS if name != "gold"}, len(notes))
    return split_notes(gold, {"gold": split["gold"]}, split["salt"])["gold"], sizes


def _with_labelled(private: Sequence[Note], split: Mapping[str, Any]) -> list[Note]:
    """PRIVATE with the spans of as many notes as are to be labelled, chosen by patient, and of no others."""
    size = split["labelled"]
    if None not in (size, split["private"]) and len(private) < split["private"]:
        size = max(LEAST, round(size * len(private) / split["private"]))
    with_spans = [note for note in private if note.spans is not None]
    labelled = split_notes(with_spans, {"labelled": size}, f"{split['salt']}:labelled")["labelled"]
    kept = {note.id for note in labelled}
    return [note if note.id in kept else replace(note, spans=None) for note in private]


def _check(config: Mapping[str, Any]) -> None:
    """A UserError if CONFIG lacks a key, has one too many, or a size that is none."""
    for section, keys in KEYS.items():
        found = set(config.get(section, () if section not in OPTIONAL else keys))
        wrong = [f"lacks '{key}'" for key in sorted(keys - found - OPTIONAL)]
        wrong += [f"has an unknown '{key}'" for key in sorted(found - keys)]
        if wrong:
            raise UserError(
                f"the corpus config's [{section}] {' and '.join(wrong)}", f"Its keys: {', '.join(sorted(keys))}"
            )
    sizes = {name: size for name, size in config["split"].items() if name != "salt"}
    for name, size in sizes.items():
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < LEAST):
            raise UserError(f"[split] {name} is no number from {LEAST} on", "Write a number, or null for all the rest")
    n = config.get("canaries", {"n": 1})["n"]
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise UserError("[canaries] n is no number from 1 on", "Write a number, or leave [canaries] out")
    if sizes["private"] is None and sizes["holdout"] is None:
        raise UserError("[split] private and holdout are both null", "Only one of them can have all the rest")
