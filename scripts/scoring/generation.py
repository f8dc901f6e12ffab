"""The report on what a generator wrote: private against synthetic notes in numbers, without a word of any note.

The one exception are names that three private patients or more have in common: control values and headings.
"""

import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from scripts.notes.headings import Heading, headings_in
from scripts.notes.lazy import Mapped, Picked
from scripts.notes.near_duplicates import near_duplicates
from scripts.notes.ngrams import NgramModel, words_of
from scripts.notes.note import ENTITIES, Note

from .distributions import (
    control_distributions,
    heading_distribution,
    names_nobody,
    recognised,
    shared_by_patients,
    spread,
)
from .diversity import distinct, novelty, self_bleu

NEAR_COPY = 0.5  # of the runs of five words of two notes, as the gate counts them
N_COMPARED = 5_000  # notes of a side at most where each is compared or classified
N_BLEU = 200  # each note against all others: time grows with the square
N_WORDS = 100_000  # of a side for distinct-n
ORDER = 3  # words that the held-out model sees at once
N_RESAMPLES = 1000
N_TOGETHER = 1000  # notes whose words are in memory at once
DIGITS = 4

Sides = Mapping[str, Sequence[Note]]


def describe_generation(
    private: Sequence[Note],
    holdout: Sequence[Note],
    synthetic: Sequence[Note],
    asked: Sequence[Mapping[str, Any]],
    rejected: Mapping[str, int],
    seed: int,
) -> dict[str, Any]:
    """Numbers on SYNTHETIC notes beside the PRIVATE ones, as JSON; HOLDOUT is the measure of what other patients have.

    ASKED are the control values of all texts that were drawn, REJECTED how many of these were unfit, by reason. What
    needs equally many notes or words, and what is learned from notes, is taken from samples, drawn with SEED; all else
    is counted note by note, so that memory does not grow with the notes.
    """
    rng = random.Random(seed)
    sides = {"private": private, "synthetic": synthetic}
    samples = {side: _sample(notes, rng) for side, notes in {**sides, "holdout": holdout}.items()}
    control = control_distributions(private, asked, synthetic)
    told = {side: samples[side] for side in ("holdout", "synthetic")}
    for key, found in control.items():
        found["recognised"] = None if key == ENTITIES else recognised(samples["private"], told, key)
    n_words = {side: _per_note(notes, lambda note: len(words_of(note.text))) for side, notes in sides.items()}
    report = {
        "n_notes": {"private": len(private), "holdout": len(holdout), "synthetic": len(synthetic)},
        "drawn": {"n": len(asked), "rejected": dict(rejected)},
        "control": control,
        "length_in_words": {side: spread(numbers) for side, numbers in n_words.items()},
        "sections": _sections(sides, holdout, control),
        "diversity": _diversity(sides, {side: int(numbers.sum()) for side, numbers in n_words.items()}, rng),
        "mentions_not_in_private": novelty(synthetic, private) if any(n.spans for n in synthetic) else None,
        "near_duplicates": _near_duplicates(samples),
        "held_out_model": _held_out_model(samples["holdout"], sides, seed),
    }
    return rounded(report)


def rounded(value: Any) -> Any:
    """VALUE with all numbers of few decimals: no figure looks like somebody's number."""
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def _sample(notes: Sequence[Note], rng: random.Random) -> Sequence[Note]:
    """N_COMPARED of NOTES at most, in their order."""
    return Picked(notes, sorted(rng.sample(range(len(notes)), min(len(notes), N_COMPARED))))


def _per_note(notes: Sequence[Note], count: Callable[[Note], int]) -> np.ndarray:
    return np.fromiter(map(count, notes), dtype=np.int64, count=len(notes))


def _sections(sides: Sides, holdout: Sequence[Note], control: Collection[str]) -> dict[str, Any]:
    sections: dict[str, Sequence[list[Heading]]] = {
        side: Mapped(lambda note: headings_in(note.text), notes) for side, notes in sides.items()
    }
    private = Mapped(lambda note: (note, headings_in(note.text)), sides["private"])
    n_sections = {side: _per_note(group, len) for side, group in sections.items()}
    shared = shared_by_patients((note.patient, s.words) for note, own in private for s in own)
    may_name = names_nobody(chain(sides["private"], holdout), control, shared)
    return {
        "per_note": {side: spread(numbers) for side, numbers in n_sections.items()},
        "empty": {
            side: {"count": sum(s.is_empty for own in group for s in own), "n": int(n_sections[side].sum())}
            for side, group in sections.items()
        },
        "headings": heading_distribution(private, sections["synthetic"], may_name),
    }


def _diversity(sides: Sides, lengths: Mapping[str, int], rng: random.Random) -> dict[str, Any]:
    """Distinct-n of equally many words, and self-BLEU of equally many notes, of either side; LENGTHS in words."""
    n_words = min(N_WORDS, *lengths.values())
    n_notes = min(N_BLEU, *map(len, sides.values()))
    words = {side: _drawn_words(notes, n_words, n_notes, rng) for side, notes in sides.items()}
    return {
        "n_words": n_words,
        "distinct": {str(n): {side: distinct(texts, n, n_words) for side, texts in words.items()} for n in (1, 2, 3)},
        "n_notes": n_notes,
        "self_bleu": {side: self_bleu(texts[:n_notes]) for side, texts in words.items()},
    }


def _drawn_words(notes: Sequence[Note], n_words: int, n_notes: int, rng: random.Random) -> list[list[str]]:
    """The words of as many of NOTES as have N_WORDS together, and of N_NOTES at least, in an order that is drawn."""
    drawn: list[list[str]] = []
    for i in rng.sample(range(len(notes)), len(notes)):
        if n_words <= 0 and len(drawn) >= n_notes:
            break
        drawn.append(words_of(notes[i].text))
        n_words -= len(drawn[-1])
    return drawn


def _near_duplicates(samples: Sides) -> dict[str, Any]:
    """How many synthetic notes have a near copy among their own, the private, and the holdout notes."""
    counted = {}
    for other, notes in samples.items():
        pairs = near_duplicates(notes, samples["synthetic"], NEAR_COPY)
        is_own = other == "synthetic"
        copies = {pair.right for pair in pairs if not (is_own and pair.left == pair.right)}
        counted[other] = {"count": len(copies), "n": len(samples["synthetic"]), "n_compared_with": len(notes)}
    return {"threshold": NEAR_COPY} | counted


def _held_out_model(holdout: Sequence[Note], sides: Sides, seed: int) -> dict[str, Any] | None:
    """Bits a word of each side under an n-gram model of HOLDOUT, with 95 % intervals over resampled notes.

    All words that the holdout does not have are one to the model; how many they are stands beside.
    """
    model = NgramModel(([_spelled(word) for word in words_of(note.text)] for note in holdout), ORDER)
    described: dict[str, Any] = {"order": ORDER, "n_notes": len(holdout)}
    for side, notes in sides.items():
        bits, lengths, n_unknown = _bits(model, notes)
        if not lengths.sum() or not holdout:
            return None
        random = np.random.default_rng(seed)
        draws = (random.integers(len(notes), size=len(notes)) for _ in range(N_RESAMPLES))
        resampled = [bits[draw].sum() / max(1, lengths[draw].sum()) for draw in draws]
        described[side] = {
            "bits_per_word": float(bits.sum() / lengths.sum()),
            "ci95": [float(bound) for bound in np.percentile(resampled, [2.5, 97.5])],
            "unknown_words": {"count": n_unknown, "n": int(lengths.sum())},
        }
    return described


def _bits(model: NgramModel, notes: Sequence[Note]) -> tuple[np.ndarray, np.ndarray, int]:
    """What each of NOTES costs under MODEL, in bits; its words; and how many words, of all, the model does not know."""
    bits, lengths, n_unknown = [np.empty(0)], [np.empty(0, np.int64)], 0
    for texts in _in_batches([_spelled(word) for word in words_of(note.text)] for note in notes):
        of_texts, of_words = model.bits(texts)
        bits.append(of_texts)
        lengths.append(of_words)
        n_unknown += sum(not model.knows(word) for text in texts for word in text)
    return np.concatenate(bits), np.concatenate(lengths), n_unknown


def _in_batches(texts: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    texts = iter(texts)
    while batch := list(islice(texts, N_TOGETHER)):
        yield batch


def _spelled(word: str) -> str:
    """WORD, its numbers as 0: which number it is, nobody could tell."""
    return re.sub(r"\d+", "0", word)
