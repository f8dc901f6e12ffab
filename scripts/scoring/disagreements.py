"""Where a prediction and the gold part ways, span by span, for a reader."""

from dataclasses import dataclass

from scripts.notes.note import Note, Span


@dataclass(frozen=True)
class Disagreements:
    """Gold spans that no wrong prediction touches, wrong predictions that touch none, and those that do touch."""

    missed: tuple[Span, ...]
    invented: tuple[Span, ...]
    different: tuple[tuple[Span, tuple[Span, ...]], ...]  # a gold span, and the wrong predictions that overlap it

    @property
    def n_errors(self) -> int:
        """False negatives and false positives together, as the strict score counts them."""
        wrong = {span for _, overlapping in self.different for span in overlapping}
        return len(self.missed) + len(self.invented) + len(self.different) + len(wrong)


def find_disagreements(gold: Note, predicted: Note) -> Disagreements:
    """The disagreements of two notes with the same text."""
    golds, guesses = set(gold.spans or ()), set(predicted.spans or ())
    lost, wrong = sorted(golds - guesses), sorted(guesses - golds)
    overlaps = {span: tuple(w for w in wrong if max(w.start, span.start) < min(w.end, span.end)) for span in lost}
    touching = {w for overlapping in overlaps.values() for w in overlapping}
    return Disagreements(
        missed=tuple(span for span in lost if not overlaps[span]),
        invented=tuple(span for span in wrong if span not in touching),
        different=tuple((span, overlaps[span]) for span in lost if overlaps[span]),
    )
