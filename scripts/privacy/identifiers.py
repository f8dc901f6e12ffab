"""G1: direct identifiers of the private notes in the synthetic ones."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import spacy

from scripts.notes.note import Note

from .check import Evidence, Result
from .collect import HARD, IdentifierPolicy, Identifiers, keys_of
from .figures import share
from .normalize import searchable, tokenize
from .search import Finder, Hit

MEANING = (
    "Somebody who reads the released notes could meet a private patient's record number, telephone, e-mail, street, birth "
    "date or full name, even misspelt by one character. A pass proves nothing for identifiers that are not on the list: "
    "see its recall, and what was too short to search for."
)


@dataclass(frozen=True)
class DirectIdentifiers:
    """ "I read the corpus, or search it for a person I know: is a name, a number, an address or a birth date there?" """

    policy: IdentifierPolicy
    fail_on_name_parts: bool
    id: str = "G1"
    name: str = "direct identifiers"

    def __call__(self, evidence: Evidence) -> Result:
        """FAIL names the notes to drop; INCONCLUSIVE if no identifier of the private notes is known."""
        known = self.policy.collect(evidence.private)
        leaks = Leaks(self.policy, known, evidence.holdout)
        kinds = {note.id: leaks.kinds(note) for note in evidence.synthetic}
        by_kind = Counter(kind for found in kinds.values() for kind in found)
        parts = [note.id for note in evidence.synthetic if leaks.parts_in(note)]
        offenders = {id: "identifier: " + ", ".join(sorted(found)) for id, found in kinds.items() if found}
        if self.fail_on_name_parts:
            offenders |= {id: "identifier: part of a name" for id in parts if id not in offenders}
        n = len(evidence.synthetic)
        figures = {
            "n_identifiers": dict(known.n_values),
            "n_too_short_to_search": known.n_too_short,
            "n_excused": len(leaks.excused),
            "notes_with_identifier": share(sum(map(bool, kinds.values())), n),
            "notes_by_kind": dict(sorted(by_kind.items())),
            "notes_with_part_of_a_name": share(len(parts), n),
            "recall_of_the_list": recall_of_list(self.policy, evidence.private),
        }
        searched = sum(known.n_values.values())
        verdict = "FAIL" if offenders else "PASS" if searched and n else "INCONCLUSIVE"
        return Result(self.id, self.name, verdict, figures, MEANING, offenders)


class Leaks:
    """Tells which identifiers of KNOWN stand in a note and are not excused.

    Excused is what the HOLDOUT notes hold as well (a doctor, a ward's telephone, an ordinary date) or a public list of
    names; never a number or address that the record system knows as a private patient's own.
    """

    def __init__(self, policy: IdentifierPolicy, known: Identifiers, holdout: Sequence[Note]):
        self._finder = Finder(known, policy.month_names)
        control = [tokenize(searchable(note)) for note in holdout]
        held = {hit.key for tokens in control for hit in self._finder.find(tokens)}
        own = {key for key in known.own if known.keys[key] in HARD}
        self.excused = (held | (policy.public_keys() & set(known.keys))) - own
        self._parts = known.parts - {token.text for tokens in control for token in tokens}

    def hits(self, note: Note) -> list[Hit]:
        """The hits in all of NOTE that would be released."""
        return [hit for hit in self._finder.find(tokenize(searchable(note))) if hit.key not in self.excused]

    def kinds(self, note: Note) -> set[str]:
        """The kinds of identifier in NOTE; "near" marks those that are mistyped."""
        return {hit.kind if hit.exact else f"near {hit.kind}" for hit in self.hits(note)}

    def parts_in(self, note: Note) -> list[int]:
        """The indices of NOTE's tokens that are a given name or surname of the list and stand in no holdout note."""
        return [i for i, token in enumerate(tokenize(searchable(note))) if token.text in self._parts]


def recall_of_list(policy: IdentifierPolicy, notes: Iterable[Note]) -> dict[str, Any]:
    """By kind, how many identifiers that human labels mark are found without those labels: what unlabelled notes hide."""
    notes = list(notes)
    known = policy.collect(notes, with_labels=False)
    found: Counter[str] = Counter()
    n: Counter[str] = Counter()
    for kind, value in {pair for note in notes for pair in policy.labelled(note)}:
        if keys := keys_of(kind, value):
            n[kind] += 1
            found[kind] += bool(keys & set(known.keys))
    return {kind: share(found[kind], n[kind]) for kind in sorted(n)}


@spacy.registry.misc("clinical.g1_identifiers.v1")
def make_direct_identifiers(identifiers: IdentifierPolicy, fail_on_name_parts: bool = False) -> DirectIdentifiers:
    """G1 over the IDENTIFIERS' policy; single given names and surnames fail only if FAIL_ON_NAME_PARTS."""
    return DirectIdentifiers(identifiers, fail_on_name_parts)
