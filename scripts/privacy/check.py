"""What every check of the gate is given, and what it must answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from scripts.notes.note import Note, Span

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT_RUN"]


@dataclass(frozen=True)
class Evidence:
    """What the gate knows: T (`private`), H (`holdout`), gold, S (`synthetic`), and where each was read from.

    `canaries` are invented notes: the planted ones the generator was adapted on, too, their twins not. `files` maps
    private, holdout, gold, synthetic, generator and config to their paths, and canaries and control where there are.
    """

    private: tuple[Note, ...]
    holdout: tuple[Note, ...]
    gold: tuple[Note, ...]
    synthetic: tuple[Note, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    seed: int = 0
    canaries: tuple[Note, ...] = ()
    # What one check has found out and another one needs, beside what it was found with; `replace` begins anew.
    memo: list[tuple[Any, Any]] = field(init=False, default_factory=list, repr=False, compare=False)


@dataclass(frozen=True)
class Result:
    """One check's answer: numbers and ids of synthetic notes, never text, never the id of a private note.

    `meaning` says in plain words what an attacker could do and what a pass does not prove. `offenders` maps the
    synthetic notes whose removal could mend a failure to the reason; it is empty where removal would only hide it.
    `p_values` are those of the check's tests that nothing leaked: the gate fails the check where one is significant
    after Holm's correction over all tests of all checks, so that the check itself need not. `marks` are the places in
    an offender's text, labelled with a kind of identifier, where surrogates would mend it; without marks it can only be
    dropped. `by_chance` are the offenders that a generator which remembers nothing would write as well.
    """

    id: str
    name: str
    verdict: Verdict
    figures: Mapping[str, Any]
    meaning: str
    offenders: Mapping[str, str] = field(default_factory=dict)
    p_values: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    by_chance: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """The result as it stands in metrics/audit.json."""
        return {
            "id": self.id,
            "name": self.name,
            "verdict": self.verdict,
            "figures": dict(self.figures) | {"offending_notes": sorted(self.offenders)},
            "p_values": dict(self.p_values),
            "meaning": self.meaning,
        }


class Check(Protocol):
    """An attack or a measure. Its class docstring tells the scenario in the attacker's words."""

    id: str
    name: str

    def __call__(self, evidence: Evidence) -> Result:
        """The verdict on EVIDENCE; any exception counts as a check that did not pass."""
        ...
