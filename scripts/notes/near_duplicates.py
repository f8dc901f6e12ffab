"""Notes that say almost the same: which of them share most of their runs of five words."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from .ngrams import words_of
from .note import Note

if TYPE_CHECKING:
    import numpy as np

N_WORDS = 5
N_HASHES = 128
N_HELD = 5_000  # notes whose runs are in memory together, 8 bytes each; of all others there are sketches


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
        self._threshold = threshold
        self._index = _new_index(threshold)
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
    buckets = Buckets((note.text for note in chain(left, right)), len(left) + len(right), len(left), threshold)
    hashes_of = lru_cache(N_HELD)(lambda i: (left[i].id, _hashes(left[i].text)))
    pairs = []
    for place, note in enumerate(right, len(left)):
        if not (found := buckets.find(place)):
            continue
        own = _hashes(note.text)
        for id, hashes in map(hashes_of, found):
            if (similarity := _jaccard_of_hashes(own, hashes)) >= threshold:
                pairs.append(Pair(id, note.id, similarity))
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.left, pair.right))


def firsts(notes: Sequence[Note], threshold: float) -> list[int]:
    """The places of the NOTES that are not THRESHOLD alike, or more, to one before them that is among these itself."""
    buckets, kept = Buckets((note.text for note in notes), len(notes), len(notes), threshold), []
    hashes_of = lru_cache(N_HELD)(lambda i: _hashes(notes[i].text))
    for i in range(len(notes)):
        if any(_jaccard_of_hashes(hashes_of(i), hashes_of(other)) >= threshold for other in buckets.find(i)):
            buckets.leave_out(i)
        else:
            kept.append(i)
    return kept


class Buckets:
    """Which of N texts, all known beforehand, may be alike another one: 4 bytes a text and band are held, 0.2 KB.

    The candidates are those of `Alike`, in whose index a text takes 10 KB. Found are the first N_LISTED alone.
    """

    def __init__(self, texts: Iterable[str], n: int, n_listed: int, threshold: float):
        import numpy as np

        index = _new_index(threshold)
        self._before = np.empty((n, index.b), dtype=np.int32)
        keys = self._before.view(np.uint32)  # first a number for each band; different bands hardly ever share one
        factors = np.random.default_rng(0).integers(2**63, size=index.r, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        for i, text in enumerate(texts):
            bands = _min_hash(_runs(text)).hashvalues[: index.b * index.r].reshape(index.b, index.r)
            keys[i] = (bands.astype(np.uint64) * factors).sum(axis=1) >> np.uint64(32)
        for band in range(index.b if n else 0):
            self._before[:, band] = _last_before(keys[:, band], n_listed)
        self._is_in = bytearray(b"\1") * n

    def leave_out(self, i: int) -> None:
        """Find text I no more."""
        self._is_in[i] = False

    def find(self, i: int) -> list[int]:
        """The places of the listed texts before I that may be alike text I, in order."""
        found = set()
        for band in (self._before[i] >= 0).nonzero()[0].tolist():
            for at in self._chain(i, band):
                found.add(at)
        return sorted(found)

    def _chain(self, i: int, band: int) -> Iterator[int]:
        """All in the bucket before I; those left out are jumped over from now on."""
        before = self._before
        while (at := int(before[i, band])) >= 0:
            while at >= 0 and not self._is_in[at]:
                at = int(before[at, band])
            before[i, band] = at
            if at >= 0:
                yield at
            else:
                return
            i = at


def _new_index(threshold: float):
    from datasketch import MinHashLSH

    return MinHashLSH(threshold=min(0.6 * threshold, 0.9), num_perm=N_HASHES)


def _last_before(keys: "np.ndarray", n_listed: int) -> "np.ndarray":
    """For each of KEYS the place of the last one before it that is the same and among the first N_LISTED; or -1."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    places = np.arange(len(keys))
    ordered = keys[order]
    starts = np.maximum.accumulate(np.where(np.append(True, ordered[1:] != ordered[:-1]), places, 0))
    listed = np.maximum.accumulate(np.where(order < n_listed, places, -1))
    last = np.append(-1, listed[:-1])
    found = np.full(len(keys), -1, dtype=np.int32)
    found[order] = np.where(last >= starts, order[last], -1)
    return found


def _jaccard(left: set[str], right: set[str]) -> float:
    return len(left & right) / len(left | right)


def _jaccard_of_hashes(left: "np.ndarray", right: "np.ndarray") -> float:
    import numpy as np

    n_common = len(np.intersect1d(left, right, assume_unique=True))
    return n_common / (len(left) + len(right) - n_common)


def _hashes(text: str) -> "np.ndarray":
    """The runs of TEXT as numbers of 64 bits: no two of a corpus are the same by chance."""
    import numpy as np

    return np.array([hash(run) for run in _runs(text)], dtype=np.int64)


def _runs(text: str) -> set[str]:
    """The runs of five words of TEXT, without case; a shorter text is one run."""
    words = words_of(text)
    return {" ".join(words[i : i + N_WORDS]) for i in range(max(1, len(words) - N_WORDS + 1))}


def _min_hash(runs: set[str]):
    from datasketch import MinHash

    sketch = MinHash(num_perm=N_HASHES)
    sketch.update_batch([run.encode() for run in runs])
    return sketch
