"""Canaries on their way: `adapt` plants them, `generate` counts them, and no other step is told of any."""

import json
from collections import Counter
from pathlib import Path

import pytest

from scripts import adapt, generate
from scripts.generators.causal_lm import Written
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest, sha256_of
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note

CANARIES = [
    Note(f"c{i}", f"He came. end {i}", None, {"canary": role, "end": 9})
    for i, role in enumerate(("planted", "twin", "planted", "twin"))
]


class Recorder:
    """A generator that keeps what it was given, and says that it recited the first canary."""

    def adapt(self, notes, holdout, out, seed, gpu_id):
        self.learned = [note.id for note in notes]
        return {"best_dev_loss": 1.0}

    def write(self, out, notes, n_notes, seed, gpu_id, work, on_progress, canaries=()):
        self.prompted, self.watched = [n.id for n in notes], [c.id for c in canaries]
        asked = [{"genre": "ward"}, {"genre": "ward"}]
        return Written([Note("s1", "text", None, asked[0])], Counter(canary=1), set(self.watched[:1]), asked)


@pytest.fixture
def recorder(monkeypatch) -> Recorder:
    made = Recorder()
    for step in (adapt, generate):
        monkeypatch.setattr(step, "load_generator", lambda path: made)
    return made


@pytest.fixture
def paths(tmp_path) -> dict[str, Path]:
    groups = {"private": [Note("p1", "x")], "holdout": [Note("h1", "x")], "canaries": CANARIES, "none": []}
    paths = {name: tmp_path / f"{name}.jsonl" for name in groups}
    for name, notes in groups.items():
        write_notes(paths[name], notes)
    paths |= {"config": tmp_path / "g.cfg", "out": tmp_path / "generator", "synthetic": tmp_path / "synthetic.jsonl"}
    paths["config"].write_text("[generator]\nx = 1\n")
    return paths


def run_adapt(paths, canaries: str | None, copies: int = 1) -> dict:
    given = paths[canaries] if canaries else None
    adapt.main(paths["private"], paths["holdout"], paths["out"], paths["config"], given, copies, 0, -1)
    return read_manifest(paths["out"])


def run_generate(paths, canaries: str | None, report: Path | None = None) -> dict:
    given = paths[canaries] if canaries else None
    others = (paths["holdout"], report)
    generate.main(paths["out"], paths["private"], paths["synthetic"], paths["config"], given, 1, 0, -1, *others)
    return read_manifest(paths["synthetic"])


def test_adapt_learns_the_planted_canaries_and_no_twin(recorder, paths):
    manifest = run_adapt(paths, "canaries")
    assert recorder.learned == ["p1", "c0", "c2"]
    assert manifest["counts"]["n_notes"] == 1 and manifest["counts"]["n_canaries"] == 2
    assert manifest["inputs"]["canaries"] == sha256_of(paths["canaries"])


@pytest.mark.parametrize("canaries", [None, "none"])
def test_without_canaries_there_are_the_private_notes_alone(recorder, paths, canaries):
    assert run_adapt(paths, canaries)["counts"]["n_canaries"] == 0
    assert recorder.learned == ["p1"]
    assert "canaries" not in run_generate(paths, canaries)["counts"]


def test_other_canaries_are_adapted_on_anew(recorder, paths):
    run_adapt(paths, "canaries")
    recorder.learned = None
    run_adapt(paths, "canaries")
    assert recorder.learned is None
    write_notes(paths["canaries"], CANARIES[:2])
    run_adapt(paths, "canaries")
    assert recorder.learned == ["p1", "c0"]


def test_the_positive_control_sees_each_planted_canary_many_times(recorder, paths):
    run_adapt(paths, "canaries", copies=3)
    assert recorder.learned == ["p1", *["c0", "c2"] * 3]
    with pytest.raises(UserError, match="no canaries to plant"):
        run_adapt(paths, "none", copies=3)


def test_a_missing_file_is_not_taken_for_no_canaries(recorder, paths):
    paths["canaries"].unlink()
    with pytest.raises((UserError, FileNotFoundError)):
        run_adapt(paths, "canaries")


def test_generate_counts_the_canaries_and_is_prompted_by_none(recorder, paths, capsys):
    run_adapt(paths, "canaries")
    manifest = run_generate(paths, "canaries")
    assert (recorder.prompted, recorder.watched) == (["p1"], ["c0", "c2"])
    assert manifest["counts"]["canaries"] == {"n": 2, "emitted": 1}
    assert manifest["counts"]["rejected"] == {"canary": 1}
    assert manifest["inputs"]["canaries"] == sha256_of(paths["canaries"])
    assert "1 of 2 canaries were recited" in capsys.readouterr().out


def test_notes_that_are_there_are_not_written_again_unless_something_has_changed(recorder, paths, capsys):
    run_adapt(paths, "canaries")
    run_generate(paths, "canaries")
    recorder.prompted = None
    run_generate(paths, "canaries")
    assert recorder.prompted is None and "up to date" in capsys.readouterr().out
    paths["config"].write_text("[generator]\nx = 2\n")
    run_generate(paths, "canaries")
    assert recorder.prompted == ["p1"]


def test_generate_reports_what_was_asked_for_and_rejected_if_it_is_told_where(recorder, paths, tmp_path):
    run_adapt(paths, "canaries")
    run_generate(paths, "canaries")
    assert not list(tmp_path.glob("*generation.json"))
    run_generate(paths, "canaries", tmp_path / "generation.json")
    report = json.loads((tmp_path / "generation.json").read_text("utf8"))
    assert report["n_notes"] == {"private": 1, "holdout": 1, "synthetic": 1}
    assert report["drawn"] == {"n": 2, "rejected": {"canary": 1}}
    assert report["control"]["genre"]["values"] == {"(rare)": {"private": 0, "requested": 2, "delivered": 1}}
