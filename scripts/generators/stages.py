"""What is done to the private notes before a generator sees them: stages, in the order of the config."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import spacy

from scripts.notes.canaries import is_canary
from scripts.notes.errors import UserError
from scripts.notes.jsonl import NotesFile
from scripts.notes.note import Note


class Stage(Protocol):
    """Notes in, notes out, the same ones for the same SEED; spans go along with the text that they stand on.

    They come from a file and go to one: what a stage holds of each should be little, and it may read them again.
    A canary (`is_canary`) is handed on as it is, no fewer times, and changes nothing about the others. A stage whose
    notes hold text of several patients has `mixes_patients`; one that puts surrogates in the place of personal data has
    their labels in `replaces`.
    """

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]: ...


@dataclass(frozen=True)
class Stages:
    """STAGES one after the other: each takes what the one before has made; without any the notes stay as they are."""

    stages: tuple[Stage, ...] = ()

    def __post_init__(self):
        if any(_mixes(stage) and not self._replaced_before(i) for i, stage in enumerate(self.stages)):
            raise UserError(
                "[generator.stages] mixes the notes of several patients, and nothing before it replaces personal data",
                "Put clinical.surrogates.v1 before it, or set across_patients = false",
            )

    def __call__(self, notes: Sequence[Note], seed: int) -> Iterator[Note]:
        """NOTES after all stages."""
        yield from self.after(notes, seed)

    def after(self, notes: Sequence[Note], seed: int, folder: Path | None = None) -> Sequence[Note]:
        """NOTES after all stages, in FOLDER as of `steps`."""
        for _, made in self.steps(notes, seed, folder):
            notes = made
        return notes

    def steps(
        self, notes: Sequence[Note], seed: int, folder: Path | None = None
    ) -> Iterator[tuple[str, Sequence[Note]]]:
        """The name of each stage and what it has made, which lies in FOLDER, a file for each; None: in memory.

        A UserError before notes of several patients are mixed that hold what people marked as identifying, and nothing
        before has replaced; and for a stage that loses canaries, without which no memory could be detected.
        """
        made = notes
        for number, stage in enumerate(self.stages):
            if _mixes(stage):
                _refuse_marked(notes, self._replaced_before(number))
            n_canaries = sum(map(is_canary, made))
            # The first stage draws with the seed itself, each with a stream of its own.
            stream = stage(made, seed + 1_000_003 * number)
            made = list(stream) if folder is None else NotesFile.spooled(folder / f"{number:02}.jsonl", stream)
            name = getattr(stage, "__name__", type(stage).__name__)
            if (n_lost := n_canaries - sum(map(is_canary, made))) > 0:
                raise UserError(f"{name} loses {n_lost} canaries", "A stage must hand on the notes of `is_canary`")
            yield name, made

    def apart(self, notes: Sequence[Note], seed: int) -> list[tuple[str, list[Note]]]:
        """As `steps`, but each patient's notes go through the stages by themselves, with a seed of their own.

        What becomes of them then depends on no other patient, whatever the stages are, even for one who knows SEED.
        """
        of_patient: dict[str, list[Note]] = defaultdict(list)
        for note in notes:
            of_patient[note.patient].append(note)
        made = [
            list(self.steps(own, random.Random(f"{seed} {patient}").getrandbits(32)))
            for patient, own in of_patient.items()
        ]
        return [(after[0][0], [note for _, left in after for note in left]) for after in zip(*made, strict=True)]

    @property
    def mixes_patients(self) -> bool:
        """Whether a note may in the end hold text of several patients."""
        return any(map(_mixes, self.stages))

    @property
    def replaces(self) -> set[str]:
        """The labels of personal data that no note has afterwards but on surrogates."""
        return self._replaced_before(len(self.stages))

    def _replaced_before(self, number: int) -> set[str]:
        return {label for stage in self.stages[:number] for label in getattr(stage, "replaces", ())}


def _mixes(stage: Stage) -> bool:
    return bool(getattr(stage, "mixes_patients", False))


def _refuse_marked(notes: Sequence[Note], replaced: set[str]) -> None:
    """A UserError if a labelled one of NOTES has `identifiers` that no span of a label in REPLACED covers."""
    left = {
        marked.label
        for note in notes
        for marked in note.identifiers
        if note.spans is not None
        and not any(s.label in replaced and s.start <= marked.start and marked.end <= s.end for s in note.spans)
    }
    if left:
        raise UserError(
            f"[generator.stages] would mix patients whose {', '.join(sorted(left))} no stage replaces",
            "Have clinical.surrogates.v1 replace them (labels of the task), or set across_patients = false",
        )


@spacy.registry.misc("clinical.stages.v1")
def make_stages(*stages: Stage) -> Stages:
    """The sections [generator.stages.*.NAME], in their order in the file."""
    return Stages(stages)
