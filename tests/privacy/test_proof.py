"""The prover: what it plants, what it counts, and that a gate without one of its checks fails its trial."""

import json
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from scripts import prove_gate
from scripts.notes.errors import UserError
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note
from scripts.privacy.faults import (
    OTHERWISE,
    SIZED,
    all_faults,
    changed,
    combination,
    digit_by_digit,
    mistyped,
    retold,
    run,
    shuffled,
    spaced,
    with_zero_width,
    without_accents,
)
from scripts.privacy.proof import Alarms, Curve, Tally, curves, listed
from scripts.privacy.provenance import Provenance
from scripts.privacy.stand_in import DIAGNOSES, Case, Identity, draw_evidence, make_case, settle, sizes_of

ROOT = Path(__file__).resolve().parent.parent.parent
WHO = Identity(
    "Žofie Dvořáková", "HN 4821-0093", "0271 440 918 26", date(1951, 3, 12), "F", date(2021, 3, 11), "cystinuria"
)


@pytest.fixture(scope="module")
def case(shipped, identifiers) -> Case:
    return make_case(draw_evidence(shipped, 0, (40, 25, 20)), identifiers.meta, 0)


def test_spellings_by_hand():
    assert run("One, two 3-four. Five", 3, 1) == "two 3-four"
    assert changed("a b c d e", 0.4, random.Random(0)).split().count(OTHERWISE) == 2
    assert sorted(shuffled("One. Two.\nThree", random.Random(1)).split("\n")) == ["One.", "Three", "Two."]
    assert without_accents("Žofie Dvořáková") == "Zofie Dvorakova"
    assert with_zero_width("Ana Lee") == "An\u200ba Le\u200be"
    assert spaced("Ana Lee") == "Ana   \n Lee"
    assert digit_by_digit("HN 4821-0093", "-") == "4-8-2-1-0-0-9-3"
    assert mistyped("Anna Lee") == "Anna Leo" and mistyped("Lee Anna") == "Lee Anne"
    assert combination(WHO) == "A 69-year-old woman with cystinuria attended on 11 March 2021."


def test_an_identity_goes_under_the_policys_own_keys():
    kinds = {"patient": "number", "mrn": "number", "mobile": "number", "who": "name", "alias": "name", "dob": "birth"}
    assert WHO.meta(kinds) == {"who": WHO.name, "mrn": WHO.record, "mobile": WHO.phone, "dob": "1951-03-12"}


def test_the_victim_is_a_private_note_that_begins_with_an_identity_that_nobody_else_has(case, shipped):
    note, who = case.victim.note, case.victim.identity
    (host,) = [other for other in shipped if other.id == note.id]
    assert note in case.evidence.private and host not in case.evidence.private
    assert note.text.endswith(f"{who.name} {host.text}") and case.victim.body == host.text
    assert [note.mention(span) for span in note.spans] == [host.mention(span) for span in host.spans]
    assert (note.patient, note.meta["name"], note.meta["record"]) == (host.patient, who.name, who.record)
    others = " ".join(n.text for side in ("holdout", "synthetic") for n in getattr(case.evidence, side))
    assert not any(part in others for part in (*who.name.split(), who.phone, who.diagnosis))
    assert who.diagnosis in DIAGNOSES and not who.name.isascii()
    assert who.diagnosis in case.evidence.private[-1].text and case.evidence.private[-1].patient == note.patient


def test_a_note_told_in_other_words_keeps_none_that_two_patients_use_at_most(case):
    evidence = replace(
        case.evidence,
        private=tuple(Note(f"p{i}", text) for i, text in enumerate(["pain rare", "pain", "the pain Ward"])),
        holdout=tuple(Note(f"h{i}", text) for i, text in enumerate(["the Ward", "the Ward", "rare"])),
    )
    told = replace(case, evidence=evidence, victim=replace(case.victim, body="the rare pain Ward " * 5))
    words = Counter(retold(told, random.Random(0)).split())
    assert words.keys() == {"the", "pain", OTHERWISE} and words["the"] + words["pain"] <= 10


def test_too_short_notes_have_no_victim(case, identifiers):
    short = replace(case.evidence, private=(Note("p", "word " * 74),))
    with pytest.raises(UserError, match="no private note has 75 words"):
        make_case(short, identifiers.meta, 0)


def test_the_files_of_clean_evidence_tell_one_chain(case, tmp_path):
    settled = settle(case.evidence, tmp_path, ROOT / "configs/audit_small.cfg")
    assert Provenance(0.05)(settled).figures["faults"] == []


def test_all_patients_are_drawn(shipped):
    assert sizes_of([Note(f"{i}", "x") for i in range(9)]) == (4, 2, 3)
    evidence = draw_evidence(shipped, 0, sizes_of(shipped))
    assert sum(len(getattr(evidence, side)) for side in ("private", "holdout", "synthetic")) == len(shipped)


def test_the_policys_faults_are_all_there_and_named_once():
    names = [fault.name for fault in all_faults()]
    assert len(set(names)) == len(names)
    rows = listed([Tally(fault.name, fault.check, 1, {}) for fault in all_faults()])
    expected = Counter(tally.expected for tally in rows)
    assert expected == {"G0": 3, "G1": 15, "G2": 3, "G3": 1, "G4": 2, "door": 6, None: 1}
    assert {"a run of 13 tokens that begins with a surname", "a run of 50 tokens"} <= {tally.fault for tally in rows}


def test_the_smallest_size_is_that_from_which_on_nearly_all_are_found():
    def curve(*n_caught: int) -> Curve:
        return Curve("", "", {i: Tally("", "G2", 20, {"G2": n}) for i, n in enumerate(n_caught)})

    assert curve(20, 18, 19, 20).smallest == 2  # 18 of 20 are too few, whatever the smaller size has
    assert curve(20, 20).smallest == 0
    assert curve(20, 20, 18).smallest is None
    sized = [Tally(SIZED[0].make(size).name, "G2", 1, {"G2": size >= 40}) for size in SIZED[0].sizes]
    assert [(c.fault, c.smallest) for c in curves(sized)] == [(SIZED[0].name, 40)]


def test_a_fault_is_missed_if_its_check_let_it_pass_once():
    assert Tally("x", "G2", 2, {"G1": 2, "G2": 1}).is_missed
    assert not Tally("x", "G2", 2, {"G2": 2}).is_missed
    assert not Tally("x", None, 2, {}).is_missed


def test_false_alarms_against_alpha():
    alarms = Alarms(20, Counter(FAIL=2, INCONCLUSIVE=1, PASS=17), Counter(), 0, 100)
    assert alarms.p_above(0.01) == pytest.approx(1 - 0.99**20 - 20 * 0.01 * 0.99**19)
    assert Alarms(20, Counter(PASS=20), Counter(), 0, 100).to_json()["FAIL"]["ci95"] == [0.0, 0.15]  # 3/n


# The command, with few faults on few notes

FEW = ("a whole note", "a name alone", "a patient in both T and H", "a name inside a zip", "a run of 13 tokens that")


@pytest.fixture
def prove(shipped, tmp_path, monkeypatch):
    """A function that puts a policy without one of its CHECKS on trial and gives what it has written."""
    few = [fault for fault in all_faults() if fault.name.startswith(FEW)]
    assert len(few) == len(FEW)
    monkeypatch.setattr(prove_gate, "all_faults", lambda: few)
    write_notes(tmp_path / "notes.jsonl", shipped[:40])
    corpus = tmp_path / "corpus.cfg"
    corpus.write_text(f'[vars]\nlang = "en"\n[notes]\nformat = "jsonl"\npath = "{tmp_path}/notes.jsonl"\n')

    def run_step(without: str | None = None, n_clean: int = 0) -> dict:
        text = (ROOT / "configs/audit_small.cfg").read_text("utf8")
        if without:
            text, n = re.subn(rf"\[checks\.{without}\]\n(?:(?!\[).*\n)*", "", text)
            assert n == 1
        (tmp_path / "audit.cfg").write_text(text, "utf8")
        try:
            prove_gate.main(tmp_path / "proof.json", corpus, tmp_path / "audit.cfg", 1, n_clean, 0)
        finally:
            written = json.loads((tmp_path / "proof.json").read_text())
        return {row["fault"]: row for row in written["faults"]} | {"clean": written["clean"]}

    return run_step


@pytest.mark.slow
def test_the_shipped_policy_catches_them_and_clean_notes_are_judged_by_the_whole_gate(prove, capsys):
    written = prove(n_clean=1)
    assert [written[name]["caught"]["count"] for name in FEW[:4]] == [1, 1, 1, 1]
    assert written["a whole note"]["caught_by"]["G1"] == 1
    assert written["clean"]["FAIL"] == {"count": 0, "n": 1, "ci95": [0.0, 1.0]}
    printed = " ".join(capsys.readouterr().out.split())
    assert "a name alone · [1]" in printed and "MISSED" not in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("without", "missed"),
    [
        ("g0", ["a patient in both T and H"]),
        ("g1", ["a name alone"]),
        ("g2", ["a whole note", "a run of 13 tokens that begins with a surname"]),
    ],
)
def test_a_policy_without_one_of_its_checks_misses_its_faults(prove, without, missed, capsys):
    with pytest.raises(UserError, match=f"{len(missed)} planted faults were missed: {', '.join(missed)}\\. "):
        prove(without)
    printed = capsys.readouterr().out
    assert printed.count("MISSED") == len(missed)


@pytest.mark.slow
def test_a_gate_that_fails_on_clean_notes_fails_its_trial(prove, monkeypatch):
    always = Alarms(5, Counter(FAIL=5), Counter({"G1 FAIL": 5}), 0, 100)
    monkeypatch.setattr(prove_gate, "count_alarms", lambda *_: always)
    with pytest.raises(UserError, match="5 of 5 clean resamples fail, more than alpha explains"):
        prove(n_clean=5)
