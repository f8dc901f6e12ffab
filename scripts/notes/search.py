"""Where a mention may stand in a text: as it is written, inflected, or misspelt."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import Literal

from .fold import CUT, DOT_ABOVE, edge, fold, kind

Manner = Literal["exact", "case", "whitespace", "inflected", "fuzzy"]
RANK: dict[Manner, int] = {"exact": 2, "case": 1, "whitespace": 1, "inflected": 0, "fuzzy": 0}
TOKEN = re.compile(r"(?:[^\W\d_][\u0300-\u036f]*)+|\d+|\S")
NUMBER = re.compile(r"\d+(?:[.,/]\d+)*")  # 2.5 is neither 25 nor 2 and 5
BREAK = re.compile(r"[.;:!?]\s|\n\s*\n")  # the end of a sentence or paragraph, which no mention spans unless it says so
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

    @cached_property
    def bare(self) -> str:
        """The key without accents; nothing for a symbol."""
        return "".join(c for c in self.key if c.isalnum())


class Searchable:
    """A text prepared for many searches."""

    def __init__(self, text: str):
        self.text = text
        self.folded = fold(text)
        self._window_keys: dict[int, list[str]] = {}

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
        for i in self._beginnings.get(wanted[0].key[:2], ()) if wanted else ():
            window = self.tokens[i : i + len(wanted)]
            if len(window) < len(wanted):
                break
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
        """Where MENTION stands misspelt, with other accents or other punctuation, the most alike first."""
        bare = mention.strip(" \t\r\n.,;:!?\"'“”‘’()[]{}*-")
        if bare and bare != mention and (hits := self.occurrences(bare)):
            return [replace(hit, manner="fuzzy", score=len(bare) / len(mention)) for hit in hits]
        wanted = [token for token in tokenize(mention) if token.bare]
        hits = [hit for n in (-1, 0, 1) if len(wanted) + n > 0 for hit in self._alike(bare, wanted, len(wanted) + n)]
        return sorted(hits, key=lambda hit: -hit.score)

    def _alike(self, mention: str, wanted: list[Token], n_words: int) -> Iterator[Hit]:
        """Windows of N_WORDS that read like MENTION, a string of the words WANTED, up to a few edits or a blank."""
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        key = "".join(token.bare for token in wanted)
        n_edits = _n_edits(key) if len(wanted) == n_words else min(1, _n_edits(key))
        found = process.extract_iter(key, self._windows(n_words), scorer=OSA.distance, score_cutoff=n_edits)
        for other, distance, i in found:
            window = self.words[i : i + n_words]
            surface = self.text[window[0].start : window[-1].end]
            pairs = zip(window, wanted, strict=True) if len(wanted) == n_words else ()
            if (
                all(OSA.distance(t.bare, w.bare) <= _n_edits(w.bare) for t, w in pairs)
                and NUMBER.findall(surface) == NUMBER.findall(mention)
                and not BREAK.search(surface)
            ):
                yield from self._hit(window, "fuzzy", 1 - distance / max(len(key), len(other)))

    def _hit(self, window: list[Token], manner: Manner, score: float) -> list[Hit]:
        start, end = window[0].start, window[-1].end
        edges = min(edge(self.text, start), edge(self.text, end))
        at_words = kind(self.text[start]) != "symbol" and kind(self.text[end - 1]) != "symbol"
        return [Hit(start, end, manner, edges, score)] if at_words and edges != CUT else []

    @cached_property
    def tokens(self) -> list[Token]:
        return tokenize(self.text)

    @cached_property
    def _beginnings(self) -> dict[str, list[int]]:
        """The tokens by the first two letters of their keys, which all forms of a word share."""
        tokens = defaultdict(list)
        for i, token in enumerate(self.tokens):
            tokens[token.key[:2]].append(i)
        return tokens

    @cached_property
    def words(self) -> list[Token]:
        return [token for token in self.tokens if token.bare]

    def _windows(self, n_words: int) -> list[str]:
        """What every N_WORDS words in a row read without blanks, accents and punctuation."""
        if n_words not in self._window_keys:
            words = [word.bare for word in self.words]
            self._window_keys[n_words] = ["".join(words[i : i + n_words]) for i in range(len(words) - n_words + 1)]
        return self._window_keys[n_words]


def tokenize(text: str) -> list[Token]:
    """The words, numbers and symbols of TEXT with their keys."""
    tokens = (Token(m.start(), m.end(), fold(m.group()).key) for m in TOKEN.finditer(text))
    return [token for token in tokens if token.key]  # a zero-width character has none


def _manner(surface: str, mention: str) -> Manner:
    if surface == mention:
        return "exact"
    surface, mention = (unicodedata.normalize("NFC", s) for s in (surface, mention.strip()))
    if surface == mention:
        return "exact"
    return "case" if _without_case(surface) == _without_case(mention) else "whitespace"


def _without_case(text: str) -> str:
    return unicodedata.normalize("NFD", text.casefold()).replace(DOT_ABOVE, "")


def _same_words(surface: str, mention: str) -> bool:
    """Whether two strings of one key have the same words: "5 mg" and "5mg" do, "an ion" and "anion" do not."""
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
    shared = [x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))]
    n_shared = sum(x.isalnum() for x in shared)
    short, long = sorted((a[len(shared) :], b[len(shared) :]), key=len)
    if not (a[0].isalpha() and b[0].isalpha() and any(c.isalpha() for c in long)) or short[-1:] == long[-1]:
        return None  # numbers and accents do not inflect, and where the last letters agree one is misspelt
    if short:
        fits = n_shared >= 5 and len(long) <= 3  # biops|y, biops|ies
    elif n_shared < 4:
        fits = n_shared >= 2 and long == "s"  # CT|s
    else:
        fits = len(long) <= min(5, n_shared // 2 + 1)  # operation|erna, but not chest|drain
    return len(short) + len(long) if fits else None


def _n_edits(word: str) -> int:
    """In how many letters a string may differ from WORD and still be WORD misspelt."""
    return max(1, len(word) // LETTERS_PER_EDIT) if len(word) >= SHORTEST_FUZZY else 0
