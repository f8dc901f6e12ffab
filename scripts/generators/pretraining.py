"""Public text that a generator is trained on before the notes: the language and the field, of no patient."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.llm.finetune import Example, Schedule, finetune
from scripts.notes.errors import UserError
from scripts.notes.files import atomic_write, write_json
from scripts.notes.jsonl import NotesFile
from scripts.notes.lazy import Mapped
from scripts.notes.note import Note, check_note

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Pretraining:
    """TEXTS (a JSONL file, or a folder of .txt files) and how long they are trained on, before the notes.

    Two-stage adaptation, as in Gururangan et al. (2020), "Don't Stop Pretraining".
    """

    texts: str
    schedule: Schedule

    def __post_init__(self):
        if "/" not in self.texts:  # else `files_named_in` would take it for a word, and `adapt` not see it change
            raise UserError(f"[generator.pretraining] texts: {self.texts} names no folder", f"Write ./{self.texts}")


def read_public(path: Path) -> Sequence[Note]:
    """The texts of PATH as notes: the lines of a JSONL file, or the .txt files of a folder and those below it.

    All are checked at once, and read again when they are asked for.
    """
    if not path.is_dir():
        return NotesFile(path)
    files = sorted(path.rglob("*.txt"))
    if not files:
        raise UserError(f"{path}: no .txt there", "Correct 'texts' under [generator.pretraining]")
    notes = Mapped(lambda file: check_note(Note(file.relative_to(path).as_posix(), _read(file)), file.name), files)
    for _ in notes:
        pass
    return notes


def pretrain(
    model: "PreTrainedModel",
    train: Sequence[Example],
    dev: Sequence[Example],
    schedule: Schedule,
    work: Path,
    seed: int,
) -> dict[str, Any]:
    """Train MODEL in place; returns the losses. What WORK holds of an earlier same call is not trained again.

    WORK keeps checkpoints on the way, and in the end the trained weights: an interruption later, on the notes, leaves
    these to begin with again.
    """
    weights, report = work / "weights.pt", work / "report.json"
    if report.is_file():  # written last
        _load(model, weights)
        return json.loads(report.read_text("utf8"))
    losses = finetune(model, train, dev, schedule, work / "checkpoints", seed)
    _save(model, weights)
    write_json(report, losses)
    shutil.rmtree(work / "checkpoints")
    return losses


def _save(model: "PreTrainedModel", path: Path) -> None:
    """Write the weights of MODEL that learn: all of them, or an adapter's."""
    import torch

    with atomic_write(path, "wb") as stream:
        torch.save({name: weight.detach().cpu() for name, weight in _learning(model).items()}, stream)


def _load(model: "PreTrainedModel", path: Path) -> None:
    import torch

    saved, own = torch.load(path, map_location="cpu", weights_only=True), _learning(model)
    if saved.keys() != own.keys():
        raise UserError(f"{path} holds the weights of another model", "Remove the folder and run `adapt` again")
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(saved[name])


def _learning(model: "PreTrainedModel") -> dict[str, Any]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as e:
        raise UserError(f"{file.name}: byte {e.start} is not UTF-8", "Convert the file to UTF-8") from None
