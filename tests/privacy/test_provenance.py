import json
from dataclasses import replace

import pytest

from scripts.notes.files import manifest_path, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note
from scripts.privacy.check import Evidence
from scripts.privacy.provenance import Provenance, count_near_duplicates

CHECK = Provenance(max_near_duplicates=0.2)


def a_note(side: str, i: int) -> Note:
    words = (f"{side}{letter * (i + 1)}" for letter in "abcdefghijklmnopqrstuvwxyzäöüõ")
    return Note(f"{side}{i}", " ".join(words), None, {"patient": f"{side}-{i}"})


@pytest.fixture
def evidence(tmp_path) -> Evidence:
    sides = {side: tuple(a_note(side, i) for i in range(5)) for side in ("private", "holdout", "gold", "synthetic")}
    files = {side: tmp_path / f"{side}.jsonl" for side in sides} | {
        "generator": tmp_path / "generator",
        "config": tmp_path / "audit.cfg",
    }
    for side, notes in sides.items():
        write_notes(files[side], notes)
    files["config"].write_text("[gate]\n")
    files["generator"].mkdir()
    common = {"config": {}, "counts": {}}
    write_manifest(files["generator"], inputs={"private": files["private"]}, sensitivity="private", **common)
    inputs = {"generator": manifest_path(files["generator"]), "private": files["private"], "holdout": files["holdout"]}
    write_manifest(files["synthetic"], inputs=inputs, sensitivity="synthetic", **common)
    return Evidence(**sides, files=files)


def faults(evidence: Evidence) -> list[str]:
    result = CHECK(evidence)
    assert result.verdict == ("FAIL" if result.figures["faults"] else "PASS")
    return result.figures["faults"]


def test_a_whole_chain_passes(evidence):
    assert faults(evidence) == []


@pytest.mark.parametrize(
    ("side", "name"), [("holdout", "patients_in_private_and_holdout"), ("gold", "patients_in_private_and_gold")]
)
def test_a_patient_on_both_sides(evidence, side, name):
    twin = replace(evidence.private[0], id="twin", text="something else")
    mixed = replace(evidence, **{side: (*getattr(evidence, side), twin)})
    assert faults(mixed) == [name] and CHECK(mixed).figures[name] == 1


@pytest.mark.parametrize(
    ("side", "fault"),
    [
        ("synthetic", ["the synthetic notes changed after their manifest was written"]),
        (
            "private",
            [
                "the generator was adapted on other private notes",
                "the synthetic notes were written with other private notes",
            ],
        ),
        ("holdout", ["the synthetic notes were written with other holdout notes"]),
    ],
)
def test_a_file_that_was_exchanged(evidence, side, fault):
    with evidence.files[side].open("a") as stream:
        stream.write('{"text": "one more"}\n')
    assert faults(evidence) == fault


def test_another_generator(evidence):
    path = manifest_path(evidence.files["generator"])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seed": 1}))
    assert faults(evidence) == ["the synthetic notes were written by another generator"]


def test_near_duplicates_of_private_notes(evidence):
    words = evidence.private[0].text.split()
    near = [replace(evidence.holdout[0], id=str(n), text=" ".join(words[:n] + ["x"] * (30 - n))) for n in (25, 12)]
    # of 23 8-grams 18 and 5 are those of the private note
    assert count_near_duplicates(near, evidence.private) == 1
    mixed = replace(evidence, holdout=(near[0], near[1]))
    assert "too many holdout notes repeat private notes" in faults(mixed)
    assert CHECK(replace(evidence, holdout=(*evidence.holdout[1:], near[0]))).verdict == "PASS"  # 1 of 5


def test_notes_without_a_patient_are_counted(evidence):
    nobody = replace(evidence.private[0], meta={})
    assert CHECK(replace(evidence, private=(nobody,))).figures["notes_without_patient"] == 1
