"""G3: rare combinations of facts that single a person out, link what is known of them, or tell what is not."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import spacy

from scripts.notes.note import Note

from .attributes import DETAILS, Attribute, AttributePolicy
from .check import Evidence, Result
from .figures import excess_risk, fisher, share
from .normalize import searchable

MEANING = (
    "Somebody who knows facts of a person, or meets a rare combination of facts, could use the released notes to "
    "single that person out, to link two things known of them, or to infer a third: the regulator's three questions "
    "(Article 29 Working Party, Opinion 05/2014). Each attack is made on private patients and on holdout patients, of "
    "whom the generator knew nothing; the risk is what it finds beyond the holdout's rate. A pass does not show that "
    "facts told in other words single nobody out, nor that another attacker, who knows more, would not do better."
)
SINGLED_OUT = "singled out: a rare combination"
_BREAK = re.compile(r"[.!?]\s+|\n+")


@spacy.registry.misc("clinical.g3_combinations.v1")
@dataclass(frozen=True)
class RareCombinations:
    """ "I know what is rare about somebody: does one of these notes tell of that person, and what else does it tell?"

    A note breaks the check if it shares facts of `max_kinds` kinds (age, sex, date, rare detail), one of them rare, or
    `max_rare` rare facts with one private patient, and nobody else has them all. Of the attacks, singling out takes
    `n_known` rare facts of one note, and the other two a match by `n_matching`. The upper 95 % bound on each risk must
    be at most `max_risk`, by at least `min_holdout` holdout patients; with `bound_decides` false only p-values decide.
    """

    attributes: AttributePolicy
    max_kinds: int
    max_rare: int
    n_known: int
    n_matching: int
    max_risk: float
    min_holdout: int
    bound_decides: bool
    id: ClassVar[str] = "G3"
    name: ClassVar[str] = "singling out, linkability, inference"

    def __call__(self, evidence: Evidence) -> Result:
        """FAIL with offenders for single notes; INCONCLUSIVE where the bounds decide and are too high; p an attack."""
        people = People(self.attributes, evidence)
        released = Released(people, evidence.synthetic)
        singled_out, offenders = self._single_out(people, released)
        draw = random.Random(evidence.seed)
        targets = [draw.choice(notes) for notes in people.notes]
        successes = {
            "singling_out": [person in singled_out for person in range(len(targets))],
            "linkability": [self._links(target, people, released) for target in targets],
            "inference": [self._infers(target, people, released, draw) for target in targets],
        }
        n, n_holdout = people.n_private, len(targets) - people.n_private
        counts = {name: (sum(hits[:n]), n, sum(hits[n:]), n_holdout) for name, hits in successes.items()}
        attacks = {
            name: {"private": share(*four[:2]), "holdout": share(*four[2:]), "risk": excess_risk(*four)}
            for name, four in counts.items()
        }
        highest = max(attack["risk"]["ci95"][1] for attack in attacks.values())
        is_shown = all(self._is_shown(attack["risk"], n_holdout) for attack in attacks.values())
        figures: dict[str, Any] = {
            **attacks,
            "max_risk": self.max_risk,
            "rare_facts_per_patient": round(people.n_rare / len(targets), 1),
            "notes_with_rare_combination": share(len(offenders), len(evidence.synthetic)),
        }
        verdict = "FAIL" if offenders else "PASS" if is_shown or not self.bound_decides else "INCONCLUSIVE"
        doubt = f"Not decided: by {n_holdout} holdout patients a risk may be {highest:.3f}. "
        meaning = doubt + MEANING if verdict == "INCONCLUSIVE" else MEANING
        # Among thousands a difference can be significant and yet below what the policy allows.
        open_ones = [name for name, attack in attacks.items() if not self._is_shown(attack["risk"], n_holdout)]
        p_values = {name: fisher(*counts[name]) for name in open_ones}
        offending = {evidence.synthetic[i].id: SINGLED_OUT for i in offenders}
        return Result(self.id, self.name, verdict, figures, meaning, offending, p_values)

    def _is_shown(self, risk: dict[str, Any], n_holdout: int) -> bool:
        """Whether RISK is bounded as low as the policy wants it."""
        return risk["ci95"][1] <= self.max_risk and n_holdout >= self.min_holdout

    def _single_out(self, people: "People", released: "Released") -> tuple[set[int], list[int]]:
        """The people whom some note singles out, and the notes that do so by a combination that no note may have."""
        singled_out, offenders = set(), []
        for i, facts in enumerate(released.facts):
            is_offender = False
            for person in people.candidates(facts):
                shared = facts & people.facts[person]
                n_rare = sum(fact in people.holders for fact in shared)
                is_known = n_rare >= self.n_known
                is_barred = n_rare >= self.max_rare or people.count_kinds(shared) >= self.max_kinds
                if (is_known or is_barred) and people.having(shared) == [person]:
                    singled_out |= {person} if is_known else set()
                    is_offender |= is_barred and person < people.n_private
            offenders += [i] if is_offender else []
        return singled_out, offenders

    def _links(self, target: Note, people: "People", released: "Released") -> bool:
        """Whether both halves of TARGET have one best match, and the same."""
        first, second = (released.best_match(people.rare_in(half), self.n_matching) for half in halves(target.text))
        return first is not None and first == second

    def _infers(self, target: Note, people: "People", released: "Released", draw: random.Random) -> bool:
        """Whether the note that matches best what is known of TARGET, all rare facts but one, has that one as well."""
        rare = sorted(people.rare_in(target.text))
        if not rare:
            return False
        secret = draw.choice(rare)
        match = released.best_match([fact for fact in rare if not people.tells(fact, secret)], self.n_matching)
        return match is not None and secret in released.facts[match]


class People:
    """The patients of T, then those of H, by number, with their facts by number: ages, sexes, dates and rare details.

    `holders` maps each rare fact to the people who have it. T and H count alike in what is rare and in who is singled
    out, so that the chance of an attack is the same for both, whatever their sizes.
    """

    def __init__(self, policy: AttributePolicy, evidence: Evidence):
        self._policy = policy
        by_patient: dict[tuple[bool, str], list[Note]] = defaultdict(list)
        for is_holdout, side in ((False, evidence.private), (True, evidence.holdout)):
            for note in side:
                by_patient[is_holdout, note.patient].append(note)
        self.notes = list(by_patient.values())
        self.n_private = sum(not is_holdout for is_holdout, _ in by_patient)
        self._numbers: dict[Attribute, int] = {}
        stated = [self._number(notes) for notes in self.notes]
        n_people = Counter(fact for facts in stated for fact in facts)
        self._attributes = list(self._numbers)
        kept = {
            fact
            for fact, (kind, _) in enumerate(self._attributes)
            if kind not in DETAILS or n_people[fact] <= policy.max_patients
        }
        self._numbers = {attribute: fact for attribute, fact in self._numbers.items() if fact in kept}
        self.facts = [frozenset(kept.intersection(facts)) for facts in stated]
        self.holders: dict[int, list[int]] = defaultdict(list)
        for person, facts in enumerate(self.facts):
            for fact in facts:
                if n_people[fact] <= policy.max_patients and self._attributes[fact][0] not in ("age", "sex"):
                    self.holders[fact].append(person)
        self.n_rare = sum(map(len, self.holders.values()))

    def known(self, note: Note) -> frozenset[int]:
        """The facts of NOTE that are people's ages, sexes and dates, or rare."""
        return self._known(self._policy.of_note(note))

    def rare_in(self, text: str) -> frozenset[int]:
        """The rare facts in TEXT."""
        return frozenset(fact for fact in self._known(self._policy.of_text(text)) if fact in self.holders)

    def candidates(self, facts: Collection[int]) -> set[int]:
        """The people who share a rare fact with FACTS."""
        return {person for fact in facts for person in self.holders.get(fact, ())}

    def having(self, facts: Collection[int]) -> list[int]:
        """The people who have all of FACTS, of which one is rare."""
        rare = next(fact for fact in facts if fact in self.holders)
        return [person for person in self.holders[rare] if self.facts[person].issuperset(facts)]

    def count_kinds(self, facts: Collection[int]) -> int:
        """How many kinds FACTS are of; values and words are one kind, as notes on one topic share several."""
        return len({"detail" if kind in DETAILS else kind for kind, _ in (self._attributes[f] for f in facts)})

    def tells(self, fact: int, secret: int) -> bool:
        """Whether FACT is SECRET, or its value: who knows "furosemide 40" knows of furosemide."""
        _, word = self._attributes[secret]
        kind, text = self._attributes[fact]
        return fact == secret or (kind == "value" and text.startswith(f"{word} "))

    def _number(self, notes: Sequence[Note]) -> list[int]:
        # Sorted: the numbers, and with them what is drawn, must not depend on the order of a set.
        stated = sorted({attribute for note in notes for attribute in self._policy.of_note(note)})
        return [self._numbers.setdefault(attribute, len(self._numbers)) for attribute in stated]

    def _known(self, stated: Collection[Attribute]) -> frozenset[int]:
        return frozenset(self._numbers[attribute] for attribute in stated if attribute in self._numbers)


class Released:
    """The synthetic notes' facts, as far as they are people's, and which note matches some facts best."""

    def __init__(self, people: People, notes: Sequence[Note]):
        # Everything that would be released counts: the id and the meta as well.
        self.facts = [people.known(replace(note, text=searchable(note))) for note in notes]
        self._having: dict[int, list[int]] = defaultdict(list)
        for i, facts in enumerate(self.facts):
            for fact in facts & people.holders.keys():
                self._having[fact].append(i)

    def best_match(self, rare: Collection[int], n_matching: int) -> int | None:
        """The note that has the most of the facts RARE, at least N_MATCHING; None if there is none or a draw."""
        n_shared = Counter(i for fact in rare for i in self._having.get(fact, ()))
        (best, most), (_, second) = [*n_shared.most_common(2), (-1, 0), (-1, 0)][:2]
        return best if most >= n_matching and most > second else None


def halves(text: str) -> Iterator[str]:
    """The two halves of TEXT, parted at the end of the sentence or line that is nearest to its middle."""
    breaks = [match.end() for match in _BREAK.finditer(text)] or [match.end() for match in re.finditer(r"\s", text)]
    middle = min(breaks, key=lambda at: abs(at - len(text) / 2), default=0)
    yield text[:middle]
    yield text[middle:]
