"""A generator with differential privacy: what is refused, what is learned on private notes, and the manifest."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import adapt
from scripts.generators import causal_lm, scratch
from scripts.generators.causal_lm_configs import make_pretrained, make_scratch
from scripts.generators.guarantee import outside_guarantee
from scripts.generators.load import load_generator
from scripts.generators.pretraining import read_public
from scripts.generators.recombine import make_sections
from scripts.generators.stages import make_stages
from scripts.generators.surrogates import make_surrogates
from scripts.llm.dp import Privacy
from scripts.llm.local import LocalModel
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span

PRIVACY = {"epsilon": 8.0}
SCHEDULE = {"learning_rate": 1e-3, "n_epochs": 2, "batch_size": 4}
SHAPE = {"n_layers": 1, "width": 16, "n_heads": 2}
LISTS = {"DRUG": ["heparin"], "PROCEDURE": ["bone scan"]}
CANARY = Note("c1", "Seen. knee aspirin table", None, {"patient": "c1", "canary": "planted", "end": 6})


@pytest.fixture
def lists(tmp_path) -> Path:
    path = tmp_path / "lists.yml"
    path.write_text(json.dumps(LISTS))
    return path


@pytest.fixture
def public(tmp_path) -> Path:
    path = tmp_path / "public.jsonl"
    path.write_text("".join(json.dumps({"text": f"Quince jam {i}. " * 9}) + "\n" for i in range(4)))
    return path


@pytest.mark.parametrize(
    ("settings", "writing", "what"),
    [
        ({"slots": ["DRUG"]}, {}, "slots without lists"),
        ({}, {"prompt": "opening"}, "beside openings"),
        (
            {"stages": make_stages(make_surrogates("es_ES", {"NAME": "name"}), make_sections(across_patients=True))},
            {},
            "mixes patients",
        ),
        ({"privacy": {}}, {}, r"\[generator\.privacy\].*epsilon"),
        ({"privacy": {"epsilon": 1, "noise": 2}}, {}, r"\[generator\.privacy\].*noise"),
        ({"privacy": {"epsilon": -1}}, {}, "epsilon -1"),
    ],
)
def test_what_would_carry_private_text_past_the_guarantee_is_refused(settings, writing, what):
    with pytest.raises(UserError, match=what):
        make_pretrained("m", [], {}, writing, **{"privacy": PRIVACY} | settings)


def test_a_size_that_would_follow_private_text_is_refused_and_one_that_is_given_or_public_is_not(public):
    with pytest.raises(UserError, match="size would follow"):
        make_scratch([], {}, {}, privacy=PRIVACY)
    make_scratch([], {}, {}, privacy=PRIVACY, **SHAPE)
    make_scratch([], {}, {}, privacy=PRIVACY, pretraining={"texts": str(public), "schedule": {}})


def test_a_label_without_a_list_is_named(toy_lm, toy_notes, tmp_path):
    (tmp_path / "lists.yml").write_text(json.dumps({"DRUG": ["heparin"]}))
    generator = make_pretrained(
        toy_lm, [], {}, {}, slots=["DRUG", "PROCEDURE"], lists=str(tmp_path / "lists.yml"), privacy=PRIVACY
    )
    with pytest.raises(UserError, match="lists nothing for PROCEDURE"):
        generator.adapt(toy_notes, toy_notes[:2], tmp_path / "out", 0, -1)


def test_slots_stand_where_a_notes_own_labels_or_the_lists_say_and_are_filled_from_the_lists(lists):
    generator = make_pretrained("m", [], {}, {}, slots=list(LISTS), lists=str(lists), privacy=PRIVACY)
    labelled = Note("a", "On aspirin.", (Span(3, 10, "DRUG"),))
    unlabelled = Note("u", "On aspirin and heparin.")
    slots = generator._slots([labelled, unlabelled])
    assert (slots.empty(labelled), slots.empty(unlabelled)) == ("On <DRUG>.", "On aspirin and <DRUG>.")
    assert {slots.fill("On <DRUG>.", random.Random(seed))[0] for seed in range(20)} == {"On heparin."}


def test_with_tags_a_canary_is_not_labelled_by_other_patients_mentions(toy_notes):
    tagged = make_pretrained("m", [], {}, {}, tags=["DRUG"], privacy=PRIVACY)
    assert tagged._shown([*toy_notes, CANARY], 0)[-1].spans == ()
    assert replace(tagged, privacy=None)._shown([*toy_notes, CANARY], 0)[-1].spans == (Span(11, 18, "DRUG"),)


def learned_tokens(folder: Path) -> list[str]:
    """The tokens longer than a byte that the tokenizer in FOLDER has learned, as text."""
    tokenizer = LocalModel(str(folder / "model")).tokenizer
    return [tokenizer.decode([i]) for i in range(len(tokenizer)) if i not in tokenizer.all_special_ids][256:]


@pytest.mark.slow
def test_from_scratch_tokens_and_size_are_learned_on_public_text_alone(toy_notes, public, tmp_path, monkeypatch):
    generator = make_scratch(["genre"], SCHEDULE, {}, vocab_size=300, max_tokens=128, privacy=PRIVACY, **SHAPE)
    generator.adapt(toy_notes, toy_notes[:2], tmp_path / "bytes", 0, -1)
    assert learned_tokens(tmp_path / "bytes") == []
    asked = []
    monkeypatch.setattr(scratch, "size_for", lambda n: asked.append(n) or SHAPE)
    pretraining = {"texts": str(public), "schedule": SCHEDULE}
    generator = make_scratch(
        ["genre"], SCHEDULE, {}, vocab_size=270, max_tokens=128, privacy=PRIVACY, pretraining=pretraining
    )
    report = generator.adapt(toy_notes, toy_notes[:2], tmp_path / "public", 0, -1)
    tokens, texts = learned_tokens(tmp_path / "public"), [note.text for note in read_public(public)]
    assert len(tokens) == 270 - 257 and all(any(token in text for text in texts) for token in tokens)
    tokenizer = LocalModel(str(tmp_path / "public" / "model")).tokenizer
    assert asked == [sum(len(tokenizer.encode(text)) for text in texts)]
    assert report["pretraining"]["n_train_tokens"] and report["privacy"]["n_patients"] == len(toy_notes)


def test_all_notes_copies_and_passages_of_a_patient_are_one_unit_and_so_is_a_canary(toy_lm, monkeypatch, tmp_path):
    notes = [Note(f"n{i}", f"One two three. Four five {i}.", None, {"patient": f"p{i % 2}"}) for i in range(3)]
    nameless = Note("x", "One two.")
    stages = make_stages(make_surrogates("es_ES", {"NAME": "name"}, copies=3))
    generator = make_pretrained(toy_lm, [], {}, {}, {"r": 2}, stages=stages, passage=3, privacy=PRIVACY)
    given = []

    def spend(model, patients, *rest):
        given.extend(patients)
        return {"privacy": {}}

    monkeypatch.setattr(causal_lm, "finetune_privately", spend)
    report = generator.adapt([*notes, CANARY, CANARY, nameless], notes, tmp_path, 0, -1)
    # p0 has two notes of two passages, p1 one, the canary one of two that was planted twice, each in three copies.
    assert [len(examples) for examples in given] == [12, 6, 12, 3]
    assert report["stages"] == [["Surrogates", 3 * 6]]
    outside = report["privacy"]["outside"]
    assert "1 canaries" in outside[-2] and "1 notes that name no patient" in outside[-1]


def test_what_lies_outside_is_said_for_the_settings_at_hand(toy_notes, public):
    bare = make_pretrained("m", [], {}, {}, privacy=PRIVACY)
    asked, *others = outside_guarantee(bare, toy_notes)
    assert asked == "how many patients and notes there are" and len(others) == 3
    pretraining = {"texts": str(public), "schedule": {}}
    full = make_pretrained(
        "m", ["genre"], {}, {"rare_labels": 1.0}, passage=40, privacy=PRIVACY, pretraining=pretraining
    )
    asked, *others = outside_guarantee(full, toy_notes)
    assert all(said in asked for said in ("the values of genre", "passages", "each label"))
    assert "pretraining" in others[-1]


CONFIG = """
[generator]
@misc = "clinical.PretrainedLM.v1"
base = "{base}"
control = ["genre"]
[generator.lora]
r = 2
[generator.privacy]
epsilon = 3.0
[generator.schedule]
n_epochs = 3
batch_size = 4
[generator.writing]
"""


@pytest.mark.slow
def test_the_manifest_of_adapt_says_what_was_spent(toy_lm, toy_notes, tmp_path, capsys):
    private, holdout, canaries, config = (tmp_path / name for name in ("p.jsonl", "h.jsonl", "c.jsonl", "g.cfg"))
    write_notes(private, toy_notes)
    write_notes(holdout, toy_notes[:2])
    write_notes(canaries, [CANARY])
    config.write_text(CONFIG.format(base=toy_lm))
    adapt.main(private, holdout, tmp_path / "out", config, canaries, 1, 0, -1)
    spent = read_manifest(tmp_path / "out")["counts"]["privacy"]
    # 8 patients and a canary, 4 a step, 3 passes: 27 / 4 steps, so 7.
    numbers = {"unit": "patient", "n_patients": 9, "sample_rate": 4 / 9, "steps": 7, "max_grad_norm": 0.1}
    assert numbers.items() <= spent.items()
    assert spent["delta"] == pytest.approx(9**-1.1)
    from opacus.accountants import RDPAccountant  # seconds to import

    accountant = RDPAccountant()
    accountant.history = [(spent["noise_multiplier"], 4 / 9, 7)]
    assert spent["epsilon"] == pytest.approx(accountant.get_epsilon(spent["delta"]))
    assert 2.97 <= spent["epsilon"] <= 3.0
    assert spent["outside"]
    assert not (tmp_path / "out" / "work").exists()  # with it go the states of the generators
    assert "each of 9 patients: epsilon" in capsys.readouterr().out
    with pytest.raises(UserError, match="positive control"):
        adapt.main(private, holdout, tmp_path / "control", config, canaries, 16, 0, -1)


def test_the_shipped_config_is_the_default_generator_with_privacy():
    private, default = (load_generator(Path(f"configs/generator/{name}.cfg")) for name in ("private", "smollm2"))
    assert private.privacy == Privacy(8.0, None, 0.1)
    same = {name: getattr(default, name) for name in ("privacy", "stages", "lora", "schedule", "slot_patients")}
    assert replace(private, **same) == default
