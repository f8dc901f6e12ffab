"""What is asked for more often, or less, than the notes have it: values of control keys, and rare labels."""

from collections import Counter
from collections.abc import Mapping, Sequence

from scripts.notes.errors import UserError
from scripts.notes.note import Note

Shares = Mapping[str, Mapping[str, float]]  # control key -> value -> the share of requests that should have it


def weights_of(notes: Sequence[Note], wanted: Shares, rare_labels: float = 0.0) -> list[float] | None:
    """How often each of NOTES is to count where requests are drawn from them; None: all alike.

    Values named in WANTED get their shares, the others of that key what is left, as the notes have them; keys are
    weighed one by one, so that the shares of several are met only where these are independent. A labelled note counts
    the more the rarer its rarest label is: as the inverse of the share of labelled notes with it, to the power
    RARE_LABELS. A UserError for a value that no note has.
    """
    if not wanted and not rare_labels:
        return None
    weights = [1.0] * len(notes)
    for key, shares in wanted.items():
        counts = Counter(str(note.meta.get(key)) for note in notes)
        each = _weight_of_values(key, shares, counts)
        others = _weight_of_others(key, shares, counts)
        weights = [w * each.get(str(note.meta.get(key)), others) for w, note in zip(weights, notes, strict=True)]
    if rare_labels:
        having = Counter(label for note in notes for label in note.labels)
        n_labelled = sum(note.spans is not None for note in notes)
        for i, note in enumerate(notes):
            if note.spans:
                weights[i] *= (n_labelled / min(having[label] for label in note.labels)) ** rare_labels
    if not sum(weights):
        raise UserError(f"[generator.writing.wanted]: no note has the values of {', '.join(wanted)}", "Ask for others")
    return weights


def _weight_of_values(key: str, shares: Mapping[str, float], counts: Counter[str]) -> dict[str, float]:
    for value, share in shares.items():
        if not 0 <= share <= 1:
            raise UserError(f"[generator.writing.wanted.{key}] {value} = {share:g} is no share", "Give one from 0 to 1")
        if not counts[value]:
            raise UserError(
                f"[generator.writing.wanted.{key}]: no note has the value {value}",
                "Nothing can be learned of it: ask for a value that some notes have",
            )
    return {value: share / counts[value] for value, share in shares.items()}


def _weight_of_others(key: str, shares: Mapping[str, float], counts: Counter[str]) -> float:
    left = 1 - sum(shares.values())
    if left < -1e-9:
        raise UserError(f"the shares in [generator.writing.wanted.{key}] are more than 1 together", "Lower some")
    n_others = counts.total() - sum(counts[value] for value in shares)
    if left > 1e-9 and not n_others:
        raise UserError(
            f"the shares in [generator.writing.wanted.{key}] leave {left:.0%}, and no note has another value",
            "Let them add up to 1",
        )
    return max(0.0, left) / n_others if n_others else 0.0
