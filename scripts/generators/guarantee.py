"""What differential privacy covers of a generator, what would break it, and what lies outside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.generators.slots import read_lists
from scripts.notes.canaries import is_canary
from scripts.notes.errors import UserError
from scripts.notes.note import Note

if TYPE_CHECKING:
    from scripts.generators.causal_lm import CausalLM


def check_guarantee(generator: "CausalLM") -> None:
    """A UserError if GENERATOR's other settings would carry private text past its [generator.privacy]."""
    if generator.stages.mixes_patients:
        raise UserError(
            "[generator.privacy] beside a stage that mixes patients: one patient's text would count as that of many",
            "Set across_patients = false",
        )
    if generator.writing.prompt == "opening":
        raise UserError(
            "[generator.privacy] beside openings: each note would begin with a private note's own words",
            'Set prompt = "control" under [generator.writing]',
        )
    if generator.slots and generator.lists is None:
        raise UserError(
            "[generator.privacy] beside slots without lists: they would be filled with mentions of private notes",
            'Name a file of mentions, such as lists = "assets/lists/en.yml"',
        )
    if generator.base is None and generator.pretraining is None and "n_layers" not in generator.shape:
        raise UserError(
            "[generator.privacy] beside a model whose size would follow the amount of private text",
            "Give n_layers, width and n_heads, or public text under [generator.pretraining]",
        )


def public_lists(path: Path, labels: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The mentions that the YAML file PATH lists; a UserError unless it has some for each of LABELS."""
    lists = read_lists(path, labels)
    if missing := [label for label in labels if label not in lists]:
        raise UserError(
            f"{path} lists nothing for {', '.join(missing)}: with [generator.privacy] nothing else fills their slots",
            "Add mentions there, or take the label out of `slots`",
        )
    return lists


def outside_guarantee(generator: "CausalLM", notes: Sequence[Note]) -> list[str]:
    """What may tell of a patient although the weights of GENERATOR, adapted on NOTES, do not: in words, with counts."""
    asked = "how many patients and notes there are"
    if generator.keys:
        asked += f", and the values of {', '.join(generator.keys)} that notes are asked for with"
    if generator.passage:
        asked += ", and in how many passages"
    if generator.writing.rare_labels:
        asked += ", and in how many notes each label is"
    found = [
        asked,
        "which of the written texts are kept: they are compared with the private notes by language, and by the gate",
        "labels from an annotator that was taught on private notes, and a student that learns from them",
        "the holdout's patients, on whose notes the loss is measured",
    ]
    if generator.pretraining:
        found[-1] += " and the end of pretraining chosen"
    if n_canaries := len({note.patient for note in notes if is_canary(note)}):
        found.append(f"the beginnings of {n_canaries} canaries, which are made of words of private notes")
    if n_nameless := sum(not note.meta.get("patient") for note in notes):
        found.append(f"{n_nameless} notes that name no patient: each counts as a patient of its own")
    return found
