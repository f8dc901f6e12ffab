"""What private and synthetic notes have how often: control values, headings, lengths. Nothing rare by its name."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from math import log
from operator import itemgetter
from typing import Any

import numpy as np

from scripts.notes.headings import Heading
from scripts.notes.lazy import Mapped
from scripts.notes.ngrams import words_of
from scripts.notes.note import ENTITIES, NO_ENTITIES, Note

N_PATIENTS = 3  # what so many have in common identifies none of them
N_HEADINGS = 20  # named, the most frequent first
RARE = "(rare)"  # all that fewer patients have


def control_distributions(
    private: Sequence[Note], asked: Sequence[Mapping[str, Any]], synthetic: Sequence[Note]
) -> dict[str, Any]:
    """For each control key of ASKED how often each value is in PRIVATE, was asked for, and is in SYNTHETIC.

    Of ENTITIES each label is a value, delivered where the synthetic note has a span of it. A value that fewer than
    three private patients have counts as RARE. `tvd` is the total variation distance of two of these distributions.
    """
    keys = list(dict.fromkeys(key for meta in asked for key in meta))
    described = {}
    for key in keys:
        shared = _shared_values(private, key)
        counts = {
            "private": _count((_values(note, key) for note in private), shared),
            "requested": _count((_values_asked(meta, key) for meta in asked), shared),
            "delivered": _count((_values(note, key) for note in synthetic), shared),
        }
        values = sorted(set().union(*counts.values()), key=lambda value: (value == RARE, value))
        described[key] = {
            "values": {value: {side: counts[side][value] for side in counts} for value in values},
            "tvd": {
                "requested_delivered": variation(counts["requested"], counts["delivered"]),
                "private_delivered": variation(counts["private"], counts["delivered"]),
            },
        }
    return described


def recognised(
    train: Sequence[Note], notes: Mapping[str, Sequence[Note]], key: str
) -> dict[str, dict[str, int]] | None:
    """On each side of NOTES, in how many notes of how many the value of the control KEY can be told from the text.

    Told by naive Bayes on the words of the TRAIN notes; `most_frequent` is what would be right for the value that they
    have most often. Values of fewer than three patients are left out; None where fewer than two values are left.
    """
    shared = _shared_values(train, key)
    if len(shared) < 2:
        return None

    def labelled(group: Iterable[Note]) -> Iterator[tuple[set[str], str]]:
        return ((set(words_of(n.text)), str(n.meta[key])) for n in group if str(n.meta.get(key)) in shared)

    classify = naive_bayes(labelled(train))
    values = (str(note.meta.get(key)) for note in train)
    usual = Counter(value for value in values if value in shared).most_common(1)[0][0]
    told = {}
    for side, group in notes.items():
        counts = told[side] = {"count": 0, "most_frequent": 0, "n": 0}
        for words, value in labelled(group):
            counts["count"] += classify(words) == value
            counts["most_frequent"] += value == usual
            counts["n"] += 1
    return told


def naive_bayes(labelled: Iterable[tuple[set[str], str]]) -> Callable[[set[str]], str]:
    """A classifier of sets of words, learned from LABELLED: multinomial, one added to each count (Laplace)."""
    n_notes, counts = Counter(), defaultdict(Counter)
    for words, value in labelled:
        n_notes[value] += 1
        counts[value].update(words)
    vocabulary = set().union(*counts.values())
    sizes = {value: counts[value].total() + len(vocabulary) for value in n_notes}

    def score(words: set[str], value: str) -> float:
        return log(n_notes[value]) + sum(log((counts[value][word] + 1) / sizes[value]) for word in words)

    return lambda words: max(sorted(n_notes), key=lambda value: score(words & vocabulary, value))


def heading_distribution(
    private: Sequence[tuple[Note, Sequence[Heading]]],
    synthetic: Sequence[Sequence[Heading]],
    may_name: Callable[[str], bool],
) -> dict[str, Any]:
    """The share of private and synthetic notes that have each of the most frequent headings, and of sections the rest.

    Named are headings that three private patients have and that MAY_NAME agrees to. `tvd` compares the sections of both
    sides, with all that is not named as one.
    """
    shared = shared_by_patients((note.patient, s.words) for note, sections in private for s in sections)
    sides = {"private": Mapped(itemgetter(1), private), "synthetic": synthetic}
    n_notes = {
        side: Counter(h for own in group for h in {s.words for s in own} & shared) for side, group in sides.items()
    }
    frequent = sorted(filter(may_name, shared), key=lambda heading: (-n_notes["private"][heading], heading))
    named = frequent[:N_HEADINGS]
    of_sections = {
        side: Counter(s.words if s.words in named else RARE for own in group for s in own)
        for side, group in sides.items()
    }
    return {
        "n_notes": {side: len(group) for side, group in sides.items()},
        "n_sections": {side: counts.total() for side, counts in of_sections.items()},
        "notes_with": {heading: {side: n_notes[side][heading] for side in sides} for heading in named},
        "sections_not_named": {side: counts[RARE] for side, counts in of_sections.items()},
        "tvd": variation(of_sections["private"], of_sections["synthetic"]),
    }


def names_nobody(
    notes: Iterable[Note], keys: Iterable[str], headings: Iterable[str] | None = None
) -> Callable[[str], bool]:
    """Whether a heading is none of the mentions and meta values of NOTES, nor a part of one, nor one of it.

    Meta of KEYS, which every prompt shows, is not looked at. With HEADINGS nothing is held that has no word in common
    with these, and no other may be asked about.
    """
    known: dict[str, set[str]] = defaultdict(set)
    keys = set(keys)
    asked = None if headings is None else {word for heading in headings for word in heading.split()}
    for note in notes:
        mentions = [note.mention(span) for span in (*(note.spans or ()), *note.identifiers)]
        for value in (*mentions, *(str(value) for key, value in note.meta.items() if key not in keys)):
            words = [word for word in words_of(value) if not word.isdigit()]
            for word in words if asked is None else asked.intersection(words):
                known[word].add(f" {' '.join(words)} ")

    def is_free(heading: str) -> bool:
        spaced = f" {heading} "
        near = {value for word in heading.split() for value in known.get(word, ())}
        return not any(spaced in value or value in spaced for value in near)

    return is_free


def shared_by_patients(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """What stands beside three patients or more in PAIRS of patient and thing."""
    patients: dict[str, tuple[str, ...]] = {}  # N_PATIENTS of each at most
    for patient, thing in pairs:
        found = patients.get(thing, ())
        if len(found) < N_PATIENTS and patient not in found:
            patients[thing] = (*found, patient)
    return {thing for thing, found in patients.items() if len(found) == N_PATIENTS}


def variation(left: Mapping[Hashable, int], right: Mapping[Hashable, int]) -> float | None:
    """The total variation distance of two distributions given as counts, 0 to 1; None where one of them is empty."""
    n_left, n_right = sum(left.values()), sum(right.values())
    if not n_left or not n_right:
        return None
    things = {*left, *right}
    return sum(abs(left.get(t, 0) / n_left - right.get(t, 0) / n_right) for t in things) / 2


def spread(values: Sequence[float]) -> dict[str, Any]:
    """The mean and quantiles of VALUES with their n; neither the smallest nor the largest, which are one note's."""
    if not len(values):
        return {"n": 0}
    names = ("q05", "q25", "median", "q75", "q95")
    quantiles = np.percentile(values, (5, 25, 50, 75, 95))
    described = dict(zip(names, (round(float(q), 1) for q in quantiles), strict=True))
    return {"n": len(values), "mean": round(float(np.mean(values)), 1)} | described


def _shared_values(notes: Iterable[Note], key: str) -> set[str]:
    return shared_by_patients((note.patient, value) for note in notes for value in _values(note, key))


def _values(note: Note, key: str) -> list[str]:
    return note.labels if key == ENTITIES else _value(note.meta, key)


def _values_asked(meta: Mapping[str, Any], key: str) -> list[str]:
    if key == ENTITIES:
        return [label for label in meta.get(key, NO_ENTITIES).split() if label != NO_ENTITIES]
    return _value(meta, key)


def _value(meta: Mapping[str, Any], key: str) -> list[str]:
    return [] if meta.get(key) in (None, "") else [str(meta[key])]


def _count(values: Iterable[list[str]], shared: set[str]) -> Counter[str]:
    return Counter(value if value in shared else RARE for found in values for value in found)
