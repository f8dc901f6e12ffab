"""Notes that stand in a prompt: whether they may leave with it, and which come when."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.notes.errors import UserError
from scripts.notes.files import Sensitivity, manifest_path, read_manifest, sha256_of
from scripts.notes.note import Note


def sensitivity_of_examples(path: Path, is_public: bool) -> Sensitivity:
    """What the manifest of PATH says; without one, public if IS_PUBLIC says so, else private.

    A UserError if there is no such file, or if it is not the one that its manifest vouches for.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist", "Name a JSONL file of released or public notes under `examples`")
    if not manifest_path(path).is_file():
        return "public" if is_public else "private"
    made = read_manifest(path)
    if made["sha256"] != sha256_of(path):
        raise UserError(f"{path} has changed since its manifest was written", "Run the step that makes it again")
    return made["sensitivity"]


def in_turn(notes: Sequence[Note], n: int, seed: int) -> Iterator[tuple[Note, ...]]:
    """Endless groups of N of NOTES, in an order drawn with SEED: each as often as any other, but for a rest under N."""
    rng = random.Random(f"{seed} examples")
    while True:
        order = rng.sample(range(len(notes)), len(notes))
        for first in range(0, len(order) - n + 1, n):
            yield tuple(notes[i] for i in order[first : first + n])
