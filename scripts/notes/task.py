"""A task: a label scheme with definitions, read from configs/task/*.yml."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import srsly

from .errors import UserError
from .note import Note

Rule = Literal["majority", "union"]


@dataclass(frozen=True)
class Task:
    """LABELS are what the student learns, each with its definition; a note may carry labels that the task IGNOREs.

    RIVALS are labels that an LLM is asked for and that are then thrown away, so that it has somewhere else to put a
    string. VOTE is how several annotators decide: by majority, or by union where a miss is worse than a false alarm.
    """

    name: str
    labels: Mapping[str, str]
    ignore: tuple[str, ...] = ()
    rivals: Mapping[str, str] = field(default_factory=dict)
    vote: Rule = "majority"

    def restrict(self, notes: Iterable[Note]) -> Iterable[Note]:
        """NOTES with the task's labels only; a UserError for a label that the task neither has nor ignores."""
        known = {*self.labels, *self.ignore}
        for note in notes:
            unknown = sorted({s.label for s in note.spans or ()} - known)
            if unknown:
                raise UserError(
                    f"note {note.id}: label {', '.join(unknown)} is not in task {self.name}",
                    f"Add it under 'labels' or 'ignore' of configs/task/{self.name}.yml",
                )
            yield note.with_labels(self.labels)


def read_task(path: Path) -> Task:
    """The task described in the YAML file PATH."""
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yml"))) or "none"
        raise UserError(f"task {path.stem}: {path} does not exist", f"There are: {there}")
    try:
        row = srsly.read_yaml(path)
        if not isinstance(row["labels"], dict) or not row["labels"]:
            raise ValueError("'labels' must map each label to its definition")
        unknown = set(row) - {"labels", "ignore", "rivals", "vote"}
        if unknown:
            raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
        vote = row.get("vote", "majority")
        if vote not in get_args(Rule):
            raise ValueError(f"vote: {vote} is none of {', '.join(get_args(Rule))}")
        return Task(path.stem, row["labels"], tuple(row.get("ignore", ())), row.get("rivals", {}), vote)
    except (ValueError, KeyError, TypeError) as e:
        raise UserError(f"{path}: {e}", "See configs/task/drugs_procedures.yml") from None
