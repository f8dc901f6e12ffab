"""Where identifiers stand in a text, however they are spaced, cased, accented, cut by line breaks or mistyped once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from .dates import MAX_GAP, MonthNames, find_dates
from .keys import Identifiers, Kind
from .normalize import Token, tokenize

PHONE_DIGITS = 9  # a telephone number without its country's prefix
MAX_TOKENS = 16  # a telephone number written digit by digit; keys of single characters may need more
MIN_SPLIT_DIGITS = 7  # shorter numbers must stand in one piece: "120/80 96" is no record number
# Shorter ones, the key or what is found, are neighbours of each other by chance.
MIN_NEAR_LETTERS, MIN_NEAR_DIGITS = 7, 8
EDGE = MIN_NEAR_LETTERS // 2  # characters that either half of such a key has at least


@dataclass(frozen=True, slots=True)
class Hit:
    """Identifier KEY on the tokens FIRST to LAST (inclusive); not EXACT means one character differs."""

    kind: Kind
    key: str
    first: int
    last: int
    exact: bool = True

    @property
    def manner(self) -> str:
        """The kind, and whether it was found mistyped."""
        return self.kind if self.exact else f"near {self.kind}"

    @property
    def may_be_chance(self) -> bool:
        """Whether such hits occur among strangers: dates of birth are dates, numbers of one office are neighbours."""
        return self.kind == "birth" or not self.exact


class Finder:
    """Finds identifiers by looking up every window of neighbouring tokens: time grows with the text, not the list.

    A window begins and ends at the edge of a run of letters or of digits, so that "Ana Lee" is not in "banal eel" and
    record 44209 is not in 1442091. A key and a window that differ by one character agree in the key's first half or in
    its second; these halves are indexed.
    """

    def __init__(self, identifiers: Identifiers, months: MonthNames, near: bool = True):
        self._keys = identifiers.keys
        self._births = identifiers.births
        self._months = months
        self._near = near
        self._heads: dict[str, list[str]] = defaultdict(list)
        self._tails: dict[str, list[str]] = defaultdict(list)
        self._near_edges: tuple[set[str], set[str]] = set(), set()
        self._phones = {key[-PHONE_DIGITS:]: key for key in self._keys if key.isdigit() and len(key) >= PHONE_DIGITS}
        self._openings = {key[:4] for key in self._keys}
        self._longest = max(map(len, self._keys), default=0) + near
        self._most_tokens = max([MAX_TOKENS, *(len(tokenize(key)) + near for key in self._keys if not key.isascii())])
        for key in self._keys if near else ():
            if len(key) >= _min_near(key):
                self._heads[key[: len(key) // 2]].append(key)
                self._tails[key[len(key) // 2 :]].append(key)
                self._near_edges[0].add(key[:EDGE])
                self._near_edges[1].add(key[-EDGE:])

    def find(self, tokens: Sequence[Token]) -> list[Hit]:
        """The hits in TOKENS; a key that stands there exactly is not reported as mistyped as well."""
        hits = [*self._find_keys(tokens), *self._find_births(tokens)]
        exact = {hit.key for hit in hits if hit.exact}
        return [hit for hit in hits if hit.exact or hit.key not in exact]

    def _find_keys(self, tokens: Sequence[Token]) -> Iterator[Hit]:
        for first in range(len(tokens)):
            window = ""
            for last in range(first, min(first + self._most_tokens, len(tokens))):
                if last > first and tokens[last].gap > MAX_GAP:
                    break
                window += tokens[last].text
                if not self._near and self._is_hopeless(window):
                    break
                yield from self._look_up(window, first, last)
                if len(window) > self._longest:
                    break

    def _is_hopeless(self, window: str) -> bool:
        """Whether no key begins as WINDOW does; a telephone number may have any prefix."""
        return len(window) >= 4 and window[:4] not in self._openings and not window.isdigit()

    def _look_up(self, window: str, first: int, last: int) -> Iterator[Hit]:
        if last > first and len(window) < MIN_SPLIT_DIGITS and window.isdigit():
            return
        if window in self._keys:
            yield Hit(self._keys[window], window, first, last)
        elif len(window) >= PHONE_DIGITS and window.isdigit() and window[-PHONE_DIGITS:] in self._phones:
            yield Hit("number", self._phones[window[-PHONE_DIGITS:]], first, last)
        elif self._near and len(window) >= _min_near(window):
            for key in self._neighbours(window):
                yield Hit(self._keys[key], key, first, last, exact=False)

    def _neighbours(self, window: str) -> set[str]:
        if window[:EDGE] not in self._near_edges[0] and window[-EDGE:] not in self._near_edges[1]:
            return set()
        n = len(window)
        found = set()
        for n_key in (n - 1, n, n + 1):
            half = n_key // 2
            found.update(self._heads.get(window[:half], ()))
            found.update(self._tails.get(window[half - n_key :], ()))
        return {key for key in found if Levenshtein.distance(key, window, score_cutoff=1) <= 1}

    def _find_births(self, tokens: Sequence[Token]) -> Iterator[Hit]:
        if self._births:
            for first, last, days in find_dates(tokens, self._months):
                for day in days & self._births:
                    yield Hit("birth", day.isoformat(), first, last)


def _min_near(key: str) -> int:
    return MIN_NEAR_LETTERS if key.isalpha() else MIN_NEAR_DIGITS
