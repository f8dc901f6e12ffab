"""A long note in passages that a model can take one by one; text and offsets stay as they are."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, repeat

from .note import Note
from .rewrite import part_of

# Where a passage may end, best first: a blank line, a line, a sentence.
_ENDS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?;])\s"))

Offsets = tuple[int, int]


def cut_windows(
    text: str, words: Sequence[Offsets], most: int, lengths: Sequence[int] | None = None
) -> list[tuple[Offsets, slice]]:
    """Cut TEXT into passages of at most MOST of its WORDS; each as its offsets and which of WORDS are inside it.

    With LENGTHS, those of the words (such as their tokens in a language model), the lengths in a passage add up to at
    most MOST, but for a word that is longer by itself. A passage ends at the last blank line, line or sentence of its
    second half, and between two words only where there is none of these. Passages follow each other without gap or
    overlap.
    """
    sums = [0, *accumulate(lengths or repeat(1, len(words)))]
    passages: list[tuple[Offsets, slice]] = []
    first, start = 0, 0
    while first < len(words):
        last = max(first + 1, bisect_right(sums, sums[first] + most) - 1)
        if last < len(words):
            last = _best_cut(text, words, first, last)
        end = int(words[last][0]) if last < len(words) else len(text)
        passages.append(((start, end), slice(first, last)))
        first, start = last, end
    return passages


def cut_note(note: Note, max_words: int) -> list[Note]:
    """NOTE in passages of at most MAX_WORDS words (between blanks), with the spans that lie inside each."""
    words = [match.span() for match in re.finditer(r"\S+", note.text)]
    windows = [offsets for offsets, _ in cut_windows(note.text, words, max_words)]
    return [part_of(note, start, start + len(note.text[start:end].rstrip())) for start, end in windows]


def _best_cut(text: str, words: Sequence[Offsets], first: int, last: int) -> int:
    """The number of the word before which the passage of words FIRST to LAST should end."""
    middle = (first + last + 1) // 2
    gaps = [(number, text[words[number - 1][1] - 1 : words[number][0]]) for number in range(last, middle, -1)]
    for end in _ENDS:
        for number, gap in gaps:
            if end.search(gap):
                return number
    return last
