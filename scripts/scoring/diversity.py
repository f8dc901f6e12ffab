"""How much texts repeat themselves and each other, and what in them is new."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import exp, log
from typing import Any

from scripts.notes.ngrams import words_of
from scripts.notes.note import Note

Words = Sequence[str]


def distinct(texts: Iterable[Words], n: int, n_words: int) -> float | None:
    """The share of different ones among the n-grams in the first N_WORDS words of TEXTS: distinct-n (Li et al. 2016).

    The more text, the fewer: compare equally many words. None where there is no n-gram.
    """
    grams: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        part = text[: max(0, n_words)]
        n_words -= len(part)
        grams.update(_grams(part, n))
    return len(grams) / grams.total() if grams else None


def self_bleu(texts: Sequence[Words], order: int = 4) -> float | None:
    """The mean BLEU of each of TEXTS with all others as its references (Zhu et al. 2018): 1 where all are the same.

    The more references, the higher: compare equally many texts. BLEU as Papineni et al. (2002) define it, with one
    added to matches and n-grams from n = 2 on (Lin and Och 2004). None for fewer than two texts.
    """
    texts = [text for text in texts if text]
    if len(texts) < 2:
        return None
    counts = [[Counter(_grams(text, n)) for text in texts] for n in range(1, order + 1)]
    most = [_two_highest(by_text) for by_text in counts]
    total = 0.0
    for i, text in enumerate(texts):
        logs = 0.0
        for n, (by_text, highest) in enumerate(zip(counts, most, strict=True), 1):
            own, added = by_text[i], int(n > 1)
            matches = sum(min(count, _in_others(highest[gram], i)) for gram, count in own.items())
            logs += log((matches + added) / (own.total() + added)) / order if matches + added else -float("inf")
        total += exp(logs + _brevity(len(text), [len(t) for j, t in enumerate(texts) if j != i]))
    return total / len(texts)


def novelty(notes: Iterable[Note], private: Iterable[Note]) -> dict[str, dict[str, int]]:
    """By label, and under "all", how many different mentions NOTES have (`n`), and how many no PRIVATE note (`count`).

    Mentions are compared by their words, without case. Labelled or not, a private note has what stands in its text.
    """
    mentions: dict[str, set[tuple[str, ...]]] = {}
    for note in notes:
        for span in note.spans or ():
            if words := tuple(words_of(note.mention(span))):
                mentions.setdefault(span.label, set()).add(words)
    every = set().union(*mentions.values())
    lengths = {len(mention) for mention in every}
    known: set[tuple[str, ...]] = set()
    for note in private:
        words = words_of(note.text)
        known.update(gram for n in lengths for gram in _grams(words, n) if gram in every)
    by_label = {"all": every} | dict(sorted(mentions.items()))
    return {label: {"count": len(found - known), "n": len(found)} for label, found in by_label.items()}


def _grams(words: Words, n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)


def _two_highest(by_text: Sequence[Counter[tuple[str, ...]]]) -> dict[Any, tuple[int, int, int]]:
    """For each n-gram the highest count in a text, the number of that text, and the highest in any other."""
    highest: dict[Any, tuple[int, int, int]] = {}
    for i, counts in enumerate(by_text):
        for gram, count in counts.items():
            first, owner, second = highest.get(gram, (0, -1, 0))
            highest[gram] = (count, i, first) if count > first else (first, owner, max(second, count))
    return highest


def _in_others(highest: tuple[int, int, int], i: int) -> int:
    first, owner, second = highest
    return second if owner == i else first


def _brevity(length: int, references: Sequence[int]) -> float:
    """The logarithm of the penalty for a text shorter than the reference that is nearest to it in length."""
    nearest = min(references, key=lambda other: (abs(other - length), other))
    return min(0.0, 1 - nearest / length)
