"""G1: direct identifiers of the private notes in the synthetic ones."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import spacy

from scripts.notes.note import Note

from .check import Evidence, Result
from .collect import IdentifierPolicy
from .figures import exceeds, share
from .keys import HARD, keys_of
from .normalize import searchable, tokenize
from .search import Finder, Hit

MEANING = (
    "Somebody who reads the released notes could meet a private patient's record number, telephone, e-mail, street, "
    "birth date or full name, even misspelt by one character. A pass proves nothing for identifiers that are not on "
    "the list: see its recall, and how many values cannot be searched for. Birth dates and misspellings count unless "
    "the holdout notes, which can have them by chance only, hold them as often."
)


@spacy.registry.misc("clinical.g1_identifiers.v1")
@dataclass(frozen=True)
class DirectIdentifiers:
    """ "I read the corpus, or search it for a person I know: is a name, a number, an address or a date there?"

    Single given names and surnames that are no public ones are counted; they fail with `fail_on_name_parts`, as in the
    shipped policies.
    """

    identifiers: IdentifierPolicy
    fail_on_name_parts: bool
    id: ClassVar[str] = "G1"
    name: ClassVar[str] = "direct identifiers"

    def __call__(self, evidence: Evidence) -> Result:
        """FAIL names the notes to drop; INCONCLUSIVE if no identifier of the private notes is known."""
        leaks = Leaks(self.identifiers, evidence)
        manners = {id: sorted({hit.manner for hit in hits}) for id, hits in leaks.hits.items() if hits}
        parts = [note.id for note in evidence.synthetic if leaks.has_rare_part(note)]
        offenders = {id: "identifier: " + ", ".join(found) for id, found in manners.items()}
        if self.fail_on_name_parts:
            offenders |= {id: "identifier: part of a name" for id in parts if id not in offenders}
        n = len(evidence.synthetic)
        figures = {
            "n_identifiers": dict(leaks.known.n_values),
            "n_unsearchable": dict(leaks.known.n_unsearchable),
            "n_excused": len(leaks.excused),
            "notes_with_identifier": share(len(manners), n),
            "notes_by_kind": dict(sorted(Counter(m for found in manners.values() for m in found).items())),
            "notes_by_chance": leaks.by_chance,
            "notes_with_part_of_a_name": share(len(parts), n),
            "recall_of_the_list": recall_of_list(self.identifiers, evidence.private),
        }
        verdict = "FAIL" if offenders else "PASS" if leaks.known.n_values else "INCONCLUSIVE"
        meaning = "Not decided: no identifier of the private notes is known." if verdict == "INCONCLUSIVE" else MEANING
        return Result(self.id, self.name, verdict, figures, meaning, offenders)


class Leaks:
    """Which identifiers of the private notes stand in the synthetic notes and are not excused.

    `excused` is what the holdout notes hold as well (a doctor, a ward's telephone) or a public list of names; never a
    number or address that the record system knows as a private patient's own. What may be chance counts unless the
    holdout notes have it too, and the synthetic ones not significantly more often (`by_chance`: how many of each).
    """

    def __init__(self, policy: IdentifierPolicy, evidence: Evidence):
        self.known = policy.collect(evidence.private)
        finder = Finder(self.known, policy.month_names)
        control = [tokenize(searchable(note)) for note in evidence.holdout]
        held = [finder.find(tokens) for tokens in control]
        own = {key for key in self.known.own if self.known.keys[key] in HARD}
        public = policy.public_keys() & set(self.known.keys)
        self.excused = (public | {hit.key for hits in held for hit in hits if hit.exact}) - own
        found = {note.id: finder.find(tokenize(searchable(note))) for note in evidence.synthetic}
        found = {id: [hit for hit in hits if hit.key not in self.excused] for id, hits in found.items()}
        self.by_chance = _by_chance(list(found.values()), held)
        self.hits = {id: [hit for hit in hits if hit.manner not in self.by_chance] for id, hits in found.items()}
        self._parts = self.known.parts - {token.text for tokens in control for token in tokens}
        self._rare = self._parts - policy.public_parts()

    def parts_in(self, note: Note) -> list[int]:
        """The indices of NOTE's tokens that are a given name or surname of the list and stand in no holdout note."""
        return [i for i, token in enumerate(tokenize(searchable(note))) if token.text in self._parts]

    def has_rare_part(self, note: Note) -> bool:
        """Whether NOTE has a given name or surname of the list that stands in no holdout note and no public list."""
        return any(token.text in self._rare for token in tokenize(searchable(note)))


def _by_chance(synthetic: list[list[Hit]], holdout: list[list[Hit]]) -> dict[str, dict[str, Any]]:
    """The manners of hit that both sides have, SYNTHETIC not significantly more often, with the shares of notes."""
    sides = [[{h.manner for h in hits if h.may_be_chance} for hits in side] for side in (synthetic, holdout)]
    in_synthetic, in_holdout = (Counter(m for manners in side for m in manners) for side in sides)
    return {
        manner: {"synthetic": share(count, len(synthetic)), "holdout": share(in_holdout[manner], len(holdout))}
        for manner, count in in_synthetic.items()
        if in_holdout[manner] and not exceeds(count, len(synthetic), in_holdout[manner], len(holdout))
    }


def recall_of_list(policy: IdentifierPolicy, notes: Iterable[Note]) -> dict[str, Any]:
    """By kind, how many identifiers that human labels mark are found without the labels: what other notes hide."""
    notes = list(notes)
    known = policy.collect(notes, with_labels=False)
    found: Counter[str] = Counter()
    n: Counter[str] = Counter()
    for kind, value in {pair for note in notes for pair in policy.labelled(note)}:
        if keys := keys_of(kind, value):
            n[kind] += 1
            found[kind] += bool(keys & set(known.keys))
    return {kind: share(found[kind], n[kind]) for kind in sorted(n)}
