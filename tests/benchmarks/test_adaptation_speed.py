"""What is counted by hand; both loops on a model so small that only what they learn means something."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import adaptation_speed
from benchmarks.adaptation_speed import Training, labelled, measure, n_flops, products_in, rows_of, train_plain
from scripts.llm.finetune import Example, Lora, Schedule, add_lora, loss_of
from scripts.llm.local import LocalModel, has_bf16, load_causal_lm


def example(tokenizer, text: str, skip: int) -> Example:
    return Example.language(tokenizer(text, add_special_tokens=False).input_ids, skip)


@pytest.fixture
def training(toy_lm) -> Training:
    model, tokenizer = load_causal_lm(toy_lm)
    texts = ["Takes aspirin and metformin.", "Had a CT head.", "Echo was normal."] * 2
    examples = [example(tokenizer, text, 2) for text in texts]
    model = add_lora(model, Lora(2, 4, 1), 0)
    return Training(model, tokenizer, examples, examples[:2], Schedule(1e-2, 2, 2, 2, n_dev=2), 1)


def test_labels_stand_at_their_own_tokens():
    assert labelled(Example.language([5, 6, 7, 8], skip=2)) == {
        "input_ids": [5, 6, 7, 8],
        "attention_mask": [1, 1, 1, 1],
        "labels": [-100, -100, 7, 8],
    }


def test_both_minimise_the_same_loss(toy_lm):
    local = LocalModel(toy_lm)
    one = example(local.tokenizer, "Takes aspirin and metformin.", 3)
    given = {key: torch.tensor([value]) for key, value in labelled(one).items()}
    labels = given.pop("labels")
    with torch.no_grad():
        theirs = local.model(**given, labels=labels).loss.item()
        assert loss_of(local.model, torch.tensor([one.targets]), (), **given).item() == pytest.approx(theirs, abs=2e-3)


def test_what_has_to_be_computed(training):
    n_tokens = sum(len(e.ids) for e in training.examples)
    assert training.n_tokens == 2 * n_tokens
    # Width 32: attention 4 x 32 x 32, MLP 3 x 32 x 96. One of two blocks is frozen; of each text all but one prefix
    # token and the last ask for the next one. Two epochs.
    block, head, n_asked = 4 * 32 * 32 + 3 * 32 * 96, 32 * training.model.config.vocab_size, n_tokens - 6 * 2
    assert n_flops(training) == 2 * block * n_tokens + 2 * 4 * (block * n_tokens + head * n_asked)
    assert n_flops(replace(training, n_layers=None)) == 2 * 6 * (2 * block * n_tokens + head * n_asked)


def test_the_rows():
    rates = {
        "plain Trainer, float32": np.array([10.0, 20.0]),
        "ours, float32": np.array([14.0, 28.0]),
        "plain Trainer, bfloat16": np.array([20.0, 20.0]),
        "ours, bfloat16": np.array([40.0, 20.0]),
    }
    rows = {row.measure: row for row in rows_of("x", rates, 2.0, 100.0)}
    assert rows["x: plain Trainer, float32"].value == 15.0
    told = {measure: (row.value, row.reached) for measure, row in rows.items() if row.target}
    assert told == {
        "x: ours, float32 / plain Trainer, float32": (pytest.approx(1.4), False),
        "x: ours, float32: share of matrix products, float32": (pytest.approx(0.42), False),
        "x: ours, bfloat16 / plain Trainer, bfloat16": (1.5, True),
        "x: ours, bfloat16 / plain Trainer, float32": (2.5, True),
        "x: ours, bfloat16: share of matrix products, float32": (pytest.approx(0.6), True),
    }


def test_ours_computes_in_the_type_it_is_told_to(monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": True})
    with products_in("float32"):
        assert not has_bf16("cpu")
    with products_in("bfloat16"):
        assert has_bf16("cpu")


def test_the_plain_loop_trains_what_ours_does(training, tmp_path):
    before = {name: weight.clone() for name, weight in training.model.named_parameters()}
    train_plain(training.model, training, tmp_path, "float32", 0)
    moved = {n for n, weight in training.model.named_parameters() if not torch.equal(weight, before[n])}
    assert moved and all("lora_" in name and ".layers.1." in name for name in moved)
    (state,) = tmp_path.glob("checkpoint-6/trainer_state.json")
    log = json.loads(state.read_text())["log_history"]
    assert [row["epoch"] for row in log if "eval_loss" in row] == [1.0, 2.0]


@pytest.mark.slow
def test_a_dry_run_has_all_figures_and_leaves_the_model_alone(training, monkeypatch):
    monkeypatch.setattr(adaptation_speed, "has_bf16", lambda device: False)
    monkeypatch.setattr(adaptation_speed, "matrix_rate", lambda dtype: 1e9)
    before = {name: weight.clone() for name, weight in training.model.named_parameters()}
    rows = {row.measure: row for row in measure("x", training, 1)}
    assert list(rows) == [
        "x: matrix products, float32",
        "x: plain Trainer, float32",
        "x: ours, float32",
        "x: ours, float32 / plain Trainer, float32",
        "x: ours, float32: share of matrix products, float32",
    ]
    assert all(row.value > 0 for row in rows.values())
    assert all(torch.equal(weight, before[name]) for name, weight in training.model.named_parameters())


@pytest.mark.parametrize("kind", adaptation_speed.GENERATORS)
def test_examples_are_drawn_from_the_notes_as_the_generator_shows_them(kind, toy_lm, toy_notes, tmp_path):
    config = tmp_path / "x.cfg"
    text = adaptation_speed.GENERATORS[kind].read_text("utf8").replace("training/base/smollm2", toy_lm)
    config.write_text(text.replace("n_layers = 12", "n_layers = 1").replace("batch_size = 16", "batch_size = 2"))
    training = adaptation_speed.training_of(config, [n.with_spans(None) for n in toy_notes] * 3, 2)
    assert len(training.examples) == 2 * training.schedule.batch_size and len(training.dev) == 2
    assert training.n_layers == (1 if kind == "LoRA" else None)
    assert training.schedule.n_epochs == 2
    shown = [training.tokenizer.decode(example.ids) for example in training.examples]
    assert all(text.startswith("genre: ") for text in shown) and len(set(shown)) > 1
