"""How much of one set of notes stands word for word in another: exact, on arrays of token numbers."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .normalize import Token

LONGEST = 512  # tokens; a run is not followed further


@dataclass(frozen=True, eq=False)
class Tokens:
    """Notes one after the other: each token's number, its note's, and how many tokens its note has from there on."""

    ids: np.ndarray
    note: np.ndarray
    left: np.ndarray
    n_notes: int

    def of_note(self, number: int) -> slice:
        """Where note NUMBER stands."""
        first, end = np.searchsorted(self.note, [number, number + 1])
        return slice(int(first), int(end))


def number_tokens(*groups: Iterable[Sequence[Token]]) -> list[Tokens]:
    """Each of GROUPS (notes as token lists) as numbers; equal tokens have equal numbers across groups.

    A group may be read from a generator: tokens take ten times the memory of their numbers.
    """
    numbers: dict[str, int] = {}
    return [_number_group(group, numbers) for group in groups]


def run_lengths(query: Tokens, reference: Tokens) -> np.ndarray:
    """For each token of QUERY the length of the longest run from there on that stands in one note of REFERENCE.

    Grows all runs by one token at a time and keeps the places that still match, on both sides; a run of n tokens is
    known by the rank of its first n - 1 among all that match, and its last token. O(n log n) a round, of ever fewer.
    """
    lengths = np.zeros(len(query.ids), dtype=np.int64)
    base = int(max(query.ids.max(initial=0), reference.ids.max(initial=0))) + 1
    at_q, at_r = np.arange(len(query.ids)), np.arange(len(reference.ids))
    runs_q, runs_r = query.ids, reference.ids
    for n in range(1, LONGEST + 1):
        ranked, ranks = np.unique(np.concatenate([runs_q, runs_r]), return_inverse=True)
        ranks_q, ranks_r = ranks[: len(runs_q)], ranks[len(runs_q) :]
        in_q, in_r = np.zeros(len(ranked), dtype=bool), np.zeros(len(ranked), dtype=bool)
        in_q[ranks_q], in_r[ranks_r] = True, True
        matches_q, matches_r = in_r[ranks_q], in_q[ranks_r]
        lengths[at_q[matches_q]] = n
        grows_q = matches_q & (query.left[at_q] > n)
        grows_r = matches_r & (reference.left[at_r] > n)
        at_q, at_r = at_q[grows_q], at_r[grows_r]
        if not len(at_q) or not len(at_r):
            break
        runs_q = ranks_q[grows_q] * base + query.ids[at_q + n]
        runs_r = ranks_r[grows_r] * base + reference.ids[at_r + n]
    return lengths


def count_grams(tokens: Tokens, lengths: np.ndarray, n: int) -> np.ndarray:
    """For each note (found, all) of its n-grams, where LENGTHS is `run_lengths` of TOKENS against other notes."""
    whole = tokens.left >= n
    found = np.bincount(tokens.note, weights=(lengths >= n) & whole, minlength=tokens.n_notes)
    return np.stack([found, np.bincount(tokens.note, weights=whole, minlength=tokens.n_notes)], axis=1)


def gap_lcs(query: np.ndarray, reference: Tokens) -> float:
    """The best common subsequence of the tokens QUERY and one note of REFERENCE: 1 a token, less 1/2 for each skipped.

    Paper A's leak measure. A skipped token costs on either side and a subsequence may begin and end anywhere, as in
    local alignment. One row a token of QUERY, all notes of REFERENCE at once: a gap along the row is a running maximum.
    """
    if not len(query) or not len(reference.ids):
        return 0.0
    # Scores are doubled to stay integers. SLOPE makes a skip along the row cost 1, and keeps notes apart.
    slope = (np.arange(len(reference.ids)) + reference.note * (2 * len(query) + 1)).astype(np.int32)
    starts = np.flatnonzero(np.diff(reference.note, prepend=-1))
    row = np.zeros(len(reference.ids), dtype=np.int32)
    extended = np.empty_like(row)
    best = 0
    for token in query:
        extended[1:] = row[:-1]
        extended[starts] = 0
        extended += 2
        extended *= reference.ids == token
        row -= 1
        np.maximum(row, extended, out=row)
        np.maximum(row, 0, out=row)
        row += slope
        np.maximum.accumulate(row, out=row)
        row -= slope
        best = max(best, int(row.max()))
    return best / 2


@dataclass(frozen=True)
class Excess:
    """The recall of n-grams of T less that of H, with its 95 % interval and a permutation test's p (one-sided)."""

    private: float
    holdout: float
    ci95: tuple[float, float]
    p: float

    @property
    def value(self) -> float:
        """The excess."""
        return self.private - self.holdout


def measure_excess(
    private: np.ndarray, holdout: np.ndarray, seed: int, n_resamples: int = 2000, n_permutations: int = 999
) -> Excess:
    """The excess recall from (found, all) a patient, rows of PRIVATE and HOLDOUT.

    Recall is a share of each side's own n-grams, looked for in the same synthetic notes: it does not grow with the
    number of patients, so that the sides need not be of one size. Patients are resampled, on each side by itself.
    """
    random = np.random.default_rng(seed)
    draws = [_draw_recalls(side, random, n_resamples) for side in (private, holdout)]
    low, high = np.percentile(draws[0] - draws[1], [2.5, 97.5])
    pooled, n = np.concatenate([private, holdout]), len(private)
    observed = _recall(private) - _recall(holdout)
    n_as_large = 0
    for _ in range(n_permutations):
        order = random.permutation(len(pooled))
        n_as_large += _recall(pooled[order[:n]]) - _recall(pooled[order[n:]]) >= observed - 1e-12
    p = (1 + n_as_large) / (1 + n_permutations)
    return Excess(_recall(private), _recall(holdout), (float(low), float(high)), p)


def _recall(counts: np.ndarray) -> float:
    found, n = counts.sum(axis=0)
    return float(found / n) if n else 0.0


def _draw_recalls(counts: np.ndarray, random: np.random.Generator, n_resamples: int) -> np.ndarray:
    return np.array([_recall(counts[random.integers(len(counts), size=len(counts))]) for _ in range(n_resamples)])


def _number_group(group: Iterable[Sequence[Token]], numbers: dict[str, int]) -> Tokens:
    sizes, ids = array("q"), array("q")
    for note in group:
        sizes.append(len(note))
        ids.extend(numbers.setdefault(token.text, len(numbers)) for token in note)
    lengths = np.array(sizes, dtype=np.int64)
    ends = np.repeat(np.cumsum(lengths), lengths)
    notes = np.repeat(np.arange(len(lengths)), lengths)
    return Tokens(np.array(ids, dtype=np.int64), notes, ends - np.arange(len(ids)), len(lengths))
