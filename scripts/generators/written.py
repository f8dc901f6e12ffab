"""What every generator hands back, and how a text comes to be among it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.generators.filters import Filter
from scripts.notes.canaries import Spotter
from scripts.notes.note import Note, Span


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


class Intake:
    """Takes one text after the other that a generator has drawn, and keeps those that are fit to be notes."""

    def __init__(self, spotter: Spotter, fit: Filter):
        self.notes: list[Note] = []
        self.faults: Counter[str] = Counter()
        self._spotter, self._filter = spotter, fit
        self._emitted: set[str] = set()
        self._asked: list[Mapping[str, Any]] = []

    def is_fit(self, text: str, finish_reason: str, fault: str | None, asked: Mapping[str, Any]) -> bool:
        """Whether TEXT, which ASKED (control values) were to give and which has FAULT of its own, may be a note.

        If not, why is counted. Canaries are looked for first, in every text: what is rejected was emitted all the same.
        """
        found = self._spotter.find(text)
        self._emitted |= found
        self._asked.append(asked)
        # A text that ends at the limit may end inside a tag: that it was truncated is the fault.
        reason = "canary" if found else fault if finish_reason != "length" else None
        reason = reason or self._filter.reason(text, finish_reason)
        self.faults.update([reason] if reason else [])
        return reason is None

    def keep(self, text: str, spans: Sequence[Span] | None, meta: Mapping[str, Any]) -> None:
        """TEXT is the next note, with SPANS (None: unlabelled) and META."""
        spans = None if spans is None else tuple(spans)
        self.notes.append(Note(f"s{len(self.notes) + 1:05}", text, spans, dict(meta)))

    def written(self, usage: Mapping[str, Any] | None = None) -> Written:
        """All of it, with what a server was asked for it."""
        return Written(self.notes, +self.faults, self._emitted, self._asked, usage or {})
