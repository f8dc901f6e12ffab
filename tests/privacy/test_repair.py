"""Replacement: whole identifiers, the same throughout a note, by nobody's; labels move along; the rest stays."""

import random
import re
from dataclasses import replace

import pytest
from faker import Faker

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.privacy.check import Evidence
from scripts.privacy.gate import AGAIN, Policy, marks_of, run_gate
from scripts.privacy.marks import join_marks, marks_in
from scripts.privacy.repair import N_DRAWS, Draw, Replacement, Theirs, mend
from scripts.privacy.verbatim import RUN_WITH_IDENTIFIER

META = {
    "patient": "P-77-1",
    "name": "Zbigniew Öberg-Hallorann",
    "record": "HN 4821-0093",
    "born": "1951-03-12",
    "phone": "0271 440 918 26",
    "email": "z.oberg@quillon.example",
    "address": "14 Quillon Lane, Ashmere",
}
STORY = "Slept in the armchair since Easter with ankles swollen to the knee and crackles to both mid zones"
PRIVATE = (Note("p1", f"{META['name']} was seen. {STORY}.", None, META),)
HOLDOUT = (Note("h1", "Nobody was seen in the garden on Monday.", None, {"patient": "P-78"}),)


def evidence_of(*texts: str | Note) -> Evidence:
    notes = (text if isinstance(text, Note) else Note(f"s{i}", text) for i, text in enumerate(texts))
    return Evidence(PRIVATE, HOLDOUT, (), tuple(notes), {}, 0)


@pytest.fixture(scope="module")
def g1(policy):
    return policy.checks[1]


@pytest.fixture(scope="module")
def repair(identifiers, g1):
    """A function that mends the notes of evidence as far as G1 has marked them."""
    replacement = Replacement(identifiers, "sv_SE")
    return lambda evidence: replacement(evidence, marks_of([g1(evidence)]))


FORMS = {
    "Seen: Zbigniew Öberg-Hallorann today": r"Seen: [A-ZÅÄÖ]\w+ [A-ZÅÄÖ]\w+-[A-ZÅÄÖ]\w+ today",
    "Seen: ÖBERG-HALLORANN, ZBIGNIEW today": r"Seen: [A-ZÅÄÖ]+-[A-ZÅÄÖ]+, [A-ZÅÄÖ]+ today",
    "Seen: Zbig\u200bniew O\u0308berg-Hallorann today": r"Seen: [A-ZÅÄÖ]\w+ [A-ZÅÄÖ]\w+-[A-ZÅÄÖ]\w+ today",
    "Seen: Zbigniev Öberg-Hallorann today": r"Seen: [A-ZÅÄÖ]\w+ [A-ZÅÄÖ]\w+-[A-ZÅÄÖ]\w+ today",
    "Seen: Mr Hallorann today": r"Seen: Mr [A-ZÅÄÖ]\w+ today",
    "chart HN 4821-0093 here": r"chart HN \d{4}-\d{4} here",
    "chart 4-8-2-1-0-0-9-3 here": r"chart \d-\d-\d-\d-\d-\d-\d-\d here",
    "tel 0271 440\n918 26 here": r"tel \d{4} \d{3}\n\d{3} \d\d here",
    "mail Z.Oberg@Quillon.example now": r"mail [\w.+-]+@[\w.-]+ now",
    "at 14 Quillon Lane, Ashmere now": r"at \d\d \w+ \w+, \w+ now",
    "DOB 12/03/1951 here": r"DOB \d\d/\d\d/\d{4} here",
    "born on 12 March 1951 here": r"born on \d\d? March \d{4} here",
    "born 19510312 here": r"born \d{8} here",
}

GONE = ("zbig", "öberg", "hallorann", "4821", "0093", "0271", "440", "918", "quillon", "ashmere", "1951")


def test_every_identifier_becomes_another_of_its_form_which_g1_does_not_find(repair, g1):
    evidence = evidence_of(*FORMS)
    mended = repair(evidence)
    for note, form in zip(evidence.synthetic, FORMS.values(), strict=True):
        text = mended[note.id].text
        assert re.fullmatch(form, text), text
        assert not [word for word in GONE if word in text.casefold()], text
    assert g1(replace(evidence, synthetic=tuple(mended.values()))).verdict == "PASS"


def test_a_person_has_one_name_throughout_a_note_and_everything_else_stays(repair):
    text = "Dear Zbigniew Öberg-Hallorann, HN 4821-0093. MR HALLORANN took aspirin; Hallorann, Zbigniew: HN 4821-0093."
    marked = [("Zbigniew Öberg-Hallorann", "PERSON"), ("aspirin", "DRUG"), ("Zbigniew:", "PERSON")]
    spans = [Span(text.index(mention), text.index(mention) + len(mention), label) for mention, label in marked]
    (note,) = repair(evidence_of(Note("s0", text, tuple(sorted(spans)), {"genre": "letter"}))).values()
    form = r"Dear (\w+) (\w+)-(\w+), (HN \d{4}-\d{4})\. MR (\w+) took aspirin; (\w+), (\w+): (HN \d{4}-\d{4})\."
    given, _, surname, record, capitals, again, given_again, record_again = re.fullmatch(form, note.text).groups()
    assert (capitals, again, given_again, record_again) == (surname.upper(), surname, given, record)
    name = note.text[5 : note.text.index(", HN")]
    assert [(note.mention(s), s.label) for s in note.spans] == [
        (name, "PERSON"),
        ("aspirin", "DRUG"),
        (f"{given}:", "PERSON"),
    ]
    assert (note.id, note.meta) == ("s0", {"genre": "letter"})


def test_the_same_seed_gives_the_same_notes_whatever_others_there_are(repair):
    text = "Seen: Zbigniew Öberg-Hallorann"
    alone = repair(evidence_of(Note("x", text)))["x"]
    assert repair(evidence_of("tel 0271 440 918 26", Note("x", text)))["x"] == alone
    assert repair(replace(evidence_of(Note("x", text)), seed=1))["x"] != alone
    assert repair(evidence_of("nobody")) == {}


def test_an_identifier_beside_the_text_is_not_mended(repair):
    beside = Note("s0", "Seen: Mr Hallorann", None, {"opening": "of Zbigniew Öberg-Hallorann"})
    assert repair(evidence_of(beside, Note("HN 4821-0093", "x"))) == {}


def test_no_surrogate_is_somebodys(identifiers):
    """All names but one that the list has are somebody's; where all are, the note is given up."""
    fake = Faker("sv_SE")
    names = {"Ann", "Eve"}

    class Two:
        """Draws two names in turn, and is asked no more often than it must be."""

        def __init__(self):
            self.n = 0

        def get_providers(self):
            return fake.get_providers()

        def last_name(self):
            self.n += 1
            return sorted(names)[self.n % 2]

    class Finder:
        def __init__(self, taken):
            self.taken = taken

        def find(self, tokens):
            return [token for token in tokens if token.text in self.taken]

    for taken, made in ((["ann"], "Eve"), (["eve"], "Ann"), (["ann", "eve"], None)):
        for theirs in (Theirs(Finder(taken), frozenset()), Theirs(Finder([]), frozenset(taken))):
            draw = Draw(theirs, Two(), random.Random(0))
            assert draw("name", "Quillon") == made
    two = Two()
    assert Draw(Theirs(Finder(names), frozenset({"ann", "eve"})), two, random.Random(0))("name", "Quillon") is None
    assert two.n == N_DRAWS


def test_labels_that_would_overlap_leave_the_note_as_it_is():
    note = Note("s", "see Ann Lee now", (Span(0, 5, "A"), Span(6, 11, "B")))
    assert mend(note, (Span(4, 11, "name"),), lambda kind, mention: "Eve") is None
    inside = note.with_spans([Span(4, 7, "A"), Span(12, 15, "B")])
    mended = mend(inside, (Span(4, 11, "name"),), lambda kind, mention: "Eve Longer")
    assert mended.text == "see Eve Longer now"
    assert [mended.mention(span) for span in mended.spans] == ["Eve Longer", "now"]
    assert mend(inside, (Span(4, 11, "name"),), lambda kind, mention: None) is None


def test_marks_by_hand():
    note = Note("s", "see O\u0308 Lee now")
    assert marks_in(note, [("name", 1, 2), ("name", 2, 2)]) == (Span(4, 10, "name"),)
    assert marks_in(note, [("name", 1, 2), ("name", 4, 4)]) == ()  # the id
    overlapping = [Span(5, 9, "birth"), Span(0, 3, "name"), Span(0, 4, "number"), Span(3, 5, "name")]
    assert join_marks(overlapping) == (Span(0, 5, "number"), Span(5, 9, "birth"))


def test_a_locale_that_faker_lacks_is_named(identifiers):
    with pytest.raises(UserError, match="xx_YY"):
        Replacement(identifiers, "xx_YY")(evidence_of("x"), {"s0": [Span(0, 1, "name")]})


# The gate with G1 and G2


@pytest.fixture(scope="module")
def replacing(policy, identifiers) -> Policy:
    _, g1, g2, *_ = policy.checks
    checks = (g1, replace(g2, n_lcs_notes=1, max_excess=1.0, min_holdout=1))
    return replace(policy, required=("G1", "G2"), checks=checks, replacement=Replacement(identifiers, "sv_SE"))


@pytest.mark.slow
def test_a_run_that_holds_an_identifier_is_mended_and_a_longer_one_without_is_not(replacing):
    harmless = [f"Entirely other words number {i} about the weather." for i in range(4)]
    run = f"{META['name']} was seen. {STORY[:60]}"
    report = run_gate(replacing, evidence_of(f"So: {run}", *harmless))
    assert (report.verdict, report.replaced, report.dropped) == ("PASS", {"identifier: name": 1}, {})
    first = dict(report.first[2].offenders)
    assert first == {"s0": RUN_WITH_IDENTIFIER}
    assert report.released[0].text.endswith(f" was seen. {STORY[:60]}") and "Hallorann" not in report.released[0].text
    # The rest of the passage is a long run by itself: no surrogate mends it.
    long_run = replace(replacing, checks=(replacing.checks[0], replace(replacing.checks[1], max_run=8)))
    report = run_gate(long_run, evidence_of(f"So: {run}", *harmless))
    assert (report.verdict, report.replaced) == ("PASS", {}) and len(report.released) == 4
    assert set(report.dropped) == {f"verbatim: a long run{AGAIN}"}


@pytest.mark.slow
def test_nothing_of_the_patient_is_left_in_what_is_released(replacing):
    texts = [text for text in FORMS if "19510312" not in text]
    harmless = [f"Entirely other words number {i} about the weather." for i in range(len(texts))]
    report = run_gate(replace(replacing, max_dropped=0.6), evidence_of(*texts, *harmless))
    assert report.verdict == "PASS" and report.replaced.total() == len(texts) and not report.dropped
    released = " ".join(note.text for note in report.released)
    for secret in ("Zbig", "Hallorann", "4821-0093", "918 26", "quillon", "Quillon", "Ashmere", "12/03/1951"):
        assert secret not in released
    assert run_gate(replacing, evidence_of(*texts)).verdict == "FAIL"  # so many: the generator remembers
