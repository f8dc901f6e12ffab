"""G2: word-for-word runs of the private notes in the synthetic ones."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import spacy

from scripts.notes.note import Note, Span

from .check import Evidence, Result, Verdict
from .collect import IdentifierPolicy
from .figures import quantiles, share
from .identifiers import leaks_of
from .marks import Place, marks_in
from .normalize import searchable, tokenize
from .overlap import Excess, Tokens, count_grams, gap_lcs, measure_excess, number_tokens, run_lengths

MEANING = (
    "Somebody who reads the released notes could meet passages copied from a private note, recognise the case, or "
    "learn which phrases stood in it. What the holdout notes hold as well (letterheads, stock phrases) is not counted. "
    "A pass does not show that a case told in other words is safe, nor that a rare combination of facts is."
)
LONG_RUN, RUN_WITH_IDENTIFIER = "verbatim: a long run", "verbatim: a run holding an identifier"


@spacy.registry.misc("clinical.g2_verbatim.v1")
@dataclass(frozen=True)
class VerbatimRuns:
    """ "I know a passage of somebody's record, or hope to meet one: are there sentences that were copied from it?"

    A run of `max_run` tokens fails, one of `max_run_with_identifier` if it holds an identifier, and 8-gram recall whose
    excess over the holdout's may be above `max_excess`. Fewer than `min_holdout` patients are too little evidence.
    `n_lcs_notes` notes are measured as paper A did.
    """

    identifiers: IdentifierPolicy
    max_run: int
    max_run_with_identifier: int
    max_excess: float
    min_holdout: int
    n_lcs_notes: int
    id: ClassVar[str] = "G2"
    name: ClassVar[str] = "verbatim runs"

    def __call__(self, evidence: Evidence) -> Result:
        """FAIL with offenders for copied runs; without, FAIL or INCONCLUSIVE for the excess of 8-grams over holdout."""
        notes = [evidence.private, evidence.holdout]
        # A synthetic note's control meta is some private note's by design: nothing is compared with private meta.
        texts = ((tokenize(note.text) for note in group) for group in notes)
        private, holdout, synthetic = number_tokens(*texts, (tokenize(searchable(n)) for n in evidence.synthetic))
        runs = private_runs(synthetic, private, holdout)
        offenders, marks = self._offenders(evidence, synthetic, runs)
        in_synthetic = [run_lengths(side, synthetic) for side in (private, holdout)]
        excess = {
            n: measure_excess(
                *(
                    _by_patient(group, count_grams(tokens, lengths, n))
                    for group, tokens, lengths in zip(notes, (private, holdout), in_synthetic, strict=True)
                ),
                seed=evidence.seed,
            )
            for n in (5, 8)
        }
        n_patients = len({note.patient for note in evidence.holdout})
        longest = [int(runs[synthetic.of_note(i)].max(initial=0)) for i in range(synthetic.n_notes)]
        reasons = Counter(offenders.values())
        figures = {
            "longest_run_tokens": quantiles(longest),
            "notes_with_long_run": share(reasons[LONG_RUN], synthetic.n_notes),
            "notes_with_run_holding_identifier": share(reasons[RUN_WITH_IDENTIFIER], synthetic.n_notes),
            "recall_8grams": _figures(excess[8], evidence),
            "paper_b_recall_5grams": _figures(excess[5], evidence),
            "paper_a_gap_lcs_tokens": quantiles(self._gap_lcs(synthetic, private, evidence.seed)),
        }
        verdict = "FAIL" if offenders else self._judge(excess[8], n_patients)
        low, high = excess[8].ci95
        doubt = f"Not decided: by {n_patients} holdout patients the excess lies between {low:.4f} and {high:.4f}. "
        meaning = doubt + MEANING if verdict == "INCONCLUSIVE" else MEANING
        return Result(self.id, self.name, verdict, figures, meaning, offenders, marks=marks)

    def _offenders(
        self, evidence: Evidence, synthetic: Tokens, runs: np.ndarray
    ) -> tuple[dict[str, str], dict[str, tuple[Span, ...]]]:
        """The notes with runs that are too long, and in their texts the identifiers in such runs."""
        leaks = leaks_of(self.identifiers, evidence)
        offenders, marks = {}, {}
        for i, note in enumerate(evidence.synthetic):
            lengths = runs[synthetic.of_note(i)]
            if lengths.max(initial=0) < min(self.max_run, self.max_run_with_identifier):
                continue
            places: list[Place] = [(hit.kind, hit.first, hit.last) for hit in leaks.hits[note.id]]
            places += [("name", token, token) for token in leaks.parts_in(note)]
            starts = np.flatnonzero(lengths >= self.max_run_with_identifier)
            in_runs = [p for p in places if any(s <= p[1] and p[2] < s + lengths[s] for s in starts)]
            if lengths.max() >= self.max_run:
                offenders[note.id] = LONG_RUN
            elif in_runs:
                offenders[note.id] = RUN_WITH_IDENTIFIER
            if note.id in offenders and (found := marks_in(note, in_runs)):
                marks[note.id] = found
        return offenders, marks

    def _judge(self, excess: Excess, n_patients: int) -> Verdict:
        low, high = excess.ci95
        if low > self.max_excess:
            return "FAIL"
        return "PASS" if high <= self.max_excess and n_patients >= self.min_holdout else "INCONCLUSIVE"

    def _gap_lcs(self, synthetic: Tokens, private: Tokens, seed: int) -> list[float]:
        """Paper A's measure for a sample of the synthetic notes: it looks at every pair of tokens."""
        chosen = random.Random(seed).sample(range(synthetic.n_notes), min(self.n_lcs_notes, synthetic.n_notes))
        return [gap_lcs(synthetic.ids[synthetic.of_note(i)], private) for i in chosen]


def private_runs(synthetic: Tokens, private: Tokens, holdout: Tokens) -> np.ndarray:
    """For each synthetic token the longest run from there on that stands in PRIVATE and, as a whole, not in HOLDOUT."""
    in_private = run_lengths(synthetic, private)
    return np.where(in_private > run_lengths(synthetic, holdout), in_private, 0)


def _by_patient(notes: Sequence[Note], counts: np.ndarray) -> np.ndarray:
    """COUNTS summed over each patient's notes: patients are the independent units."""
    patients: dict[str, int] = {}
    row = [patients.setdefault(note.patient, len(patients)) for note in notes]
    summed = np.zeros((len(patients), 2))
    np.add.at(summed, row, counts)
    return summed


def _figures(excess: Excess, evidence: Evidence) -> dict[str, Any]:
    return {
        "private": round(excess.private, 5),
        "holdout": round(excess.holdout, 5),
        "excess": round(excess.value, 5),
        "excess_ci95": [round(bound, 5) for bound in excess.ci95],
        "permutation_p": round(excess.p, 4),
        "n_patients": [len({n.patient for n in side}) for side in (evidence.private, evidence.holdout)],
    }
