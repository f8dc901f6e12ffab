"""G1: direct identifiers of private, holdout and gold patients in the synthetic notes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import spacy

from scripts.notes.note import Note

from .check import Evidence, Result
from .collect import IdentifierPolicy
from .figures import exceeds, share
from .keys import HARD, MIN_PART, Identifiers, keys_of
from .marks import Place, marks_in
from .normalize import Token, searchable, tokenize
from .search import Finder, Hit

MEANING = (
    "Somebody who reads the released notes could meet a private patient's record number, telephone, e-mail, street, "
    "birth date or full name, even misspelt by one character, or one of a patient whose notes the generator never had. "
    "A pass proves nothing for identifiers that are not on "
    "the list: see its recall, and how many values cannot be searched for. Birth dates and misspellings occur among "
    "strangers, too: where the holdout notes hold them as often, they do not show that the generator remembers, and no "
    "note with one of them is released all the same."
)
OF_OTHERS = "identifier: of a holdout or gold patient"
AS_OFTEN = " (as often as in the holdout)"


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
        """FAIL names the notes to mend; INCONCLUSIVE if no identifier of the private notes is known."""
        leaks = leaks_of(self.identifiers, evidence)
        manners = {id: sorted({hit.manner for hit in hits}) for id, hits in leaks.hits.items() if hits}
        parts = [note.id for note in evidence.synthetic if leaks.rare_parts_in(note)]
        others = find_others(self.identifiers, evidence)
        of_others = [id for id, hits in others.hits.items() if hits]
        beyond_chance = {*of_others, *(parts if self.fail_on_name_parts else ())}
        by_chance = {id for id, found in manners.items() if leaks.by_chance.keys() >= set(found)} - beyond_chance
        offenders = dict.fromkeys(of_others, OF_OTHERS)
        offenders |= dict.fromkeys(parts, "identifier: part of a name") if self.fail_on_name_parts else {}
        offenders |= {
            id: f"identifier: {', '.join(found)}{AS_OFTEN if id in by_chance else ''}" for id, found in manners.items()
        }
        n = len(evidence.synthetic)
        figures = {
            "n_identifiers": dict(leaks.known.n_values),
            "n_unsearchable": dict(leaks.known.n_unsearchable),
            "n_excused": len(leaks.excused),
            "notes_with_identifier": share(len(manners), n),
            "notes_by_kind": dict(sorted(Counter(m for found in manners.values() for m in found).items())),
            "notes_by_chance": leaks.by_chance,
            "notes_with_part_of_a_name": share(len(parts), n),
            "n_identifiers_of_others": dict(others.known.n_values),
            "notes_with_identifier_of_others": share(len(of_others), n),
            "recall_of_the_list": recall_of_list(self.identifiers, evidence.private),
        }
        verdict = "FAIL" if offenders else "PASS" if leaks.known.n_values else "INCONCLUSIVE"
        meaning = "Not decided: no identifier of the private notes is known." if verdict == "INCONCLUSIVE" else MEANING
        marks = {
            note.id: marks_in(
                note, [*leaks.places_in(note), *((h.kind, h.first, h.last) for h in others.hits[note.id])]
            )
            for note in evidence.synthetic
            if note.id in offenders
        }
        marks = {id: found for id, found in marks.items() if found}
        return Result(
            self.id, self.name, verdict, figures, meaning, offenders, marks=marks, by_chance=frozenset(by_chance)
        )


@dataclass(frozen=True)
class Found:
    """Which of the identifiers KNOWN stand in each synthetic note and are not EXCUSED; BY_CHANCE is `_by_chance`'s."""

    known: Identifiers
    excused: frozenset[str]
    hits: Mapping[str, list[Hit]]
    by_chance: Mapping[str, dict[str, Any]]


class Leaks:
    """Which identifiers of the private notes stand in the synthetic notes and are not excused.

    `excused` is what the holdout notes hold as well (a doctor, a ward's telephone) or a public list of names; never a
    number or address that the record system knows as a private patient's own. `by_chance` are the manners of hit that
    the holdout notes have as often: no evidence that the generator remembers, but each may be a patient's for all that.
    """

    def __init__(self, policy: IdentifierPolicy, evidence: Evidence):
        self.known = policy.collect(evidence.private)
        control = [tokenize(searchable(note)) for note in evidence.holdout]
        found = _find(policy, self.known, control, evidence.synthetic)
        self.excused, self.hits, self.by_chance = found.excused, found.hits, found.by_chance
        self._held = {token.text for tokens in control for token in tokens}
        self._parts = self.known.parts - self._held
        self._rare = self._parts - policy.public_parts()

    def parts_in(self, note: Note) -> list[int]:
        """The indices of NOTE's tokens that are a given name or surname of the list and stand in no holdout note."""
        return [i for i, token in enumerate(tokenize(searchable(note))) if token.text in self._parts]

    def rare_parts_in(self, note: Note) -> list[int]:
        """As `parts_in`, without what is in a public list."""
        return [i for i, token in enumerate(tokenize(searchable(note))) if token.text in self._rare]

    def places_in(self, note: Note) -> list[Place]:
        """Where NOTE has what a surrogate should replace: hits, rare parts, and all words of a name that was hit."""
        hits, tokens = self.hits[note.id], tokenize(searchable(note))
        named = {tokens[i].text for hit in hits if hit.kind == "name" for i in range(hit.first, hit.last + 1)}
        echoes = {word for word in named - self._held if len(word) >= MIN_PART and word.isalpha()}
        parts = [i for i, token in enumerate(tokens) if token.text in self._rare | echoes]
        return [*((hit.kind, hit.first, hit.last) for hit in hits), *(("name", i, i) for i in parts)]


def leaks_of(policy: IdentifierPolicy, evidence: Evidence) -> Leaks:
    """The `Leaks` by POLICY in EVIDENCE, looked for once: G1 and G2 need the same, and it takes most of their time."""
    for key, leaks in evidence.memo:
        if key == policy:
            return leaks
    leaks = Leaks(policy, evidence)
    evidence.memo.append((policy, leaks))
    return leaks


def find_others(policy: IdentifierPolicy, evidence: Evidence) -> Found:
    """Which identifiers of holdout and gold patients stand in the synthetic notes and are not excused.

    The generator never saw these patients: what it writes of them is chance, and what is no chance came another way (an
    opening, a list, a slot, a mistaken file), which copies it as it is. So misspellings and parts of names do not
    count, and the private notes take the part that the holdout has for `Leaks`: what they hold as well is a doctor or a
    ward that the generator may have learned, and is G1's to judge as theirs; never excused is a number or address that
    the record system knows as a holdout or gold patient's own. Birth dates that the private notes hold as often are
    left out.
    """
    known = policy.collect([*evidence.holdout, *evidence.gold])
    control = [tokenize(searchable(note)) for note in evidence.private]
    found = _find(policy, known, control, evidence.synthetic, near=False)
    hits = {id: [hit for hit in hits if hit.manner not in found.by_chance] for id, hits in found.hits.items()}
    return replace(found, hits=hits)


def _find(
    policy: IdentifierPolicy,
    known: Identifiers,
    control: Sequence[Sequence[Token]],
    synthetic: Sequence[Note],
    near: bool = True,
) -> Found:
    """What of KNOWN stands in SYNTHETIC, less what the notes CONTROL, of other patients, hold as well."""
    finder = Finder(known, policy.month_names, near)
    held = [finder.find(tokens) for tokens in control]
    own = {key for key in known.own if known.keys[key] in HARD}
    public = policy.public_keys() & set(known.keys)
    excused = frozenset((public | {hit.key for hits in held for hit in hits if hit.exact}) - own)
    found = {note.id: finder.find(tokenize(searchable(note))) for note in synthetic}
    hits = {id: [hit for hit in hits if hit.key not in excused] for id, hits in found.items()}
    return Found(known, excused, hits, _by_chance(list(hits.values()), held))


def _by_chance(synthetic: list[list[Hit]], control: list[list[Hit]]) -> dict[str, dict[str, Any]]:
    """The manners of hit that both sides have, SYNTHETIC not significantly more often, with the shares of notes."""
    sides = [[{h.manner for h in hits if h.may_be_chance} for hits in side] for side in (synthetic, control)]
    in_synthetic, in_control = (Counter(m for manners in side for m in manners) for side in sides)
    return {
        manner: {"synthetic": share(count, len(synthetic)), "holdout": share(in_control[manner], len(control))}
        for manner, count in in_synthetic.items()
        if in_control[manner] and not exceeds(count, len(synthetic), in_control[manner], len(control))
    }


def recall_of_list(policy: IdentifierPolicy, notes: Iterable[Note]) -> dict[str, Any]:
    """By kind, how many identifiers that human labels mark would be found without the labels: what other notes hide."""
    notes = list(notes)
    finder = Finder(policy.collect(notes, with_labels=False), policy.month_names, near=False)
    found: Counter[str] = Counter()
    n: Counter[str] = Counter()
    for kind, value in {pair for note in notes for pair in policy.labelled(note)}:
        if keys_of(kind, value):
            n[kind] += 1
            found[kind] += bool(finder.find(tokenize(value)))
    return {kind: share(found[kind], n[kind]) for kind in sorted(n)}
