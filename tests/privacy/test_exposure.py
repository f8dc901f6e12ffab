"""G5: the generator's own loss: it warns, and never decides."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from scripts.llm.finetune import Lora, add_lora
from scripts.llm.local import LocalModel, load_causal_lm
from scripts.notes.files import write_manifest
from scripts.notes.note import Note
from scripts.privacy.check import Evidence
from scripts.privacy.exposure import Exposure, exposure, loss_of

CHECK = Exposure(n_notes=3, n_tokens=40)
NOTES = tuple(
    Note(f"n{i}", f"Takes aspirin {i} and had a chest x-ray.", None, {"patient": f"pat{i}"}) for i in range(8)
)
CANARIES = tuple(
    Note(f"c{i}", f"Seen today. fever was echo {i} no May", None, {"canary": ("planted", "twin")[i % 2], "end": 12})
    for i in range(6)
)


@pytest.fixture
def evidence(toy_lm, tmp_path) -> Evidence:
    shutil.copytree(toy_lm, tmp_path / "model")
    write_manifest(tmp_path, inputs={}, config={"base": None}, sensitivity="private", counts={})
    return Evidence(NOTES[:4], NOTES[4:], (), (), {"generator": tmp_path}, canaries=CANARIES)


def test_exposure_by_hand():
    twins = np.array([2.0, 3.0, 4.0])
    assert [exposure(loss, twins) for loss in (1.0, 2.5, 5.0)] == [2.0, 1.0, 0.0]  # rank 1, 2 and 4 of 4


def test_the_loss_is_the_models_own_mean_over_what_is_asked(toy_lm):
    local = LocalModel(toy_lm)
    text = "Seen in clinic today. Takes aspirin."
    ids = [local.tokenizer.eos_token_id, *local.encode("Seen in clinic today."), *local.encode(" Takes aspirin.")]
    given = 1 + len(local.encode("Seen in clinic today."))
    with torch.inference_mode():
        shares = local.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    losses = [-float(shares[i - 1, ids[i]]) for i in range(1, len(ids))]
    loss = loss_of(local, 256)
    assert loss(text, text.index("Takes")) == pytest.approx(np.mean(losses[given - 1 :]), rel=1e-3)
    assert loss("Seen in clinic today.", 0) == pytest.approx(np.mean(losses[: given - 1]), rel=1e-3)


def test_it_reads_as_many_tokens_as_the_policy_allows(toy_lm):
    local = LocalModel(toy_lm)
    short, long = "Seen in clinic today.", "Seen in clinic today. " + "Takes aspirin. " * 50
    n = len(local.encode(short))
    assert loss_of(local, n)(long, 0) == pytest.approx(loss_of(local, n)(short, 0), rel=1e-3)


def test_figures_without_a_verdict_and_without_a_private_id(evidence):
    result = CHECK(evidence)
    assert result.verdict == "PASS" and not result.p_values and not result.offenders
    for name in ("loss_attack", "canary_loss_attack"):
        assert (result.figures[name]["n_members"], result.figures[name]["n_others"]) == (3, 3)
    assert result.figures["canary_exposure_bits"]["max"] <= result.figures["canary_exposure_bits_at_most"] == 2.0
    assert result == CHECK(evidence)
    told = json.dumps(result.to_json())
    assert "aspirin" not in told and "pat0" not in told and '"n0"' not in told and '"c0"' not in told


def test_a_generator_that_learned_its_notes_by_heart_is_seen(evidence, monkeypatch):
    monkeypatch.setattr("scripts.privacy.exposure.loss_of", lambda local, n: lambda text, at: float(text[14] >= "4"))
    figures = CHECK(evidence).figures
    assert figures["loss_attack"]["auc"] == 1.0 and figures["mean_loss"] == {"private": 0.0, "holdout": 1.0}


def test_an_adapter_is_laid_on_its_base(toy_lm, tmp_path, evidence):
    model, _ = load_causal_lm(toy_lm)
    adapted = add_lora(model, Lora(r=2), 0)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights)
    adapted.save_pretrained(tmp_path / "generator" / "model")
    folder = tmp_path / "generator"
    write_manifest(folder, inputs={}, config={"base": toy_lm}, sensitivity="private", counts={})
    found = CHECK(replace(evidence, files={"generator": folder}))
    assert found.figures["mean_loss"] != CHECK(evidence).figures["mean_loss"]


def test_without_notes_a_model_or_canaries_there_is_less_to_say(evidence, tmp_path):
    assert replace(CHECK, n_notes=0)(evidence).verdict == "NOT_RUN"
    assert CHECK(replace(evidence, files={"generator": tmp_path / "none"})).verdict == "NOT_RUN"
    assert "canary_exposure_bits" not in CHECK(replace(evidence, canaries=())).figures
