"""Whether a report, which should hold numbers and ids of synthetic notes alone, tells anything of a private note."""

from collections.abc import Collection, Iterable
from typing import Any

from scripts.notes.note import Note

from .collect import IdentifierPolicy
from .documents import HASH, strings_in
from .normalize import tokenize
from .search import Finder

N_GRAM = 8  # tokens in a row of a private note that no sentence of ours has
MIN_ID = 5  # characters of an id that is looked for inside longer strings


def private_things_in(
    report: Any, policy: IdentifierPolicy, notes: Iterable[Note], allowed: Collection[str] = ()
) -> set[str]:
    """The kinds of private thing (never the thing) that stand in REPORT's keys and strings: an identifier, id or run.

    NOTES are those that must not be told of. ALLOWED are strings of ours, which may be some private note's id as well:
    ids of synthetic notes and of checks. A short id counts as a value alone, not as a key or a part of a sentence.
    """
    notes = list(notes)
    told = [string for string in strings_in(report) if string not in allowed]
    texts = [tokenize(HASH.sub(" ", string)) for string in told]
    found: set[str] = set()
    finder = Finder(policy.collect(notes), policy.month_names, near=False)
    if any(finder.find(tokens) for tokens in texts):
        found.add("an identifier")
    ids = {id for note in notes for id in (note.id, note.patient)} - set(allowed)
    long_ids = [id for id in ids if len(id) >= MIN_ID and any(c.isdigit() for c in id)]
    values = set(strings_in(report, with_keys=False))
    if values & ids or any(id in string for string in told for id in long_ids):
        found.add("an id")
    runs = {run for tokens in texts for run in _runs([t.text for t in tokens])}
    if runs and any(run in runs for note in notes for run in _runs([t.text for t in tokenize(note.text)])):
        found.add("a run of words")
    return found


def _runs(words: list[str]) -> Iterable[tuple[str, ...]]:
    return (tuple(words[i : i + N_GRAM]) for i in range(len(words) - N_GRAM + 1))
