"""The aligner: from mentions (bare strings) back to spans (offsets) of the note that they were read in."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from .chain import best_chain
from .fold import fold
from .note import Span
from .search import Hit, Searchable

Mention = tuple[str, str]  # what was listed, and its label
Status = Literal["exact", "case", "whitespace", "inflected", "fuzzy", "ambiguous", "absent", "misaligned"]
Occurrences = Literal["listed", "all"]

# Less of a list than this in the order of the text, and its order means nothing.
MIN_IN_ORDER = 0.8


@dataclass(frozen=True)
class Entry:
    """What became of one mention: its status; its spans: none, one, or several where all occurrences count; its score.

    Placed: exact, case, whitespace (blanks or typography differ), inflected, fuzzy; `score` says how alike, 1 is equal.
    ambiguous: fits different strings of the text equally well, or stands in an "all" list under another label before.
    absent: not in the text, or listed more often than it stands there.
    misaligned: only inside the spans of other mentions.
    """

    status: Status
    spans: tuple[Span, ...] = ()
    score: float | None = None


@dataclass(frozen=True)
class Alignment:
    """The spans of all mentions, sorted, without overlap; and the ledger: one entry a mention, in the order given."""

    spans: tuple[Span, ...]
    ledger: tuple[Entry, ...]

    @property
    def counts(self) -> Counter[Status]:
        """How many mentions have each status."""
        return Counter(entry.status for entry in self.ledger)


def align(text: str, mentions: Sequence[Mention], occurrences: Occurrences = "listed") -> Alignment:
    """Find MENTIONS in TEXT: spans of whole words, none overlapping, and an account of every mention.

    "listed": each entry is one occurrence. A list in the order of the text (all of it, or each label's part) is placed
    in that order: as many mentions as possible, on the best written occurrences, then the earliest. In a list without
    order, a string listed k times takes its k best occurrences, the earliest of equals. "all": a string, however often
    it is listed, means each of its occurrences. Longer mentions go first; a shorter one is looked for elsewhere.
    """
    run = _Run(text, mentions)
    orders = _place_listed(run) if occurrences == "listed" else _place_all(run)
    for i in run.longest_first(i for i in range(len(mentions)) if i not in run.entries):
        _place_near(run, i, orders, everywhere=occurrences == "all")
    spans = {span for entry in run.entries.values() for span in entry.spans}
    return Alignment(tuple(sorted(spans)), _ledger(run))


class _Run:
    """What was asked, where it is written, and what is placed so far."""

    def __init__(self, text: str, mentions: Sequence[Mention]):
        self.text = Searchable(text)
        self.mentions = mentions
        self.keys = [fold(string).key for string, _ in mentions]
        found = {string: self.text.occurrences(string) for string in {string for string, _ in mentions}}
        self.hits = [found[string] for string, _ in mentions]
        self.used: list[str | None] = [None] * len(text)  # the key of the mention that took a character
        self.entries: dict[int, Entry] = {}

    def take(self, i: int, hits: Sequence[Hit]) -> None:
        for hit in hits:
            self.used[hit.start : hit.end] = [self.keys[i]] * (hit.end - hit.start)
        spans = tuple(Span(hit.start, hit.end, self.mentions[i][1]) for hit in hits)
        best = max(hits, key=lambda hit: hit.quality)
        self.entries[i] = Entry(best.manner, spans, best.score)

    def is_free(self, hit: Hit) -> bool:
        return not any(self.used[hit.start : hit.end])

    def longest_first(self, indices: Iterable[int]) -> list[int]:
        return sorted(indices, key=lambda i: (-len(self.keys[i]), i))

    def by_key(self) -> dict[str, list[int]]:
        """The mentions of each key, the longest key first."""
        groups = defaultdict(list)
        for i in self.longest_first(range(len(self.keys))):
            groups[self.keys[i]].append(i)
        return groups


def _ledger(run: _Run) -> tuple[Entry, ...]:
    """The entries in the order of the list; those of a repeated mention in the order of the text, the unplaced last."""
    places = defaultdict(list)
    for i, mention in enumerate(run.mentions):
        places[tuple(mention)].append(i)
    ledger = dict(run.entries)
    for indices in places.values():
        entries = sorted((run.entries[i] for i in indices), key=lambda entry: (not entry.spans, entry.spans))
        ledger.update(zip(indices, entries, strict=True))
    return tuple(ledger[i] for i in range(len(ledger)))


def _place_all(run: _Run) -> list[list[int]]:
    """Place each string on all its occurrences; there is no order in such a list."""
    for indices in run.by_key().values():
        label = run.mentions[indices[0]][1]
        places = {hit.start for hit in _apart(hit for i in indices for hit in run.hits[i] if run.is_free(hit))}
        for i in indices:
            if run.mentions[i][1] != label:
                run.entries[i] = Entry("ambiguous")
            elif own := [hit for hit in run.hits[i] if hit.start in places]:
                run.take(i, own)
    return []


def _place_listed(run: _Run) -> list[list[int]]:
    """Place one occurrence a mention; returns the parts of the list that follow the order of the text."""
    options = _options(run)
    orders = _orders(run, options)
    for order in orders:
        for i, hit in best_chain(order, options).items():
            if run.is_free(hit):
                run.take(i, [hit])
    for indices in run.by_key().values():
        pairs = [(hit, i) for i in indices if i not in run.entries for hit in options[i]]
        pairs.sort(key=lambda pair: pair[0].start)  # the earliest of the best
        for hit, i in sorted(pairs, key=lambda pair: pair[0].quality, reverse=True):
            if i not in run.entries and run.is_free(hit):
                run.take(i, [hit])
    return orders


def _options(run: _Run) -> list[list[Hit]]:
    """The occurrences that each mention may take: none inside a longer mention that needs all of its own."""
    options: list[list[Hit]] = [[] for _ in run.keys]
    reserved = bytearray(len(run.used))
    for indices in run.by_key().values():
        for i in indices:
            options[i] = [hit for hit in run.hits[i] if not any(reserved[hit.start : hit.end])]
        places = {(hit.start, hit.end) for i in indices for hit in options[i]}
        if len(places) <= len(indices):
            for start, end in places:
                reserved[start:end] = b"\1" * (end - start)
    return options


def _orders(run: _Run, options: Sequence[Sequence[Hit]]) -> list[list[int]]:
    """The whole list if it is in the order of the text, else those labels' parts of it that are."""

    def share_in_order(indices: list[int]) -> float:
        listed = Counter(run.keys[i] for i in indices)
        n_places = {run.keys[i]: len(options[i]) for i in indices}
        n_placeable = sum(min(n, n_places[key]) for key, n in listed.items())
        return len(best_chain(indices, options)) / n_placeable if n_placeable else 1.0

    everything = list(range(len(run.keys)))
    labels = [label for _, label in run.mentions]
    is_grouped = len(list(groupby(labels))) == len(set(labels)) > 1  # a list a label, one after the other
    if share_in_order(everything) >= (1.0 if is_grouped else MIN_IN_ORDER):
        return [everything]
    parts = ([i for i in everything if labels[i] == label] for label in dict.fromkeys(labels))
    return [part for part in parts if share_in_order(part) >= MIN_IN_ORDER]


def _place_near(run: _Run, i: int, orders: Sequence[Sequence[int]], everywhere: bool) -> None:
    """Place mention I on an inflected or misspelt form, best where the list's order expects it, or say why not."""
    start, end = _between(run, i, orders)
    for search in (run.text.inflected, run.text.fuzzy):
        free = [hit for hit in search(run.mentions[i][0]) if run.is_free(hit)]
        hits = [hit for hit in free if start <= hit.start and hit.end <= end] or free
        best = [hit for hit in hits if hit.score == hits[0].score]
        if len({fold(run.text.text[hit.start : hit.end]).key for hit in best}) > 1:
            run.entries[i] = Entry("ambiguous")
            return
        if best:
            run.take(i, _apart(best) if everywhere else best[:1])
            return
    is_covered = any(key not in (None, run.keys[i]) for hit in run.hits[i] for key in run.used[hit.start : hit.end])
    run.entries[i] = Entry("misaligned" if is_covered else "absent")


def _between(run: _Run, i: int, orders: Sequence[Sequence[int]]) -> tuple[int, int]:
    """The stretch of text between the placed neighbours of mention I, or the whole text where the list has no order."""
    start, end = 0, len(run.used)
    for order in orders:
        if i in order:
            placed = {j: run.entries[j].spans[0] for j in order if j in run.entries and run.entries[j].spans}
            start = max((span.end for j, span in placed.items() if j < i), default=start)
            end = min((span.start for j, span in placed.items() if j > i), default=end)
    return start, end


def _apart(hits: Iterable[Hit]) -> list[Hit]:
    """HITS in the order of the text, without those that overlap an earlier one."""
    apart: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: hit.start):
        if not apart or apart[-1].end <= hit.start:
            apart.append(hit)
    return apart
