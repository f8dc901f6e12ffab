"""What makes a generated text unfit to be a note."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.notes.headings import headings_in
from scripts.notes.near_duplicates import Alike
from scripts.notes.ngrams import NgramModel

ORDER = 4  # characters that the model of a language sees at once
N_PARTS = 5
MIN_CHARACTERS = 5_000  # of fewer no language can be learned
MAX_CHARACTERS = 1_000_000  # more teach nothing new


@dataclass(frozen=True)
class Limits:
    """What a text must have, or not exceed, to be a note.

    MIN_WORDS. NEAR_COPY: two notes that share this part of their runs of five words are near copies, and the second is
    rejected; above 1 none is. MAX_EXCESS_BITS a character above what the private notes cost (`Language`).
    MAX_EMPTY_SECTIONS: the share of a note's sections; 1 rejects none.
    """

    min_words: int = 20
    near_copy: float = 0.5
    max_excess_bits: float = 0.5
    max_empty_sections: float = 1.0


class Filter:
    """Says of one text after the other whether it is fit; remembers the fit ones, to know their copies."""

    def __init__(self, limits: Limits, texts: Sequence[str], seed: int):
        """TEXTS are in the language that is asked for: the private notes, with slots if the generator writes slots."""
        self._limits = limits
        self._language = Language(texts, seed)
        self._seen: set[str] = set()
        self._alike = Alike(limits.near_copy)

    def reason(self, text: str, finish_reason: str) -> str | None:
        """Why TEXT is no note: `reason_to_reject`, duplicate, language or near-duplicate; None for one that is fit."""
        words = re.findall(r"\w+", text.lower())
        if reason := reason_to_reject(text, words, finish_reason, self._limits):
            return reason
        if (key := " ".join(words)) in self._seen:
            return "duplicate"
        if self._language.excess_bits(text) > self._limits.max_excess_bits:
            return "language"
        if self._alike.find(text):
            return "near-duplicate"
        self._seen.add(key)
        self._alike.add(len(self._seen), text)
        return None


def reason_to_reject(text: str, words: list[str], finish_reason: str, limits: Limits) -> str | None:
    """Why TEXT by itself, whose words in lower case are WORDS, is no note; None if it may be one.

    The reasons: empty, NUL, truncated, loop, empty sections.
    """
    if len(words) < limits.min_words:
        return "empty"
    if "\x00" in text:  # a byte-level model can write it; no later step reads such a note
        return "NUL"
    if finish_reason == "length":
        return "truncated"
    if repeats_itself(words):
        return "loop"
    sections = headings_in(text)
    if sum(section.is_empty for section in sections) > limits.max_empty_sections * len(sections):
        return "empty sections"
    return None


def repeats_itself(words: list[str], n: int = 4, share: float = 0.25) -> bool:
    """Whether more than SHARE of the n-grams of WORDS are repetitions of an earlier one."""
    grams = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    total = sum(grams.values())
    return total > 0 and (total - len(grams)) / total > share


class Language:
    """The language of some TEXTS, whatever it is, as a model of their characters.

    Needs no list of languages: clinical shorthand is in none. A text is compared with the TEXTS themselves, each fifth
    of them under a model of the others: what all but one in a hundred cost at most, in bits a character, is what the
    language costs. Measured on the shipped notes, with 25 English ones: 0.5 bits more than that has none of 240 others,
    114 of 120 in Spanish, Swedish or Estonian (with 100, all), and 37 of 120 that change into one of these half-way.
    Letters without sense cost as much as a foreign language, and are rejected with it.
    """

    def __init__(self, texts: Sequence[str], seed: int):
        spelled = _sample(texts, seed)
        self._model: NgramModel | None = None
        if len(spelled) < N_PARTS or sum(map(len, spelled)) < MIN_CHARACTERS:
            return
        self._model = NgramModel(spelled, ORDER)
        costs = []
        for part in range(N_PARTS):
            others = NgramModel((text for i, text in enumerate(spelled) if i % N_PARTS != part), ORDER)
            bits, lengths = others.bits(spelled[part::N_PARTS])
            costs += list(bits / lengths)
        self._usual = float(np.quantile(costs, 0.99))

    def excess_bits(self, text: str) -> float:
        """What a character of TEXT costs above the usual; negative if less, 0 where no language could be learned."""
        spelled = spell(text)
        if self._model is None or not spelled:
            return 0.0
        bits, _ = self._model.bits([spelled])
        return float(bits[0]) / len(spelled) - self._usual


def spell(text: str) -> str:
    """TEXT in lower case, each number as 0 and all white space as one blank."""
    return re.sub(r"\s+", " ", re.sub(r"\d+", "0", text.casefold())).strip()


def _sample(texts: Sequence[str], seed: int) -> list[str]:
    """As many of TEXTS, drawn with SEED, as MAX_CHARACTERS allow, spelled; none that is empty."""
    kept, n_characters = [], 0
    for i in random.Random(seed).sample(range(len(texts)), len(texts)):
        if n_characters >= MAX_CHARACTERS:
            break
        if text := spell(texts[i]):
            kept.append(text)
            n_characters += len(text)
    return kept
