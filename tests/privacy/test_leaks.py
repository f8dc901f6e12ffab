"""The gate against planted leaks: each must be caught, by the check that is meant to."""

import random
import unicodedata
from dataclasses import replace

import pytest

from scripts.notes.note import Note, Span
from scripts.privacy.check import Evidence
from scripts.privacy.faults import changed
from scripts.privacy.figures import share
from scripts.privacy.identifiers import AS_OFTEN, OF_OTHERS, recall_of_list
from scripts.privacy.verbatim import LONG_RUN, RUN_WITH_IDENTIFIER

NAME = "Zbigniew Öberg-Hallorann"
FILLER = "Reviewed on the ward this morning, comfortable."

G1_LEAKS = {
    "name alone": f"Thank you for seeing {NAME} today.",
    "case": "ZBIGNIEW OBERG HALLORANN",
    "no accents": "Zbigniew Oberg-Hallorann",
    "decomposed": unicodedata.normalize("NFD", NAME),
    "zero width": "Zbig\u200bniew Ö\u2060berg-Hallo\u00adrann",
    "spacing": "Zbigniew   Ö berg -\n  Hallorann",
    "surname first": "Öberg-Hallorann, Zbigniew",
    "mistyped name": "Zbigniev Öberg-Hallorann",
    "record": "chart 48210093",
    "record digit by digit": "4-8-2-1-0-0-9-3",
    "mistyped record": "HN 4821-0098",
    "phone over a line break": "0271 440\n918 26",
    "phone from abroad": "+46 271 440 918 26",
    "wide digits": "０２７１４４０９１８２６",
    "e-mail": "Z.OBERG @ quillon . example",
    "street": "14, Quillon-Lane",
    "birth date": "DOB 12/03/1951",
    "birth date in words": "nacido el 12 de marzo de 1951",
}
NAME_PARTS = {
    "another person": "Zbigniew Halloran, Greta Öberg",
    "surname alone": "Mr Hallorann",
}
HARMLESS = {
    "another number": "chart 5548210093 and 482100",
    "another date": "12/04/1951",
    "stock words": "three nights of breathlessness",
}


@pytest.fixture(scope="module")
def planted(clean, policy, victim) -> tuple[Evidence, dict[str, dict[str, str]]]:
    """The evidence with all leaks in it, and the offenders of each check."""
    words = victim.text.split()
    middle = " ".join(words[12:-14])  # no identifier in it
    leaks = {
        **G1_LEAKS,
        **NAME_PARTS,
        **HARMLESS,
        "whole note": victim.text,
        "50 tokens": " ".join(words[20:70]),
        "49 tokens": " ".join(words[20:69]),
        "13 tokens with a surname": "Hallorann, HN 9, tel. " + " ".join(words[-25:-13]),
        "13 tokens ending in the town": " ".join(words[-15:-1]),
        "10 % changed": changed(victim.text, 0.1, random.Random(0)),
        "20 % changed": changed(victim.text, 0.2, random.Random(0)),
        "middle, 20 % changed": changed(middle, 0.2, random.Random(0)),
        "upper case": " ".join(words[20:70]).upper(),
        "shuffled sentences": ". ".join(reversed(victim.text.replace("\n", " ").split(". "))),
    }
    notes = [Note(what, f"{FILLER} {text}") for what, text in leaks.items()]
    notes.append(Note("name in meta", FILLER, None, {"opening": f"about {NAME}"}))
    notes.append(Note(f"{NAME} 1", FILLER))
    evidence = replace(clean, synthetic=(*clean.synthetic, *notes))
    _, g1, g2, *_ = policy.checks
    return evidence, {check.id: dict(check(evidence).offenders) for check in (g1, replace(g2, n_lcs_notes=1))}


@pytest.mark.slow
@pytest.mark.parametrize("leak", [*G1_LEAKS, "name in meta", f"{NAME} 1", "whole note", "10 % changed", "20 % changed"])
def test_identifiers_are_caught_by_g1(planted, leak):
    assert leak in planted[1]["G1"]


@pytest.mark.parametrize("text", NAME_PARTS)
def test_a_given_name_or_a_surname_alone_is_caught_by_the_shipped_policy(planted, text):
    assert planted[1]["G1"][text] == "identifier: part of a name"


@pytest.mark.parametrize("text", [*HARMLESS, "50 tokens", "middle, 20 % changed"])
def test_g1_lets_pass_what_identifies_nobody(planted, text):
    assert text not in planted[1]["G1"]


@pytest.mark.parametrize(
    ("leak", "reason"),
    [
        ("whole note", LONG_RUN),
        ("50 tokens", LONG_RUN),
        ("upper case", LONG_RUN),
        ("13 tokens ending in the town", RUN_WITH_IDENTIFIER),
        ("shuffled sentences", RUN_WITH_IDENTIFIER),
        ("20 % changed", None),
        ("49 tokens", None),
        ("middle, 20 % changed", None),  # told in other words: no check of G0 to G2 sees it
        *((text, None) for text in (*HARMLESS, *NAME_PARTS)),
    ],
)
def test_copied_runs_are_caught_by_g2(planted, leak, reason):
    assert planted[1]["G2"].get(leak) == reason


@pytest.mark.slow
def test_a_surname_alone_is_counted_and_fails_where_the_policy_says_so(clean, policy):
    evidence = replace(clean, synthetic=(Note("s1", "Mr Hallorann"), Note("s2", "Mr Nobody")))
    g1 = replace(policy.checks[1], fail_on_name_parts=False)
    assert g1(evidence).verdict == "PASS"
    assert g1(evidence).figures["notes_with_part_of_a_name"]["count"] == 1
    assert replace(g1, fail_on_name_parts=True)(evidence).offenders == {"s1": "identifier: part of a name"}


def test_a_surname_makes_a_run_of_thirteen_a_leak(clean, policy):
    private = Note(
        "p", "one two three four five six Mr Kvist eight nine ten eleven twelve", None, {"name": "Ulla Kvist"}
    )
    synthetic = (Note("13", private.text), Note("12", private.text.replace("twelve", "dozen")))
    evidence = replace(clean, private=(private, *clean.private), synthetic=(*clean.synthetic, *synthetic))
    result = replace(policy.checks[2], n_lcs_notes=1)(evidence)
    assert result.offenders == {"13": RUN_WITH_IDENTIFIER}


def test_a_name_that_many_have_proves_nothing_alone_and_much_in_a_run(clean, policy, identifiers):
    run = "one two three four five six Mr Lindqvist eight nine ten eleven twelve"
    private = Note("p", run, None, {"name": "Ulla Lindqvist-Hallorann"})
    synthetic = {
        "surname": "Mr Lindqvist",
        "given name": "ULLA came",
        "rare surname": "Mr Hallorann",
        "full name": "Ulla Lindqvist-Hallorann",
        "run": run,
    }
    notes = tuple(Note(what, text) for what, text in synthetic.items())
    evidence = replace(clean, private=(private,), holdout=clean.holdout[:3], synthetic=notes)

    def offenders(locales: list[str]) -> list[list[str]]:
        public = replace(identifiers, public_locales=locales)
        _, g1, g2, *_ = policy.checks
        checks = replace(g1, identifiers=public), replace(g2, identifiers=public, n_lcs_notes=1)
        return [sorted(check(evidence).offenders) for check in checks]

    assert offenders(["sv_SE"]) == [["full name", "rare surname"], ["run"]]
    assert offenders([]) == [sorted(synthetic), ["run"]]


@pytest.mark.slow
def test_what_the_holdout_holds_as_well_is_excused_unless_it_is_the_patients_own(clean, policy, victim):
    held = Note("h", f"{victim.text} Zbigniew Öberg-Hallorann 0271 440 918 26 HN 4821-0093", None, {"patient": "H1"})
    synthetic = tuple(
        Note(what, text)
        for what, text in {"name": NAME, "phone": "0271 44091826", "record": "HN4821 0093", "run": victim.text}.items()
    )
    evidence = replace(clean, holdout=(*clean.holdout, held), synthetic=(*clean.synthetic, *synthetic))
    assert set(policy.checks[1](evidence).offenders) == {"record", "run"}
    assert set(replace(policy.checks[2], n_lcs_notes=1)(evidence).offenders) == set()


OTHER = Note(
    "h",
    "Dr Quirina Aspel-Tromp saw him; ward 0271 998 441 22. Kasimir Nordquell, DOB 03/02/1948, HN 5519-4402",
    (Span(3, 22, "PERSON"),),
    {"patient": "H9", "name": "Kasimir Nordquell", "record": "HN 5519-4402", "born": "1948-02-03"},
)
OF_THE_OTHER = {
    "name": "seen with K. and Kasimir Nordquell",
    "record": "chart 55194402",
    "birth": "DOB 3 Feb 1948",
    "doctor": "Dr Quirina Aspel-Tromp",
    "ward": "ring 0271 998 44122",
}


@pytest.mark.slow
@pytest.mark.parametrize("side", ["holdout", "gold"])
def test_patients_whom_the_generator_never_had_are_looked_for_as_well(clean, policy, side):
    """Exactly: a misspelling or a surname alone of somebody whom the generator cannot know is chance."""
    harmless = {"mistyped": "Kasimir Nordqvell", "surname": "Mr Nordquell", "date": "DOB 4 Feb 1948"}
    notes = tuple(Note(what, text) for what, text in {**OF_THE_OTHER, **harmless}.items())
    evidence = replace(clean, **{side: (*getattr(clean, side), OTHER)}, synthetic=(*clean.synthetic, *notes))
    result = policy.checks[1](evidence)
    assert result.offenders == dict.fromkeys(OF_THE_OTHER, OF_OTHERS)
    assert result.figures["notes_with_identifier_of_others"]["count"] == 5
    assert result.figures["notes_with_identifier"]["count"] == 0


@pytest.mark.slow
def test_what_private_and_holdout_notes_both_hold_is_a_doctor_or_a_ward(clean, policy):
    """Either list excuses what the other side holds as well, but for a number that is a patient's own."""
    both = Note("p", f"{OTHER.text} too", (Span(3, 22, "PERSON"),), {"patient": "P9"})
    notes = tuple(Note(what, text) for what, text in OF_THE_OTHER.items())
    evidence = replace(
        clean, private=(*clean.private, both), holdout=(*clean.holdout, OTHER), synthetic=(*clean.synthetic, *notes)
    )
    assert policy.checks[1](evidence).offenders == {"record": OF_OTHERS}
    # Held by private notes alone it is theirs, and counts as theirs.
    theirs = policy.checks[1](replace(evidence, holdout=clean.holdout))
    assert theirs.offenders["doctor"] == "identifier: name" and theirs.offenders["ward"] == "identifier: number"
    assert OF_OTHERS not in theirs.offenders.values()


def test_a_note_that_names_private_and_other_patients_is_reported_as_naming_private_ones(clean, policy):
    note = Note("both", f"{NAME} and Kasimir Nordquell")
    evidence = replace(clean, gold=(OTHER,), synthetic=(*clean.synthetic, note))
    assert policy.checks[1](evidence).offenders == {"both": "identifier: name"}


@pytest.mark.slow
def test_misspellings_that_the_holdout_has_as_often_break_the_check_and_show_no_memory(clean, policy):
    near = [Note(f"n{i}", f"chart 4821-00{i}3") for i in range(4)]
    evidence = replace(clean, holdout=(*clean.holdout, *near[:2]), synthetic=tuple(near[2:]) + clean.synthetic)
    result = policy.checks[1](evidence)
    assert result.offenders == dict.fromkeys(["n2", "n3"], f"identifier: near number{AS_OFTEN}")
    assert result.by_chance == {"n2", "n3"} and set(result.figures["notes_by_chance"]) == {"near number"}
    many = tuple(Note(f"m{i}", "chart 4821-0053") for i in range(20))
    often = policy.checks[1](replace(evidence, synthetic=many))
    assert often.offenders == dict.fromkeys([note.id for note in many], "identifier: near number")
    assert not often.by_chance


@pytest.mark.slow
@pytest.mark.parametrize("leak", ["mistyped name", "birth date", "birth date in words"])
def test_a_lone_leak_is_caught_whatever_the_holdout_has_by_chance(clean, policy, victim, leak):
    """One misspelt name and one birth date of other private patients in the holdout excuse none in the synthetic."""
    other = Note("p2", "Greta Quillonbeck", None, {"patient": "P2", "name": "Greta Quillonbeck", "born": "1940-01-02"})
    held = Note("h", "seen with Greta Quillonbekk; 2 January 1940", None, {"patient": "H1"})
    evidence = replace(
        clean,
        private=(
            *clean.private,
            other,
            replace(other, id="p3", meta={**other.meta, "patient": "P3", "born": "1940-05-06"}),
        ),
        holdout=(*clean.holdout, held, replace(held, id="h2", text="6 May 1940", meta={"patient": "H2"})),
        synthetic=(*clean.synthetic, Note("leak", G1_LEAKS[leak])),
    )
    assert "leak" in policy.checks[1](evidence).offenders


def test_a_chance_hit_beside_a_sure_one_is_no_chance(clean, policy):
    held = Note("h", "chart 4821-0013", None, {"patient": "H1"})
    notes = (
        Note("near", "chart 4821-0033"),
        Note("both", f"chart 4821-0033 of {NAME}"),
        Note("part", "HN 4821-0033, Mr Hallorann"),
    )
    result = policy.checks[1](replace(clean, holdout=(*clean.holdout, held), synthetic=(*clean.synthetic, *notes)))
    assert result.by_chance == {"near"}
    assert result.offenders == {
        "near": f"identifier: near number{AS_OFTEN}",
        "both": "identifier: name, near number",
        "part": "identifier: near number",
    }


def test_no_known_identifier_is_no_evidence(policy):
    notes = (Note("a", "nothing to be found"),)
    assert policy.checks[1](Evidence(notes, notes, (), notes)).verdict == "INCONCLUSIVE"


def test_the_recall_of_the_list(identifiers, victim):
    nameless = replace(victim, id="2", meta={})
    # by pattern: the telephone number; not the name, the record or the street
    assert recall_of_list(replace(identifiers, capitals=False), [nameless]) == {
        "address": share(0, 1),
        "name": share(0, 1),
        "number": share(1, 2),
    }
    assert recall_of_list(identifiers, [victim])["name"] == share(1, 1)


@pytest.mark.slow
def test_too_much_overlap_fails_and_too_few_patients_decide_nothing(clean, policy):
    g2 = replace(policy.checks[2], n_lcs_notes=1)
    # Each synthetic note repeats forty words of a private one: no single run is long enough.
    parrots = tuple(Note(f"r{i}", " ".join(n.text.split()[:40])) for i, n in enumerate(clean.private))
    result = replace(g2, max_run=10**6, max_run_with_identifier=10**6)(replace(clean, synthetic=parrots))
    assert result.verdict == "FAIL" and not result.offenders
    assert result.figures["recall_8grams"]["excess"] > 0.1 and result.figures["recall_8grams"]["permutation_p"] < 0.01
    assert g2(replace(clean, holdout=clean.holdout[:2])).verdict == "INCONCLUSIVE"


def whole_names(policy):
    """G1 without the rule on parts of names: patients share those, and the gate then drops the notes and goes on."""
    return replace(policy.checks[1], fail_on_name_parts=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_clean_notes_pass(draw_clean, policy, seed):
    checks = (whole_names(policy), replace(policy.checks[2], n_lcs_notes=1))
    assert [check(draw_clean(seed)).verdict for check in checks] == ["PASS", "PASS"]


@pytest.mark.slow
def test_clean_resamples_do_not_raise_false_alarms(draw_clean, policy):
    """At most 2 of 200 (1 %)."""
    g1, g2 = whole_names(policy), replace(policy.checks[2], n_lcs_notes=1)
    verdicts = [[check(draw_clean(seed)).verdict for check in (g1, g2)] for seed in range(100, 300)]
    assert sum("FAIL" in pair for pair in verdicts) <= 2
