"""The truth and the count of the red team by hand; its generators are described, not trained."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import red_team
from benchmarks.red_team import (
    RECIPES,
    Outcome,
    Recipe,
    copies_of,
    draw,
    evidence_of,
    identifiers_of,
    judge,
    make_notes,
    recited,
    rows_of,
    rows_of_copies,
    spelled,
    write_config,
)
from scripts.generators.load import load_generator
from scripts.notes.files import is_current, write_manifest
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.note import Note, Span
from scripts.notes.step import load_config
from scripts.privacy.gate import load_policy
from scripts.privacy.provenance import chain_faults

NAME, DOCTOR, NUMBER = "NOMBRE_SUJETO_ASISTENCIA", "NOMBRE_PERSONAL_SANITARIO", "ID_SUJETO_ASISTENCIA"


def labelled(id: str, text: str, **mentions: str) -> Note:
    """The note TEXT with a span on each of MENTIONS (label to mention)."""
    spans = [Span(text.index(m), text.index(m) + len(m), label) for label, m in mentions.items()]
    return Note(id, text, tuple(sorted(spans)))


PRIVATE = [
    labelled(
        "t1",
        "Paciente: Zoilo Quirogandia, NHC 4821009. Visto por Ramón Aguirrezabal.",
        **{NAME: "Zoilo Quirogandia", NUMBER: "4821009", DOCTOR: "Ramón Aguirrezabal"},
    ),
    labelled(
        "t2",
        "Paciente: Brunilda Etxeberrigoiti, caso 71533, con Juana María en Madrid Norte.",
        **{NAME: "Brunilda Etxeberrigoiti", NUMBER: "71533", DOCTOR: "Juana María", "TERRITORIO": "Madrid Norte"},
    ),
    labelled("t3", "Paciente: Quirogandia, NHC 715.", **{NAME: "Quirogandia", NUMBER: "715"}),
]
HOLDOUT = [Note("h1", "El paciente fue visto por RAMON AGUIRREZABAL.")]
TRUTH = {" zoilo quirogandia ": {"t1"}, " 4821009 ": {"t1"}, " brunilda etxeberrigoiti ": {"t2"}, " 71533 ": {"t2"}}
SYNTHETIC = (
    Note("name", "Vino zoilo QUIROGANDIA, tranquilo."),
    Note("short number", "NHC: 71533. Sin novedad."),  # five digits after no cue: a label alone tells whose they are
    Note("harmless", "Historia 71 533, sin novedad; 5 mg de 715330."),
    Note("mistyped", "Vino Zoilo Quirogandla, tranquilo."),
    Note("nobody", "Vino caminando y sin dolor."),
)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    policy = load_policy(Path("configs/audit_small.cfg"))
    only_g1 = replace(policy, required=("G1",), checks=tuple(c for c in policy.checks if c.id == "G1"))
    return judge(only_g1, evidence_of(PRIVATE, HOLDOUT, SYNTHETIC, {}), TRUTH)


def test_spelling_by_hand():
    assert spelled("Pérez-RUIZ,\nAna: HN 48/21_0") == " perez ruiz ana hn 48 21 0 "
    assert spelled("...") == "  "


def test_the_truth_is_what_labels_mark_and_nobody_else_has():
    labels = {NAME, DOCTOR, NUMBER}
    assert identifiers_of(PRIVATE, HOLDOUT, labels, {" juana maria "}) == TRUTH
    # One word or three digits tell nothing by themselves; the rest was public, the holdout's, or no identifier.
    assert set(identifiers_of(PRIVATE, [], labels, {})) - TRUTH.keys() == {" ramon aguirrezabal ", " juana maria "}


def test_what_is_recited_stands_there_word_for_word():
    assert recited(TRUTH, SYNTHETIC) == {" zoilo quirogandia ": {"name"}, " 71533 ": {"short number"}}


def test_what_the_gate_flags_and_misses(outcome):
    assert outcome.verdict == "PASS" and (outcome.n_notes, outcome.n_identifiers) == (5, 4)
    assert outcome.flagged == {"name": {"G1"}, "mistyped": {"G1"}}
    assert outcome.missed == {" 71533 "}
    assert (outcome.wrongly, outcome.n_harmless) == ({"mistyped"}, 3)


def test_an_identifier_is_missed_if_one_of_its_notes_is(outcome):
    twice = replace(outcome, recited={" x y ": {"name", "nobody"}, " u v ": {"name"}})
    assert twice.missed == {" x y "}


def test_the_rows(outcome):
    rows = {row.measure: row for row in rows_of("overtrained", outcome)}
    told = {measure.split(": ")[1]: (row.value, row.n) for measure, row in rows.items()}
    assert told == {
        "verdict": ("PASS", 5),
        "identifiers recited": (2, 4),
        "recited, caught": (1, 2),
        "recited, missed": (1, 2),
        "notes dropped": (2, 5),
        "notes dropped, by check": ("G1 2", 5),
        "notes without one, dropped by G1 alone": (1, 3),
    }
    missed = rows["overtrained: recited, missed"]
    assert (missed.target, missed.reached) == (0, False) and missed.ci95[0] < 0.5 < missed.ci95[1]
    none = replace(outcome, recited={" zoilo quirogandia ": {"name"}})
    assert [r.reached for r in rows_of("overtrained", none) if r.measure.endswith("missed")] == [True]
    assert all(row.target is None for row in rows_of("normal", outcome))


def test_rows_by_how_often_a_note_was_repeated(outcome):
    copies = {"t1": 1, "t2": 64, "t3": 4}
    rows = rows_of_copies("repeated", outcome, copies, TRUTH | {" 4821009 ": {"t1", "t3"}})
    told = [(row.measure.split(" ", 1)[1], row.value, row.n) for row in rows]
    assert told == [
        ("1 times: identifiers recited", 1, 1),
        ("1 times: recited, missed", 0, 1),
        ("4 times: identifiers recited", 0, 1),
        ("4 times: recited, missed", 0, 0),
        ("64 times: identifiers recited", 1, 2),
        ("64 times: recited, missed", 1, 1),
    ]
    assert rows_of_copies("normal", outcome, dict.fromkeys(copies, 1), TRUTH) == []


def test_patients_and_holdout_are_apart_and_copies_go_in_turn():
    notes = [Note(f"n{i:03}", "x") for i in range(500)]
    holdouts = []
    for recipe in RECIPES.values():
        private, holdout = draw(recipe, notes)
        assert len(private) == recipe.n_patients and not {n.id for n in private} & {n.id for n in holdout}
        holdouts.append(holdout)
    assert holdouts[0] == holdouts[1] == holdouts[2] and len(holdouts[0]) == red_team.N_HOLDOUT
    assert list(copies_of(Recipe(3, copies=(1, 4)), PRIVATE).values()) == [1, 4, 1]


@pytest.mark.parametrize("name", RECIPES)
def test_the_generators_see_the_patients_own_identifiers(tmp_path, name):
    write_config(RECIPES[name], tmp_path / "generator.cfg")
    made, shipped = load_generator(tmp_path / "generator.cfg"), load_generator(red_team.GENERATOR)
    assert not made.stages.stages and shipped.stages.stages
    assert made.schedule == replace(shipped.schedule, **RECIPES[name].schedule)
    writing = {"max_attempts": 15.0, "near_copy": 2.0, "temperature": RECIPES[name].temperature}
    assert made.shape == shipped.shape and made.writing == replace(shipped.writing, **writing)


@pytest.mark.parametrize("stops_early", [True, False])
def test_the_files_are_a_chain_that_g0_believes_and_are_made_once(tmp_path, monkeypatch, stops_early):
    asked = []

    def adapt(private, holdout, out, *, config, canaries, copies, seed, gpu_id):
        settings, inputs = load_config(config)["generator"], {"private": private, "holdout": holdout}
        if is_current(out, inputs, settings, seed):
            return
        asked.append((holdout.name, len(list(read_notes(private)))))
        out.mkdir()
        write_manifest(out, inputs=inputs, config=settings, sensitivity="private", counts={}, seed=seed)

    def generate(generator, private, synthetic, *, config, canaries, n_notes, seed, gpu_id, holdout, report):
        asked.append(("written", n_notes))
        write_notes(synthetic, SYNTHETIC)
        settings = {**load_config(config), "n_notes": n_notes}
        inputs = {"generator": generator / "manifest.json", "private": private}
        write_manifest(synthetic, inputs=inputs, config=settings, sensitivity="synthetic", counts={}, seed=seed)

    monkeypatch.setattr(red_team.adapt, "main", adapt)
    monkeypatch.setattr(red_team.generate, "main", generate)
    recipe = Recipe(3, {"n_epochs": 2}, copies=(1, 4), stops_early=stops_early)
    for _ in range(2):
        files = make_notes(recipe, PRIVATE, HOLDOUT, tmp_path)
    assert asked == [("holdout.jsonl" if stops_early else "private.jsonl", 6), ("written", red_team.N_WRITTEN)]
    private = list(read_notes(files["private"]))
    assert len({note.id for note in private}) == 6 and {note.patient for note in private} == {"t1", "t2", "t3"}
    assert all(note.spans is None and not note.identifiers for note in private)
    evidence = evidence_of(PRIVATE, HOLDOUT, SYNTHETIC, files)
    assert chain_faults(evidence) == [] and [note.id for note in evidence.private] == ["t1", "t2", "t3"]
    assert all(note.spans is None for note in (*evidence.private, *evidence.holdout))
