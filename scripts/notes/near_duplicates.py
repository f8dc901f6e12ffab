"""Notes that say almost the same: which of them share most of their runs of five words."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from .ngrams import words_of
from .note import Note

N_WORDS = 5
N_HASHES = 128


@dataclass(frozen=True)
class Pair:
    """Two notes by their ids, and the Jaccard similarity of their runs of words."""

    left: str
    right: str
    similarity: float


class Alike:
    """Texts that can be asked which of them are at least THRESHOLD alike another one.

    Candidates come from MinHash LSH (datasketch), looser than THRESHOLD to miss few; the similarity is exact.
    """

    def __init__(self, threshold: float):
        from datasketch import MinHashLSH

        self._threshold = threshold
        self._index = MinHashLSH(threshold=min(0.6 * threshold, 0.9), num_perm=N_HASHES)
        self._runs: dict[Hashable, set[str]] = {}

    def add(self, key: Hashable, text: str) -> None:
        """Know TEXT by KEY from now on."""
        self._runs[key] = _runs(text)
        self._index.insert(key, _min_hash(self._runs[key]))

    def find(self, text: str) -> list[tuple[Hashable, float]]:
        """The keys of the texts that are alike TEXT, and how much."""
        own = _runs(text)
        found = [(key, _jaccard(own, self._runs[key])) for key in self._index.query(_min_hash(own))]
        return [(key, similarity) for key, similarity in found if similarity >= self._threshold]


def near_duplicates(left: Sequence[Note], right: Sequence[Note], threshold: float = 0.5) -> list[Pair]:
    """The pairs of a note of LEFT and one of RIGHT that are at least THRESHOLD alike, the most alike first."""
    index = Alike(threshold)
    for i, note in enumerate(left):
        index.add(i, note.text)
    pairs = [Pair(left[i].id, note.id, similarity) for note in right for i, similarity in index.find(note.text)]
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.left, pair.right))


def firsts(notes: Sequence[Note], threshold: float) -> list[int]:
    """The places of the NOTES that are not THRESHOLD alike, or more, to one before them that is among these itself."""
    index, kept = Alike(threshold), []
    for i, note in enumerate(notes):
        if not index.find(note.text):
            index.add(i, note.text)
            kept.append(i)
    return kept


def _jaccard(left: set[str], right: set[str]) -> float:
    return len(left & right) / len(left | right)


def _runs(text: str) -> set[str]:
    """The runs of five words of TEXT, without case; a shorter text is one run."""
    words = words_of(text)
    return {" ".join(words[i : i + N_WORDS]) for i in range(max(1, len(words) - N_WORDS + 1))}


def _min_hash(runs: set[str]):
    from datasketch import MinHash

    sketch = MinHash(num_perm=N_HASHES)
    sketch.update_batch([run.encode() for run in runs])
    return sketch
