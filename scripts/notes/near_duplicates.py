"""Notes that say almost the same: which pairs of two sets share most of their runs of five words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .note import Note

N_WORDS = 5
N_HASHES = 128
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Pair:
    """Two notes by their ids, and the Jaccard similarity of their runs of words."""

    left: str
    right: str
    similarity: float


def near_duplicates(left: Sequence[Note], right: Sequence[Note], threshold: float = 0.5) -> list[Pair]:
    """The pairs of a note of LEFT and one of RIGHT that are at least THRESHOLD alike, the most alike first.

    Candidates come from MinHash LSH (datasketch), looser than THRESHOLD to miss few; the similarity is exact.
    """
    from datasketch import MinHashLSH

    runs = [_runs(note.text) for note in left]
    index = MinHashLSH(threshold=0.6 * threshold, num_perm=N_HASHES)
    for i, run in enumerate(runs):
        index.insert(i, _min_hash(run))
    pairs = []
    for note in right:
        own = _runs(note.text)
        for i in index.query(_min_hash(own)):
            similarity = len(own & runs[i]) / len(own | runs[i])
            if similarity >= threshold:
                pairs.append(Pair(left[i].id, note.id, similarity))
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.left, pair.right))


def firsts(notes: Sequence[Note], threshold: float) -> list[int]:
    """The places of the NOTES that are not THRESHOLD alike, or more, to one before them that is among these itself."""
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=0.6 * threshold, num_perm=N_HASHES)
    kept: dict[int, set[str]] = {}
    for i, note in enumerate(notes):
        own = _runs(note.text)
        sketch = _min_hash(own)
        if all(len(own & kept[j]) < threshold * len(own | kept[j]) for j in index.query(sketch)):
            index.insert(i, sketch)
            kept[i] = own
    return list(kept)


def _runs(text: str) -> set[str]:
    """The runs of five words of TEXT, without case; a shorter text is one run."""
    words = WORD.findall(text.casefold())
    return {" ".join(words[i : i + N_WORDS]) for i in range(max(1, len(words) - N_WORDS + 1))}


def _min_hash(runs: set[str]):
    from datasketch import MinHash

    sketch = MinHash(num_perm=N_HASHES)
    sketch.update_batch([run.encode() for run in runs])
    return sketch
