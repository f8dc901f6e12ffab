"""What every generator hands back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.notes.note import Note


@dataclass(frozen=True)
class Written:
    """Synthetic NOTES, how many texts had each fault (rejected, or "cut" and kept), and the canaries EMITTED (ids).

    ASKED holds the control values of every text that was drawn and looked at, fit or not.
    USAGE is what a server was asked for them: calls by outcome, tokens, dollars (None: the price is unknown).
    """

    notes: list[Note]
    faults: Counter[str]
    emitted: set[str]
    asked: Sequence[Mapping[str, Any]] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
