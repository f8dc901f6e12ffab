"""The step that decides: what it writes, what it removes, and what it must not tell."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase

import pytest

from scripts.audit import main
from scripts.notes.errors import UserError
from scripts.notes.files import manifest_path, sensitivity_of, sha256_of, write_manifest
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.note import Note, Span

ROOT = Path(__file__).resolve().parent.parent
NAME, RECORD = "Zbigniew Hallorann", "48210093"


def a_note(side: str, i: int, extra: str = "") -> Note:
    # Words at random: what all notes of a side had in common would tell members from others.
    rng = random.Random(f"{side} {i}")
    text = " ".join("".join(rng.choices(ascii_lowercase, k=7)) for _ in range(40))
    meta = {"patient": f"patient-{side}-{i}"} if side != "synthetic" else {}
    return Note(f"note-{side}-{i}", f"{text} {extra}", None, meta)


@pytest.fixture
def project(tmp_path) -> dict[str, Path]:
    """A private patient's name and number in one private note and, until a test takes it out, in synthetic note 3."""
    notes = {side: [a_note(side, i) for i in range(8)] for side in ("private", "holdout", "gold", "synthetic")}
    notes["private"][0] = Note(
        "note-private-0", f"{NAME} {RECORD}", None, {"patient": "P0", "name": NAME, "record": RECORD}
    )
    notes["synthetic"][3] = a_note("synthetic", 3, f"seen by {NAME}")
    paths = {side: tmp_path / f"{side}.jsonl" for side in notes}
    for side, group in notes.items():
        write_notes(paths[side], group)
    paths |= {
        "generator": tmp_path / "generator",
        "released": tmp_path / "released.jsonl",
        "audit": tmp_path / "audit.json",
        "page": tmp_path / "reports" / "audit.html",
    }
    paths["generator"].mkdir()
    write_manifest(
        paths["generator"], inputs={"private": paths["private"]}, config={}, sensitivity="private", counts={}
    )
    vouch_for(paths)
    return paths


def vouch_for(paths: dict[str, Path], **counts) -> None:
    inputs = {"generator": manifest_path(paths["generator"]), "private": paths["private"]}
    inputs |= {"canaries": paths["canaries"]} if "canaries" in paths else {}
    write_manifest(paths["synthetic"], inputs=inputs, config={}, sensitivity="synthetic", counts=counts)


def plant_canaries(paths: dict[str, Path], emitted: int) -> None:
    """Four canaries, half of them planted, of which the generator has written EMITTED."""
    notes = [a_note("canary", i) for i in range(4)]
    roles = [{"canary": ("planted", "twin")[i % 2], "end": 20} for i in range(4)]
    paths["canaries"] = paths["private"].with_name("canaries.jsonl")
    write_notes(paths["canaries"], [replace(n, meta={**n.meta, **r}) for n, r in zip(notes, roles, strict=True)])
    inputs = {"private": paths["private"], "canaries": paths["canaries"]}
    write_manifest(paths["generator"], inputs=inputs, config={}, sensitivity="private", counts={})
    vouch_for(paths, canaries={"n": 2, "emitted": emitted})


def quick(name: str, folder: Path) -> Path:
    """The shipped policy NAME without its neural model, which takes seconds."""
    text, n = re.subn(r"neural_tokens = \d+", "neural_tokens = null", (ROOT / f"configs/{name}.cfg").read_text("utf8"))
    assert n == 1
    (folder / f"{name}.cfg").write_text(text, "utf8")
    return folder / f"{name}.cfg"


def run(paths: dict[str, Path], config: Path | None = None) -> dict:
    config = config or quick("audit_small", paths["private"].parent)
    try:
        main(**{"canaries": None, "control": None} | paths, config=config, seed=0)
    finally:
        verdict = json.loads(paths["audit"].read_text())
    return verdict


@pytest.mark.slow
def test_a_pass_writes_the_notes_that_are_left_and_vouches_for_them(project, capsys):
    verdict = run(project)
    assert verdict["verdict"] == "PASS" and verdict["policy"] == "small-corpus policy"
    assert verdict["counts"] | {"dropped": None, "broken": None} == {
        "n_synthetic": 8,
        "n_dropped": 1,
        "n_dropped_by_reason": {"identifier: name": 1},
        "n_replaced": 0,
        "n_replaced_by_reason": {},
        "n_by_chance": 0,
        "dropped": None,
        "broken": None,
        "n_released": 7,
    }
    assert [note.id for note in read_notes(project["released"])] == [f"note-synthetic-{i}" for i in range(8) if i != 3]
    assert sensitivity_of(project["released"]) == "released"
    assert verdict["hashes"]["released"] == sha256_of(project["released"])
    verdicts = [c["verdict"] for c in verdict["checks"]]
    assert verdicts == ["PASS", "PASS", "PASS", "PASS", "PASS", "NOT_RUN", "NOT_RUN", "PASS"]
    printed = " ".join(capsys.readouterr().out.split())
    assert "PASS (small-corpus policy): 7 of 8 notes released" in printed
    assert "1 of 8 notes broke a check: of all that it writes, 2.2% to 47.1% would" in printed
    assert "no canaries" in printed


@pytest.mark.slow
def test_a_policy_that_replaces_mends_the_note_and_tells_it(project, capsys):
    config = quick("audit_small", project["private"].parent)
    config.write_text(config.read_text("utf8").replace('repair = "drop"', 'repair = "replace"'), "utf8")
    before = {note.id: note for note in read_notes(project["synthetic"])}
    verdict = run(project, config)
    counts = verdict["counts"]
    assert verdict["verdict"] == "PASS" and (counts["n_dropped"], counts["n_released"]) == (0, 8)
    assert counts["n_replaced_by_reason"] == {"identifier: name": 1} and counts["broken"]["count"] == 1
    released = {note.id: note for note in read_notes(project["released"])}
    assert {id for id in before if before[id] != released[id]} == {"note-synthetic-3"}
    text = released["note-synthetic-3"].text
    told = len(f"seen by {NAME}")
    assert text.startswith(before["note-synthetic-3"].text[:-told])
    assert re.search(r" seen by [A-Z]\S+ [A-Z]\S+$", text)
    assert "Zbigniew" not in text and "Hallorann" not in text
    printed = " ".join(capsys.readouterr().out.split())
    assert "identifiers replaced in 1: identifier: name" in printed and "1 of 8 notes broke a check" in printed
    page = project["page"].read_text()
    assert "In 1 notes the identifiers that were found became invented ones" in page and "mended or dropped" in page


@pytest.mark.slow
def test_what_a_generator_wrote_along_is_released_with_its_notes(project):
    notes = [note.with_spans([Span(0, 7, "DRUG")]) for note in read_notes(project["synthetic"])]
    write_notes(project["synthetic"], notes)
    vouch_for(project)
    run(project)
    assert list(read_notes(project["released"])) == [note for note in notes if note.id != "note-synthetic-3"]


def test_no_leak_in_n_notes_proves_a_bound_of_three_in_n(project, capsys):
    write_notes(project["synthetic"], [a_note("synthetic", i) for i in range(8)])
    vouch_for(project)
    run(project)
    assert "0 of 8 notes broke a check: of all that it writes, at most 37.5% (3/n) would" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_canary_that_was_written_and_filtered_still_stops_everything(project):
    plant_canaries(project, emitted=1)
    checks = fail(project, "FAIL")["checks"]
    assert [c["id"] for c in checks if c["verdict"] == "FAIL"] == ["G4"]
    assert checks[4]["figures"]["canaries_emitted"]["count"] == 1


@pytest.mark.slow
def test_canaries_that_nobody_wrote_stand_in_the_audit_with_their_hash(project):
    plant_canaries(project, emitted=0)
    verdict = run(project)
    assert verdict["verdict"] == "PASS" and verdict["checks"][4]["figures"]["canaries_emitted"]["n"] == 2
    assert verdict["hashes"]["canaries"] == sha256_of(project["canaries"])


def test_other_canaries_than_those_adapted_on_are_a_fault(project):
    plant_canaries(project, emitted=0)
    write_notes(project["canaries"], list(read_notes(project["canaries"]))[:3])
    faults = fail(project, "FAIL")["checks"][0]["figures"]["faults"]
    assert faults == [
        "the generator was adapted with other canaries",
        "other canaries were looked for in the synthetic notes",
    ]


def test_nothing_private_is_told(project, capsys):
    plant_canaries(project, emitted=0)
    run(project)
    told = project["audit"].read_text() + manifest_path(project["released"]).read_text() + capsys.readouterr().out
    told += project["page"].read_text() + manifest_path(project["page"]).read_text()
    for secret in (NAME, "Hallorann", RECORD, "note-private", "patient-", "note-holdout", "note-gold", "note-canary"):
        assert secret not in told


def test_the_page_for_the_person_who_signs_is_written_whatever_the_verdict(project):
    run(project)
    page = project["page"].read_text()
    assert "nothing stands in the way" in page and "<td>identifier: name</td>" in page
    assert sensitivity_of(project["page"]) == "synthetic"
    project["holdout"].write_text("")
    fail(project, "INCONCLUSIVE")
    assert "there are no holdout notes" in project["page"].read_text()
    project["gold"].unlink()
    fail(project, "does not exist")
    assert "could not be carried out" in project["page"].read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"text": f"seen by {NAME}"}, "an identifier"),
        ({NAME: 1}, "an identifier"),
        ({"record": int(RECORD)}, "an identifier"),
        ({"worst": ["note-private-3"]}, "an id"),
        ({"worst": "note-holdout-2 of all"}, "an id"),
        ({"like": " ".join(a_note("gold", 4).text.split()[5:13])}, "a run of words"),
    ],
)
def test_a_check_that_tells_of_a_private_note_is_not_written(project, monkeypatch, told, what):
    monkeypatch.setattr("scripts.privacy.identifiers.recall_of_list", lambda *_: told)
    verdict = fail(project, f"tells {what} of a private note")
    assert verdict["verdict"] == "INCONCLUSIVE" and what in verdict["reason"] and verdict["checks"] == []
    for written in (project["audit"].read_text(), project["page"].read_text()):
        for secret in (NAME, RECORD, "note-private", "patient-"):
            assert secret not in written


def fail(project, match: str) -> dict:
    """The verdict of a run that releases nothing, although an earlier one did."""
    for path in (project["released"], manifest_path(project["released"])):
        path.write_text("of an earlier pass")
    with pytest.raises(UserError, match=match):
        run(project)
    assert not project["released"].exists() and not manifest_path(project["released"]).exists()
    verdict = json.loads(project["audit"].read_text())
    assert verdict["verdict"] != "PASS"
    return verdict


def test_notes_exchanged_after_they_were_hashed(project):
    write_notes(project["synthetic"], [a_note("synthetic", i) for i in range(20, 28)])
    assert fail(project, "FAIL")["checks"][0]["figures"]["faults"]


def test_overlapping_patients(project):
    notes = [*read_notes(project["holdout"]), Note("x", "some words", None, {"patient": "P0"})]
    write_notes(project["holdout"], notes)
    assert fail(project, "FAIL")["checks"][0]["figures"]["patients_in_private_and_holdout"] == 1


def test_an_empty_holdout(project):
    project["holdout"].write_text("")
    assert fail(project, "INCONCLUSIVE")["verdict"] == "INCONCLUSIVE"


@pytest.mark.parametrize("missing", ["holdout", "gold", "synthetic"])
def test_a_missing_file(project, missing):
    project[missing].unlink()
    assert "does not exist" in fail(project, "does not exist")["reason"]


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["generator", "synthetic"])
def test_a_missing_manifest(project, missing):
    manifest_path(project[missing]).unlink()
    assert "has no manifest" in fail(project, "INCONCLUSIVE")["checks"][0]["meaning"]


def test_a_missing_policy(project, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        run(project, tmp_path / "none.cfg")
    assert json.loads(project["audit"].read_text())["verdict"] == "INCONCLUSIVE"


def test_the_full_policy_demands_what_is_not_run_yet(project):
    write_notes(project["synthetic"], [a_note("synthetic", i) for i in range(8)])
    vouch_for(project)
    with pytest.raises(UserError, match=r"INCONCLUSIVE .* Not passed: G2, G3, G4;"):  # G2: eight holdout patients
        run(project, quick("audit", project["private"].parent))
    assert not project["released"].exists()
