"""N-gram models of words or characters, interpolated after Witten and Bell (1991)."""

import re
from array import array
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import numpy as np

Symbols = Iterable[Hashable]  # words, or the characters of a string

_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of TEXT without case; punctuation is none."""
    return _WORD.findall(text.casefold())


@dataclass(frozen=True, eq=False)
class _Order:
    """The n-grams of one length, KEYS in order and COUNTS, and how many symbols and kinds follow each context.

    A key is the number of the context times the size of the vocabulary, plus the number of the symbol.
    """

    keys: np.ndarray
    counts: np.ndarray
    n_after: np.ndarray
    n_kinds: np.ndarray


class NgramModel:
    """How probable a symbol is after those before it, to somebody who knows the sequences TRAIN alone.

    Orders 1 to ORDER are interpolated: what a context has not been followed by gets as much of its probability as there
    were different symbols that followed it. All symbols that TRAIN does not hold count as one. Contexts never cross
    from one sequence to the next. Counts are exact. O(n log n) in the symbols.
    """

    def __init__(self, train: Iterable[Symbols], order: int):
        self._numbers: dict[Hashable, int] = {}
        numbers = self._numbers
        ids, _, at = _number(train, lambda symbol: numbers.setdefault(symbol, len(numbers)))
        self._base = len(numbers) + 1
        self._orders: list[_Order] = []
        context, n_contexts = np.zeros_like(ids), 1
        for n in range(order):
            whole = at >= n
            keys, grams, counts = np.unique(
                context[whole] * self._base + ids[whole], return_inverse=True, return_counts=True
            )
            n_kinds = np.bincount(keys // self._base, minlength=n_contexts)
            n_after = np.bincount(context[whole], minlength=n_contexts)
            # The last key is no n-gram's: whatever is looked up finds a place.
            self._orders.append(_Order(np.append(keys, np.iinfo(np.int64).max), np.append(counts, 0), n_after, n_kinds))
            context[whole] = grams
            context, n_contexts = np.roll(context, 1), max(1, len(keys))

    def probabilities(self, sequences: Iterable[Symbols]) -> tuple[np.ndarray, np.ndarray]:
        """(orders, symbols): each symbol's probability in SEQUENCES at each order; and the number of its sequence."""
        ids, owner, at = _number(sequences, lambda symbol: self._numbers.get(symbol, self._base - 1))
        shares = np.full(len(ids), 1 / self._base)
        context, by_order = np.zeros_like(ids), []
        for n, order in enumerate(self._orders):
            known = (at >= n) & (context >= 0)
            keys, of = context * self._base + ids, np.where(known, context, 0)
            place = np.searchsorted(order.keys, keys)
            found = known & (order.keys[place] == keys)
            n_kinds = order.n_kinds[of]
            total = order.n_after[of] + n_kinds
            mixed = (np.where(found, order.counts[place], 0) + n_kinds * shares) / np.maximum(total, 1)
            shares = np.where(known & (total > 0), mixed, shares)
            by_order.append(shares)
            context = np.roll(np.where(found, place, -1), 1)
        return np.array(by_order), owner

    def bits(self, sequences: Iterable[Symbols]) -> tuple[np.ndarray, np.ndarray]:
        """For each of SEQUENCES what it costs to tell it to somebody who knows TRAIN, in bits; and its length."""
        sequences = list(sequences)
        shares, owner = self.probabilities(sequences)
        sums = np.bincount(owner, weights=-np.log2(shares[-1]), minlength=len(sequences))
        return sums, np.bincount(owner, minlength=len(sequences))

    def knows(self, symbol: Hashable) -> bool:
        """Whether TRAIN holds SYMBOL."""
        return symbol in self._numbers


def _number(
    sequences: Iterable[Symbols], number_of: Callable[[Hashable], int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of all symbols of SEQUENCES, whose they are, and their places there."""
    ids, sizes = array("q"), array("q")
    for sequence in sequences:
        n_before = len(ids)
        ids.extend(map(number_of, sequence))
        sizes.append(len(ids) - n_before)
    lengths = np.array(sizes, dtype=np.int64)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.array(ids, dtype=np.int64), np.repeat(np.arange(len(lengths)), lengths), np.arange(len(ids)) - starts
