"""What makes a generated text unfit to be a note."""

import re
from collections import Counter


def reason_to_reject(text: str, finish_reason: str, min_words: int, seen: set[str]) -> str | None:
    """Why TEXT is no note (empty, NUL, truncated, loop, duplicate), or None; a text that is fit is added to SEEN."""
    words = re.findall(r"\w+", text.lower())
    if len(words) < min_words:
        return "empty"
    if "\x00" in text:  # a byte-level model can write it; no later step reads such a note
        return "NUL"
    if finish_reason == "length":
        return "truncated"
    if repeats_itself(words):
        return "loop"
    key = " ".join(words)
    if key in seen:
        return "duplicate"
    seen.add(key)
    return None


def repeats_itself(words: list[str], n: int = 4, share: float = 0.25) -> bool:
    """Whether more than SHARE of the n-grams of WORDS are repetitions of an earlier one."""
    grams = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    total = sum(grams.values())
    return total > 0 and (total - len(grams)) / total > share
