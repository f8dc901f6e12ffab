"""G0: whether the files are what they are said to be, and the groups of patients apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import spacy

from scripts.notes.files import manifest_path, read_manifest, sha256_of
from scripts.notes.note import Note

from .check import Evidence, Result
from .figures import share
from .normalize import tokenize
from .overlap import count_grams, number_tokens, run_lengths

MEANING = (
    "Every other check trusts this one: that the holdout patients are others than the private ones, and that the notes "
    "audited are the ones that the generator adapted on these private notes wrote. It cannot see one person under two "
    "patient keys, nor a generator that was trained on more than its manifest says."
)
NEAR_DUPLICATE = 0.5  # of a holdout note's 8-grams stand in private notes
HASHED = ("private", "holdout", "gold", "synthetic", "config", "canaries")


@spacy.registry.misc("clinical.g0_provenance.v1")
@dataclass(frozen=True)
class Provenance:
    """ "What was audited is not what is released, or what it was compared with is not what was trained on."

    At most the share `max_near_duplicates` of the holdout notes may repeat private notes: these would excuse leaks.
    """

    max_near_duplicates: float
    id: ClassVar[str] = "G0"
    name: ClassVar[str] = "provenance"

    def __call__(self, evidence: Evidence) -> Result:
        """FAIL if patients overlap, a hash does not match its manifest, or too much of H repeats T."""
        private = {note.patient for note in evidence.private}
        shared = {
            "patients_in_private_and_holdout": len(private & {note.patient for note in evidence.holdout}),
            "patients_in_private_and_gold": len(private & {note.patient for note in evidence.gold}),
        }
        faults = [name for name, count in shared.items() if count] + chain_faults(evidence)
        repeats = count_near_duplicates(evidence.holdout, evidence.private)
        if repeats > self.max_near_duplicates * len(evidence.holdout):
            faults.append("too many holdout notes repeat private notes")
        figures: dict[str, Any] = {
            "n_notes": {side: len(getattr(evidence, side)) for side in ("private", "holdout", "gold", "synthetic")},
            "notes_without_patient": sum(not n.meta.get("patient") for n in (*evidence.private, *evidence.holdout)),
            **shared,
            "holdout_notes_repeating_private": share(repeats, len(evidence.holdout)),
            "faults": faults,
        }
        return Result(self.id, self.name, "FAIL" if faults else "PASS", figures, MEANING)


def hashes(evidence: Evidence) -> dict[str, str | None]:
    """The sha256 of every file that the verdict rests on (of the generator, its manifest); None for a missing one."""
    paths = {name: evidence.files[name] for name in HASHED if name in evidence.files} | {
        "generator": manifest_path(evidence.files["generator"])
    }
    return {name: sha256_of(path) if path.is_file() else None for name, path in paths.items()}


def chain_faults(evidence: Evidence) -> list[str]:
    """What breaks the chain private → generator → synthetic, as the manifests tell it; UserError if one is missing."""
    now = hashes(evidence)
    synthetic = read_manifest(evidence.files["synthetic"])
    generator = read_manifest(evidence.files["generator"])
    faults = []
    if synthetic["sha256"] != now["synthetic"]:
        faults.append("the synthetic notes changed after their manifest was written")
    if synthetic["inputs"].get("generator") != now["generator"]:
        faults.append("the synthetic notes were written by another generator")
    if generator["inputs"].get("private") != now["private"]:
        faults.append("the generator was adapted on other private notes")
    if generator["inputs"].get("canaries") != now.get("canaries"):
        faults.append("the generator was adapted with other canaries")
    if synthetic["inputs"].get("canaries") != now.get("canaries"):
        faults.append("other canaries were looked for in the synthetic notes")
    for name in ("private", "holdout"):
        if synthetic["inputs"].get(name, now[name]) != now[name]:
            faults.append(f"the synthetic notes were written with other {name} notes")
    return faults


def count_near_duplicates(notes: Sequence[Note], others: Sequence[Note]) -> int:
    """How many of NOTES have at least half of their 8-grams in OTHERS."""
    query, reference = number_tokens(*((tokenize(n.text) for n in group) for group in (notes, others)))
    found, n = count_grams(query, run_lengths(query, reference), 8).T
    return int(np.sum((n > 0) & (found >= NEAR_DUPLICATE * n)))
