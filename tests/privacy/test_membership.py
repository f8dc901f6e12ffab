"""G4: copies betray members, canaries are counted where nothing can drop them, and no private id is told."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from scripts.notes.files import write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note
from scripts.privacy.check import Evidence
from scripts.privacy.gate import Policy, correct, run_gate
from scripts.privacy.membership import Membership, nearest

SIZES = (78, 32, 35)  # patients: as in the shipped split
CHECK = Membership(max_auc=0.6, auc_tested=0.55, max_tpr=0.05, must_show=False, neural_tokens=None)
SURE = replace(CHECK, must_show=True, max_auc=1.0)


def verdict(evidence: Evidence, check: Membership = CHECK) -> str:
    """G4's verdict as the gate corrects it."""
    return correct([check(evidence)], 0.01)[0].verdict


def parrots(evidence: Evidence, part: float) -> Evidence:
    """EVIDENCE with copies of PART of the private notes as synthetic ones."""
    copied = evidence.private[: int(part * len(evidence.private))]
    return replace(evidence, synthetic=tuple(Note(f"s{i}", note.text) for i, note in enumerate(copied)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_copies_of_half_of_the_private_notes_fail(draw_clean, seed):
    evidence = draw_clean(seed, sizes=SIZES)
    result = CHECK(parrots(evidence, 0.5))
    attack = result.figures["attacks"]["ngram, members"]
    assert attack["auc"] > 0.65 and attack["tpr_at_1pct_fpr"]["count"] > 20
    assert verdict(parrots(evidence, 0.5)) == "FAIL"
    assert not result.offenders


def test_copies_of_a_few_fail_by_the_true_positives_and_not_by_the_auc(draw_clean):
    result = CHECK(parrots(draw_clean(0, sizes=SIZES), 0.3))
    assert result.p_values["ngram, members: AUC"] > 0.005 > result.p_values["ngram, members: TPR"]
    assert correct([result], 0.01)[0].verdict == "FAIL"


@pytest.mark.parametrize("seed", range(3))
def test_notes_of_other_patients_pass(draw_clean, seed):
    assert verdict(draw_clean(seed, sizes=SIZES)) == "PASS"


@pytest.mark.slow
def test_clean_resamples_do_not_raise_false_alarms(draw_clean):
    """At most 2 of 200 (1 %)."""
    assert sum(verdict(draw_clean(seed, sizes=SIZES)) == "FAIL" for seed in range(100, 300)) <= 2


@pytest.mark.slow
def test_labelled_patients_are_attacked_apart_so_that_the_others_do_not_hide_them(draw_clean):
    evidence = draw_clean(0, sizes=SIZES)
    labelled = sorted({note.patient for note in evidence.private})[:15]
    private = tuple(note.with_spans(() if note.patient in labelled else None) for note in evidence.private)
    parts = (" ".join(note.text.split()[20:32]) for note in private if note.patient in labelled)
    told = replace(evidence, private=private, synthetic=(*evidence.synthetic, Note("told", ". ".join(parts))))
    p_values = CHECK(told).p_values
    assert p_values["ngram, labelled members: AUC"] < 0.002 < 0.1 < p_values["ngram, members: AUC"]
    assert (verdict(told), verdict(replace(evidence, private=private))) == ("FAIL", "PASS")
    assert "labelled" not in replace(SURE, max_auc=0.6)(told).meaning  # no bound is asked for


@pytest.mark.slow
def test_the_neural_model_finds_copies_too(draw_clean):
    result = replace(CHECK, neural_tokens=150_000)(parrots(draw_clean(0, sizes=SIZES), 0.5))
    assert result.p_values["neural, members: TPR"] < 1e-3


def test_patients_count_once_however_many_notes_they_have(draw_clean):
    evidence = draw_clean(0)
    n_patients = [len({note.patient for note in side}) for side in (evidence.private, evidence.holdout)]
    assert len(evidence.private) > n_patients[0]
    attack = CHECK(evidence).figures["attacks"]["ngram, members"]
    assert [attack["n_members"], attack["n_others"]] == n_patients


def test_the_full_policy_does_not_pass_what_few_patients_cannot_show(draw_clean):
    result = replace(CHECK, must_show=True)(draw_clean(0))
    assert result.verdict == "INCONCLUSIVE"
    assert re.match(r"Not decided: the AUC of ngram, members may be 0\.\d\d; no canaries were planted", result.meaning)


def test_among_few_notes_the_neural_model_is_left_out_and_that_is_said(draw_clean, monkeypatch):
    asked = []

    def canned(train, texts, n_tokens, seed):
        asked.append(len(train))
        return np.zeros(len(texts)), np.ones(len(texts))

    monkeypatch.setattr("scripts.privacy.membership.neural_scores", canned)
    evidence = draw_clean(0)
    n = len(evidence.synthetic)
    few = replace(CHECK, neural_tokens=1000, neural_from=n + 1)
    assert set(few(evidence).figures["attacks"]) == {"ngram, members"} and not asked
    why = f"the neural model was left out: {n} synthetic notes are fewer than {n + 1}"
    assert few(evidence).verdict == "PASS" and few(evidence).meaning.endswith(f" In this run {why}.")
    assert why in replace(few, must_show=True)(evidence).meaning.split("Somebody who")[0]
    enough = replace(few, neural_from=n)(evidence)
    assert set(enough.figures["attacks"]) == {"ngram, members", "neural, members"} and asked == [n]
    assert "left out" not in enough.meaning and "left out" not in CHECK(evidence).meaning


@pytest.mark.parametrize(("counts", "asks_for_canaries"), [({}, True), ({"sees_private_notes": False}, False)])
def test_canaries_are_demanded_only_of_a_generator_that_saw_private_notes(
    draw_clean, tmp_path, counts, asks_for_canaries
):
    write_manifest(tmp_path, inputs={}, config={}, sensitivity="private", counts=counts)
    result = replace(CHECK, must_show=True)(replace(draw_clean(0), files={"generator": tmp_path}))
    assert result.verdict == "INCONCLUSIVE"  # so few patients do not bound the AUC
    assert ("no canaries were planted" in result.meaning) == asks_for_canaries
    assert ("generator_saw_no_private_note" in result.figures) != asks_for_canaries


def test_the_nearest_notes_in_the_order_of_exposure():
    synthetic = [Note("a", "one two three four"), Note("b", "five six seven eight nine"), Note("c", "x y z")]
    assert nearest(synthetic, ["five six seven eight", "no such words", "one two three", "five six seven"]) == [
        "b",
        "a",
    ]


# Canaries

WORDS = [f"{a}{b}{c}o" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]


def a_canary(i: int) -> Note:
    """Its end is twenty words of its own, in an order of its own."""
    beginning = f"Canary {i} came to the clinic. "
    end = " ".join(WORDS[(i * 37 + j * j * (i + 3)) % len(WORDS)] for j in range(20))
    role = "planted" if i % 2 else "twin"
    return Note(f"canary-{i}", beginning + end, None, {"patient": f"canary-{i}", "canary": role, "end": len(beginning)})


CANARIES = tuple(a_canary(i) for i in range(40))


def altered(canary: Note) -> str:
    """CANARY's end without any run of eight tokens."""
    words = canary.text[canary.meta["end"] :].split()
    return " ".join("otherwise" if j % 8 == 7 else word for j, word in enumerate(words))


@pytest.fixture
def with_canaries(clean, tmp_path):
    """A function that gives clean evidence with canaries, the texts MORE among the notes, and a generator's count."""

    def make(more=(), emitted: int | None = 0, control=None) -> Evidence:
        synthetic = (*clean.synthetic, *(Note(f"m{i}", text) for i, text in enumerate(more)))
        files = {name: tmp_path / f"{name}.jsonl" for name in ("synthetic", "private", "canaries", "control")}
        write_notes(files["canaries"], CANARIES)
        write_notes(files["private"], clean.private)
        for name, notes, n_emitted in (("synthetic", synthetic, emitted), ("control", *(control or ((), None)))):
            if name == "control" and control is None:
                continue
            write_notes(files[name], notes)
            counts = {} if n_emitted is None else {"canaries": {"n": 20, "emitted": n_emitted}}
            inputs = {"canaries": files["canaries"], "private": files["private"]}
            write_manifest(files[name], inputs=inputs, config={}, sensitivity="synthetic", counts=counts)
        return replace(clean, synthetic=synthetic, canaries=CANARIES, files=files)

    return make


def test_canaries_that_nobody_recites_pass_and_zero_of_twenty_proves_a_bound(with_canaries):
    result = CHECK(with_canaries())
    assert result.figures["canaries_emitted"] == {"count": 0, "n": 20, "ci95": [0.0, 0.15]}
    assert verdict(with_canaries()) == "PASS"


def test_a_canary_that_the_generator_wrote_fails_although_no_note_shows_it(with_canaries):
    result = CHECK(with_canaries(emitted=1))
    assert (result.verdict, result.figures["canaries_emitted"]["count"], result.offenders) == ("FAIL", 1, {})


def test_the_end_of_a_canary_alone_is_caught(with_canaries):
    end = CANARIES[1].text[CANARIES[1].meta["end"] :]
    assert CHECK(with_canaries([" ".join(end.split()[3:11]).upper()])).verdict == "FAIL"
    assert CHECK(with_canaries([" ".join(end.split()[3:10])])).verdict == "PASS"


def test_the_end_of_a_twin_and_the_beginning_of_a_canary_are_chance(with_canaries):
    twin, planted = CANARIES[0], CANARIES[1]
    assert CHECK(with_canaries([twin.text, planted.text[: planted.meta["end"]]])).verdict == "PASS"


def test_a_recited_canary_still_fails_when_its_note_has_been_dropped(with_canaries):
    evidence = with_canaries([CANARIES[1].text])
    assert CHECK(replace(evidence, synthetic=evidence.synthetic[:-1])).verdict == "FAIL"


def test_canaries_that_left_a_trace_without_being_recited_fail(with_canaries):
    evidence = with_canaries([altered(canary) for canary in CANARIES[1::2]])
    result = CHECK(evidence)
    assert result.figures["canaries_emitted"]["count"] == 0
    assert result.figures["attacks"]["ngram, canaries"]["auc"] > 0.95
    assert verdict(evidence) == "FAIL"
    assert verdict(with_canaries([altered(canary) for canary in CANARIES[::2]])) == "PASS"  # twins are no members


RECITED = (tuple(Note(f"k{i}", c.text) for i, c in enumerate(CANARIES) if i % 2), 0)
SILENT = (tuple(Note(f"k{i}", "nothing of that kind was said here") for i in range(5)), 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("emitted", "control", "expected", "why"),
    [
        (0, RECITED, "PASS", "Somebody who"),
        (0, (SILENT[0], 3), "PASS", "Somebody who"),  # it has recited them, and they were filtered
        (0, SILENT, "INCONCLUSIVE", "Not decided: the positive control is not detected"),
        (0, (RECITED[0], None), "INCONCLUSIVE", "Not decided: there is no positive control"),
        (0, None, "INCONCLUSIVE", "Not decided: there is no positive control"),
        (None, RECITED, "INCONCLUSIVE", "Not decided: no canaries were planted and counted"),
        (1, RECITED, "FAIL", "Somebody who"),
    ],
)
def test_the_full_policy_demands_canaries_that_were_counted_and_a_control_that_is_detected(
    with_canaries, emitted, control, expected, why
):
    result = SURE(with_canaries(emitted=emitted, control=control))
    assert result.verdict == expected and result.meaning.startswith(why)


@pytest.mark.parametrize("changed", ["canaries", "private"])
def test_a_control_made_from_other_notes_is_none(with_canaries, changed):
    evidence = with_canaries(control=RECITED)
    write_notes(evidence.files[changed], CANARIES[:-2])
    assert SURE(evidence).figures["control"] is None


def test_the_gate_does_not_mend_it_by_dropping(with_canaries):
    policy = Policy("test", "", 0.5, 0.01, ("G4",), (CHECK,))
    report = run_gate(policy, with_canaries([CANARIES[1].text]))
    assert report.verdict == "FAIL" and not report.dropped


@pytest.mark.slow
def test_no_private_id_and_no_text_is_told_and_it_repeats_with_its_seed(with_canaries):
    check = replace(CHECK, neural_tokens=2000)
    evidence = with_canaries([CANARIES[1].text], control=RECITED)
    evidence = replace(evidence, holdout=evidence.holdout[:9], private=evidence.private[:9])
    result = check(evidence)
    assert result == check(evidence)
    told = json.dumps(result.to_json())
    notes = [*evidence.private, *evidence.holdout, *evidence.canaries]
    for secret in {s for note in notes for s in (note.id, note.patient, note.text[:15])}:
        assert not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", told)
    ids = {note.id for note in evidence.synthetic}
    assert set(result.figures["synthetic_notes_nearest_to_the_most_exposed"]) <= ids
