"""Canaries: notes of invented patients that show whether a generator recites what it has seen once."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from .note import Note

ROLE, END = "canary", "end"  # keys of a canary's meta: planted or twin; the character at which its end begins
PLANTED, TWIN = "planted", "twin"
RUN = 8  # tokens of an end that no text has by chance
_WORD = re.compile(r"\w+")


def is_canary(note: Note) -> bool:
    """Whether NOTE is a canary: whatever is done to notes before a generator sees them, it stays as it is."""
    return note.meta.get(ROLE) in (PLANTED, TWIN)


def planted(canaries: Iterable[Note]) -> list[Note]:
    """Those of CANARIES that the generator is adapted on; the others are their twins, which it never sees."""
    return [canary for canary in canaries if canary.meta[ROLE] == PLANTED]


def end_of(canary: Note) -> str:
    """The random words that CANARY ends with."""
    return canary.text[int(canary.meta[END]) :]


class Spotter:
    """Finds texts that hold RUN tokens in a row of a canary's end, in any case and with any separators."""

    def __init__(self, ends: Mapping[str, str]):
        """ENDS maps the canaries' ids to their ends."""
        self._id_of = {run: id for id, end in ends.items() for run in _runs(end)}

    def find(self, text: str) -> set[str]:
        """The ids of the canaries that TEXT emits."""
        return {self._id_of[run] for run in _runs(text) if run in self._id_of} if self._id_of else set()


def _runs(text: str) -> Iterable[tuple[str, ...]]:
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return (tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1))
