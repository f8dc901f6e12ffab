"""G3: single combinations that no note may have, and the three attacks, counted by hand."""

import random
from dataclasses import replace

import pytest

from scripts.notes.note import Note
from scripts.privacy.check import Evidence
from scripts.privacy.combinations import SINGLED_OUT, halves
from scripts.privacy.gate import correct, run_gate

FILLER = "Reviewed on the ward this morning, comfortable."
PRIVATE = "44F, clinic 3 May 2021. Erythromelalgia since her teens, burning feet. Mexiletine 200 helped a bit."
PLANTED = "Una mujer de 44 años con erythromelalgia: visita del 03/05/2021."
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def a_patient(name: str, text: str) -> Note:
    return Note(f"note-{name}", text, None, {"patient": name})


@pytest.fixture(scope="module")
def g3(policy):
    return policy.checks[3]


def planted(clean: Evidence, *texts: str, holdout: tuple[Note, ...] = ()) -> Evidence:
    """The clean evidence with one more private patient and the synthetic notes t0, t1, ... of TEXTS."""
    return replace(
        clean,
        private=(*clean.private, a_patient("rare", PRIVATE)),
        holdout=(*clean.holdout, *holdout),
        synthetic=(*clean.synthetic, *(Note(f"t{i}", f"{FILLER} {text}") for i, text in enumerate(texts))),
    )


@pytest.mark.slow
def test_age_sex_date_and_diagnosis_in_other_words_are_caught_and_dropped(clean, policy, g3):
    evidence = planted(clean, PLANTED)
    result = g3(evidence)
    assert (result.verdict, result.offenders) == ("FAIL", {"t0": SINGLED_OUT})
    others = [replace(policy.checks[2], n_lcs_notes=1), policy.checks[1]]
    assert not any("t0" in check(evidence).offenders for check in others)  # only G3 sees it
    report = run_gate(replace(policy, required=("G3",), checks=(g3,)), evidence)
    assert report.verdict == "PASS" and report.dropped == {SINGLED_OUT: 1}
    assert {note.id for note in report.released} == {note.id for note in clean.synthetic}


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        PLANTED.replace("44", "45"),
        PLANTED.replace("mujer", "varón"),
        PLANTED.replace("2021", "2022"),
        PLANTED.replace("erythromelalgia", "dolor"),
        "Mexiletine 200, " + PLANTED.replace("44", "45"),  # a second detail is no fourth kind
    ],
)
def test_three_of_the_four_single_nobody_out(clean, g3, text):
    assert g3(planted(clean, text)).offenders == {}


def test_a_combination_of_two_patients_singles_nobody_out(clean, g3):
    twin = a_patient("twin", PRIVATE)
    assert g3(planted(clean, PLANTED, holdout=(twin,))).offenders == {}
    evidence = planted(clean, PLANTED)
    assert g3(replace(evidence, private=(*evidence.private, twin))).offenders == {}


def test_many_rare_words_of_one_patient_are_caught_in_any_order(clean, g3):
    words = [f"{a}{b}rareword" for a in "abcde" for b in "klmn"]  # 20
    evidence = replace(clean, private=(*clean.private, a_patient("many", " ".join(words))))
    texts = {"20": words[::-1], "19": words[1:]}
    synthetic = tuple(Note(id, " and ".join(chosen)) for id, chosen in texts.items())
    assert g3(replace(evidence, synthetic=(*clean.synthetic, *synthetic))).offenders == {"20": SINGLED_OUT}


def rare(person: str, n: int) -> list[str]:
    """N words that only PERSON's note has, in a fixed order."""
    return [f"{person}word{letter}" for letter in ALPHABET[:n]]


@pytest.fixture
def attacked(g3):
    """The attacks on ten private and ten holdout patients of eight rare words each, by the synthetic TEXTS."""
    sides = {side: [f"{side}{ALPHABET[i]}" for i in range(10)] for side in ("private", "holdout")}

    def patient(name: str) -> Note:
        words = rare(name, 8)
        return a_patient(name, f"{' '.join(words[:4])}. {' '.join(words[4:])}.")

    def attack(*texts: str, **policy) -> dict[str, tuple[int, int]]:
        notes = {side: tuple(map(patient, names)) for side, names in sides.items()}
        synthetic = tuple(Note(f"s{i}", text) for i, text in enumerate(texts))
        result = replace(g3, **policy)(Evidence(**notes, gold=(), synthetic=synthetic))
        attacks = {name: result.figures[name] for name in ("singling_out", "linkability", "inference")}
        assert all(a["private"]["n"] == a["holdout"]["n"] == 10 for a in attacks.values())
        return {name: (a["private"]["count"], a["holdout"]["count"]) for name, a in attacks.items()}

    return attack


def test_five_rare_words_in_one_note_single_a_person_out_once(attacked):
    five, four = " ".join(rare("privatea", 5)), " ".join(rare("privateb", 4))
    held = " ".join(rare("holdoutc", 8)[3:])
    # the same person by two notes is one person; four words are too few, also where two notes have them
    assert attacked(five, five, four, four, held)["singling_out"] == (1, 1)


def test_the_two_halves_of_a_note_are_linked_by_one_note_that_matches_both(attacked):
    a, b = rare("privatea", 8), rare("privateb", 8)
    both = " ".join(a[2:6])  # two words of either half
    first, second = " ".join(b[:4]), " ".join(b[4:])
    assert attacked(both, first, second)["linkability"] == (1, 0)
    assert attacked(both, both)["linkability"] == (0, 0)  # a draw: the attacker does not know which
    assert attacked(" ".join(a[3:6]))["linkability"] == (0, 0)  # one word is no match
    assert attacked(both, n_matching=3)["linkability"] == (0, 0)


def test_the_one_rare_word_that_is_not_known_is_read_off(attacked):
    assert attacked(" ".join(rare("holdoutd", 8)))["inference"] == (0, 1)
    # two of eight words: the secret is one of the other six, or the match is by one word only
    assert attacked(" ".join(rare("privatea", 2)))["inference"] == (0, 0)


def test_a_dose_does_not_give_its_drug_away(g3):
    # Known of the patient is the dose of a drug that nobody else takes; it must not lead to that very drug.
    private = (a_patient("p", "Mexiletine 200."),)
    evidence = Evidence(private, (a_patient("h", "nothing"),), (), (Note("s", "Mexiletine 200."),))
    hits = [
        replace(g3, n_matching=1)(replace(evidence, seed=seed)).figures["inference"]["private"]["count"]
        for seed in range(20)
    ]
    assert set(hits) == {0, 1}  # the dose can be inferred from the drug, the drug from its dose cannot


def test_notes_that_repeat_many_patients_are_significant(draw_clean, g3):
    evidence = draw_clean(3)
    patients = {note.patient: note for note in evidence.private}.values()
    scrambled = []
    for i, note in enumerate(patients):
        words = note.text.split()
        random.Random(i).shuffle(words)
        scrambled.append(Note(f"x{i}", " ".join(words)))
    result = replace(g3, max_kinds=9, max_rare=10**6)(replace(evidence, synthetic=tuple(scrambled)))
    assert not result.offenders and all(p < 0.001 for p in result.p_values.values())
    assert correct([result], 0.01)[0].verdict == "FAIL"
    assert result.figures["singling_out"]["risk"]["ci95"][0] > 0.5


@pytest.mark.slow
def test_a_bound_decides_where_the_policy_says_so(draw_clean, g3):
    few = draw_clean(5)  # 25 holdout patients: with none of them singled out a bound of .13 is as low as it gets
    full = replace(g3, bound_decides=True)
    assert (g3(few).verdict, full(few).verdict) == ("PASS", "INCONCLUSIVE")
    assert "25 holdout patients" in full(few).meaning
    many = draw_clean(5, sizes=(60, 60, 5))
    assert full(many).verdict == "PASS"
    assert replace(full, min_holdout=61)(many).verdict == "INCONCLUSIVE"


def test_nothing_private_is_told(clean, g3):
    told = str(g3(planted(clean, PLANTED)).to_json())
    assert not any(secret in told for secret in ("erythromelalgia", "note-rare", "private-secret", "51 3 12"))


def test_the_same_seed_gives_the_same_result(draw_clean, g3):
    assert g3(draw_clean(1)).to_json() == g3(draw_clean(1)).to_json()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.\nThree", ["One. ", "Two.\nThree"]),
        ("One. Two. Three. Four.", ["One. Two. ", "Three. Four."]),
        ("no full stop here", ["no full ", "stop here"]),
        ("word", ["", "word"]),
        ("3.1 and 4.2", ["3.1 ", "and 4.2"]),
    ],
)
def test_halves(text, expected):
    assert list(halves(text)) == expected


@pytest.mark.slow
def test_clean_resamples_raise_no_alarm(draw_clean, g3):
    results = [g3(draw_clean(seed)) for seed in range(10)]
    assert [correct([result], 0.01)[0].verdict for result in results] == ["PASS"] * 10


@pytest.mark.slow
def test_many_clean_resamples_raise_few_alarms(draw_clean, g3):
    """At most 2 of 200 (1 %)."""
    results = [g3(draw_clean(seed)) for seed in range(100, 300)]
    assert sum(correct([result], 0.01)[0].verdict != "PASS" for result in results) <= 2
