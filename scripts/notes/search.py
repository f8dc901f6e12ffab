"""Where a mention may stand in a text: as it is written, inflected, or misspelt."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from os.path import commonprefix
from typing import Literal

from .fold import CUT, DOT_ABOVE, edge, fold, kind

Manner = Literal["exact", "case", "whitespace", "inflected", "fuzzy"]
RANK: dict[Manner, int] = {"exact": 2, "case": 1, "whitespace": 1, "inflected": 0, "fuzzy": 0}
TOKEN = re.compile(r"(?:[^\W\d_][\u0300-\u036f]*)+|\d+|\S")
SHORTEST_FUZZY = 6  # one edit turns a shorter word into another word
LETTERS_PER_EDIT = 8


@dataclass(frozen=True)
class Hit:
    """A place [start, end) where a mention may stand; `edges` says how cleanly, `score` how alike it is."""

    start: int
    end: int
    manner: Manner
    edges: int
    score: float = 1.0

    @property
    def quality(self) -> tuple[int, int]:
        return RANK[self.manner], self.edges


@dataclass(frozen=True)
class Token:
    start: int
    end: int
    key: str

    @property
    def bare(self) -> str:
        """The key without its accents."""
        return "".join(c for c in self.key if kind(c) == "symbol" or c.isalnum())


class Searchable:
    """A text prepared for many searches."""

    def __init__(self, text: str):
        self.text = text
        self.folded = fold(text)

    def occurrences(self, mention: str) -> list[Hit]:
        """Where MENTION stands up to case, white space and typography, in order; never inside a word or a number."""
        key = fold(mention)
        if not any(kind(c) != "symbol" for c in key.key):
            return []
        hits = []
        for start, end in self.folded.find(key.key):
            edges = min(edge(self.text, start), edge(self.text, end))
            if edges != CUT and _same_words(self.text[start:end], mention):
                hits.append(Hit(start, end, _manner(self.text[start:end], mention), edges))
        exact = [hit for hit in hits if hit.manner == "exact"]
        # "US" is not "us": a short word in another case counts only where there is none in its own.
        return exact if exact and len(key.key) < 4 else hits

    def inflected(self, mention: str) -> list[Hit]:
        """Where the words of MENTION stand with other endings, the nearest first."""
        wanted = tokenize(mention)
        hits = []
        for i in range(len(self.tokens) - len(wanted) + 1 if wanted else 0):
            window = self.tokens[i : i + len(wanted)]
            costs = []
            for token, want in zip(window, wanted, strict=True):
                cost = _ending_cost(token.key, want.key)
                if cost is None:
                    break
                costs.append(cost)
            else:
                hits += self._hit(window, "inflected", 1 - sum(costs) / sum(len(w.key) for w in [*window, *wanted]))
        return sorted(hits, key=lambda hit: -hit.score)

    def fuzzy(self, mention: str) -> list[Hit]:
        """Where MENTION stands misspelt or with other punctuation, the most alike first."""
        bare = mention.strip(" \t\r\n.,;:!?\"'“”‘’()[]{}*-")
        if bare and bare != mention and (hits := self.occurrences(bare)):
            score = len(bare) / len(mention)
            return [Hit(hit.start, hit.end, "fuzzy", hit.edges, score) for hit in hits]
        wanted = tokenize(bare)
        hits = []
        for n_tokens in range(max(1, len(wanted) - 1), len(wanted) + 2):
            hits += self._alike(wanted, n_tokens)
        return sorted(hits, key=lambda hit: -hit.score)

    def _alike(self, wanted: list[Token], n_tokens: int) -> Iterator[Hit]:
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        key = "".join(token.bare for token in wanted)
        n_edits = _edits(key) if len(wanted) == n_tokens else min(1, _edits(key))
        for found, distance, i in process.extract_iter(
            key, self._windows(n_tokens), scorer=OSA.distance, score_cutoff=n_edits
        ):
            window = self.tokens[i : i + n_tokens]
            pairs = zip(window, wanted, strict=True) if len(wanted) == n_tokens else ()
            if _digits(found) == _digits(key) and all(OSA.distance(t.bare, w.bare) <= _edits(w.bare) for t, w in pairs):
                yield from self._hit(window, "fuzzy", 1 - distance / max(len(key), len(found)))

    def _hit(self, window: list[Token], manner: Manner, score: float) -> list[Hit]:
        start, end = window[0].start, window[-1].end
        edges = min(edge(self.text, start), edge(self.text, end))
        at_words = kind(self.text[start]) != "symbol" and kind(self.text[end - 1]) != "symbol"
        return [Hit(start, end, manner, edges, score)] if at_words and edges != CUT else []

    @cached_property
    def tokens(self) -> list[Token]:
        return tokenize(self.text)

    def _windows(self, n_tokens: int) -> list[str]:
        if n_tokens not in self._window_cache:
            keys = [token.bare for token in self.tokens]
            self._window_cache[n_tokens] = ["".join(keys[i : i + n_tokens]) for i in range(len(keys) - n_tokens + 1)]
        return self._window_cache[n_tokens]

    @cached_property
    def _window_cache(self) -> dict[int, list[str]]:
        return {}


def tokenize(text: str) -> list[Token]:
    """The words, numbers and symbols of TEXT with their keys."""
    tokens = (Token(m.start(), m.end(), fold(m.group()).key) for m in TOKEN.finditer(text))
    return [token for token in tokens if token.key]  # a zero-width character has none


def _manner(surface: str, mention: str) -> Manner:
    surface, mention = (unicodedata.normalize("NFC", s) for s in (surface, mention.strip()))
    if surface == mention:
        return "exact"
    return "case" if _without_case(surface) == _without_case(mention) else "whitespace"


def _without_case(text: str) -> str:
    return unicodedata.normalize("NFD", text.casefold()).replace(DOT_ABOVE, "")


def _same_words(surface: str, mention: str) -> bool:
    """Whether two strings of one key have their blanks where it does no harm: "5 mg" is "5mg", "an ion" is not "anion"."""
    if surface == mention:
        return True
    gaps = _gaps(surface) ^ _gaps(mention.strip())
    if not gaps:
        return True
    key = fold(surface).key
    return all(kind(key[i - 1]) != kind(key[i]) or kind(key[i]) == "symbol" for i in gaps)


def _gaps(text: str) -> set[int]:
    """Before which characters of its key TEXT has white space."""
    gaps, n = set(), 0
    for word in text.split():
        n += len(fold(word).key)
        gaps.add(n)
    return gaps - {n}


def _ending_cost(a: str, b: str) -> int | None:
    """How many letters of ending set two forms of a word apart; None if they are no forms of one word."""
    if a == b:
        return 0
    if not (a[0].isalpha() and b[0].isalpha()):
        return None
    n_shared = len(commonprefix([a, b]))
    short, long = sorted((len(a) - n_shared, len(b) - n_shared))
    if short == 0:
        fits = n_shared >= 4 and long <= min(5, n_shared) or n_shared == 3 and long <= 2
    else:
        fits = n_shared >= 6 and long <= 3 and n_shared >= 0.7 * (n_shared + long)
    return short + long if fits else None


def _edits(word: str) -> int:
    """In how many letters another word may differ and still be WORD misspelt."""
    return max(1, len(word) // LETTERS_PER_EDIT) if len(word) >= SHORTEST_FUZZY else 0


def _digits(key: str) -> str:
    return "".join(c for c in key if c.isdigit())
