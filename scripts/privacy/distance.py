"""G7: whether synthetic notes lie nearer to the private notes than to the holdout notes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import spacy

from scripts.notes.near_duplicates import near_duplicates

from .check import Evidence, Result
from .figures import share
from .normalize import tokenize
from .overlap import Tokens, number_tokens

MEANING = (
    "A generator that remembers writes notes that lie nearer to the private notes than to the holdout notes: more than "
    "half of the ratios are below 1. Reported only: the distance to the nearest record is known to miss attacks that "
    "succeed (arXiv 2505.01524), so that good figures here prove nothing. Notes that have a near copy among the "
    "synthetic ones show how often the generator repeats itself."
)
N_FEATURES = 1024  # hashed: a cosine is off by 1 / sqrt(1024) = .03, on both sides alike
CHUNK = 512  # synthetic notes compared at a time
SAME = 1e-6  # distances below are rounding errors


@spacy.registry.misc("clinical.g7_distance.v1")
@dataclass(frozen=True)
class NeighbourDistance:
    """ "Which of these notes lie so near to a private note that they can only have been made from it?"

    At most `n_reference` private and as many holdout notes are drawn to compare with; two synthetic notes are near
    copies if they share the part `near_copy` of their runs of five words.
    """

    n_reference: int
    near_copy: float
    id: ClassVar[str] = "G7"
    name: ClassVar[str] = "nearest-neighbour distance"

    def __call__(self, evidence: Evidence) -> Result:
        """Always PASS: the ratio of the distances to the nearest private and the nearest holdout note is reported."""
        draw = random.Random(evidence.seed)
        n = min(len(evidence.private), len(evidence.holdout), self.n_reference)
        references = [draw.sample(side, n) for side in (evidence.private, evidence.holdout)]
        texts = ((tokenize(note.text) for note in group) for group in (*references, evidence.synthetic))
        nearest = nearest_distances(*number_tokens(*texts), seed=evidence.seed)
        ratios = np.divide(*np.maximum(nearest, SAME))
        pairs = near_duplicates(evidence.synthetic, evidence.synthetic, self.near_copy)
        copies = {id for pair in pairs if pair.left != pair.right for id in (pair.left, pair.right)}
        low, q05, median, q95 = (round(float(q), 3) for q in np.percentile(ratios, [0, 5, 50, 95]))
        figures: dict[str, Any] = {
            "n_reference": n,
            "notes_nearer_to_private": share(int((ratios < 1).sum()), len(ratios)),
            "ratio": {"n": len(ratios), "min": low, "q05": q05, "median": median, "q95": q95},
            "notes_with_near_copy": share(len(copies), len(evidence.synthetic)),
        }
        return Result(self.id, self.name, "PASS", figures, MEANING)


def nearest_distances(private: Tokens, holdout: Tokens, synthetic: Tokens, seed: int) -> np.ndarray:
    """For each synthetic note the distances to the nearest private (row 0) and the nearest holdout note (row 1).

    1 - cosine of TF-IDF vectors, whose features are hashed (Weinberger et al. 2009). Time grows with the product of the
    numbers of notes, which the caller bounds, but is that of a matrix product.
    """
    n_words = 1 + max(int(tokens.ids.max(initial=0)) for tokens in (private, holdout, synthetic))
    known = private.n_notes + holdout.n_notes
    n_holding = sum(np.bincount(_words(tokens)[1], minlength=n_words) for tokens in (private, holdout))
    weights = np.log((1 + known) / (1 + n_holding)) + 1
    random = np.random.default_rng(seed)
    hashing = random.integers(N_FEATURES, size=n_words), random.choice(np.float32([-1, 1]), size=n_words)
    sides = [np.concatenate(list(_vectors(tokens, weights, hashing))) for tokens in (private, holdout)]
    chunks = _vectors(synthetic, weights, hashing)
    return 1 - np.concatenate([[(chunk @ side.T).max(axis=1) for side in sides] for chunk in chunks], axis=1)


def _words(tokens: Tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each note's different tokens: the note, the token's number, how often."""
    base = int(tokens.ids.max(initial=0)) + 1
    pairs, counts = np.unique(tokens.note * base + tokens.ids, return_counts=True)
    return pairs // base, pairs % base, counts


def _vectors(tokens: Tokens, weights: np.ndarray, hashing: tuple[np.ndarray, np.ndarray]) -> Iterator[np.ndarray]:
    """The notes' vectors of length 1, a chunk at a time."""
    buckets, signs = hashing
    note, word, counts = _words(tokens)
    values = ((1 + np.log(counts)) * weights[word]).astype(np.float32) * signs[word]
    for first in range(0, tokens.n_notes, CHUNK):
        rows = slice(*np.searchsorted(note, [first, first + CHUNK]))
        vectors = np.zeros((min(CHUNK, tokens.n_notes - first), N_FEATURES), dtype=np.float32)
        np.add.at(vectors, (note[rows] - first, buckets[word[rows]]), values[rows])
        yield vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), SAME)
