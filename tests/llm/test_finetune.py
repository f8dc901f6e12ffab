import pytest
import torch

from scripts.llm import finetune as finetune_module
from scripts.llm import frozen
from scripts.llm.finetune import BatchesOfLength, Example, Lora, Schedule, add_lora, finetune, loss_of
from scripts.llm.local import LocalModel, load_causal_lm
from scripts.llm.rows import Rows


@pytest.fixture
def local(toy_lm):
    return LocalModel(toy_lm)


def test_a_language_example_asks_each_token_for_the_next_after_what_is_given():
    assert Example.language([5, 6, 7]).targets == (6, 7, -100)
    # 5 6 are the prefix: its last token is asked for the note's first, the ones before for nothing
    assert Example.language([5, 6, 7, 8], skip=2).targets == (-100, 7, 8, -100)


def test_the_loss_is_transformers_own(local):
    ids = local.encode("Takes aspirin and metformin. Had a CT head in May.")
    example = Example.language(ids)
    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    with torch.no_grad():
        ours = loss_of(local.model, torch.tensor([example.targets]), (), **inputs)
        theirs = local.model(**inputs, labels=torch.tensor([ids])).loss
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-4)


@pytest.mark.parametrize("step", [16, 64])
def test_padding_changes_no_loss_and_no_gradient(toy_lm, monkeypatch, step):
    model, tokenizer = load_causal_lm(toy_lm)
    texts = ("Takes aspirin and metformin. Had a CT head in May.", "Had a CT head.")
    examples = [Example.language(tokenizer(text).input_ids) for text in texts]
    n_asked = [sum(target != -100 for target in example.targets) for example in examples]
    model.eval()

    def loss_and_gradient(rows):
        batch = finetune_module.Collator(0)(list(Rows(rows, 0)))
        loss = loss_of(model, batch.pop("targets"), (), **batch)
        (gradient,) = torch.autograd.grad(loss, model.get_input_embeddings().weight)
        return batch["input_ids"].shape[1], loss, gradient

    monkeypatch.setattr(finetune_module, "STEP", 1)
    alone = [loss_and_gradient([example]) for example in examples]
    assert [width for width, *_ in alone] == [len(example.ids) for example in examples]
    monkeypatch.setattr(finetune_module, "STEP", step)
    width, loss, gradient = loss_and_gradient(examples)
    assert width % step == 0
    shares = [n / sum(n_asked) for n in n_asked]
    assert torch.allclose(loss, sum(share * alone[i][1] for i, share in enumerate(shares)), atol=1e-5)
    assert torch.allclose(gradient, sum(share * alone[i][2] for i, share in enumerate(shares)), atol=1e-5)


def test_choices_are_the_only_competitors(local):
    ids = local.encode("aspirin")[:2]
    targets = torch.tensor([[-100, 9]])
    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, 2, dtype=torch.long)}
    with torch.no_grad():
        logits = local.model(**inputs).logits[0, 1]
        expected = -logits[[3, 9]].log_softmax(0)[1]
        assert loss_of(local.model, targets, (3, 9), **inputs).item() == pytest.approx(expected.item(), abs=5e-3)


@pytest.mark.slow
def test_every_token_counts_the_same_whatever_the_length_of_its_row(local, tmp_path):
    texts = ["Takes aspirin.", "Echo was normal. Furosemide 40 mg was given. Had a CT head in May. " * 3, "No."]
    examples = [Example.language(local.encode(text)) for text in texts]
    n = [len(example.ids) - 1 for example in examples]
    finetune(local.model, examples[1:2], examples[1:2], Schedule(1e-2, 20, 1), tmp_path / "long", seed=0)
    with torch.no_grad():
        means = [
            loss_of(
                local.model,
                torch.tensor([example.targets]),
                (),
                input_ids=torch.tensor([example.ids]),
                attention_mask=torch.ones(1, len(example.ids), dtype=torch.long),
            ).item()
            for example in examples
        ]
    mean = sum(m * k for m, k in zip(means, n, strict=True)) / sum(n)
    assert abs(mean - sum(means) / len(means)) > 0.2  # else this test would see no difference
    report = finetune(local.model, examples, examples, Schedule(0.0, 1, 1), tmp_path / "all", seed=0)
    assert report["best_dev_loss"] == pytest.approx(mean, abs=0.02)
    assert report["epochs"][0]["loss"] == pytest.approx(mean, abs=0.02)


@pytest.mark.parametrize("n", [7, 203])
def test_batches_hold_rows_of_one_length_and_come_in_no_order_of_it(n):
    torch.manual_seed(0)
    lengths = torch.randint(5, 500, (n,)).tolist()
    rows = list(BatchesOfLength(lengths, 4, n_sorted=10))
    assert sorted(rows) == list(range(n))
    batches = [[lengths[row] for row in rows[i : i + 4]] for i in range(0, n - 3, 4)]
    if n > 100:
        assert sum(max(b) - min(b) for b in batches) / len(batches) < 100  # drawn at random: 300
        assert sorted(batches) not in (batches, batches[::-1])
        last = {lengths[list(BatchesOfLength(lengths[:200], 4))[-1]] for _ in range(20)}
        assert min(last) < 150
        assert max(last) > 350


@pytest.mark.slow
def test_only_the_adapter_of_the_last_layer_learns(local, tmp_path):
    examples = [Example.language(local.encode("Takes aspirin and metformin."))] * 4
    model = add_lora(local.model, Lora(r=2, alpha=4, n_layers=1), 0)
    before = {n: p.clone() for n, p in model.named_parameters()}
    finetune(model, examples, examples, Schedule(1e-2, 2, 2), tmp_path, seed=0)
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved
    assert all("lora_" in name and ".layers.1." in name for name in moved)


@pytest.mark.slow
def test_frozen_blocks_computed_once_change_nothing_but_the_time(toy_lm, tmp_path, monkeypatch):
    texts = ["Takes aspirin and metformin.", "Had a CT head.", "Echo was normal. Furosemide 40 mg was given."] * 2
    adapters, calls = [], []
    for name, limit in (("once", frozen.MAX_BYTES), ("anew", 0)):
        monkeypatch.setattr(frozen, "MAX_BYTES", limit)
        local = LocalModel(toy_lm)
        model = add_lora(local.model, Lora(r=2, alpha=4, n_layers=1), 0)
        lower = frozen._blocks(model)[0]
        count = lower.register_forward_hook(lambda *args, name=name: calls.append(name))
        examples = [Example.language(local.encode(text)) for text in texts]
        finetune(model, examples, examples, Schedule(1e-2, 3, 2), tmp_path / name, seed=0)
        count.remove()
        assert frozen._blocks(model)[0] is lower
        adapters.append({n: p.detach() for n, p in model.named_parameters() if "lora_" in n})
    once, anew = adapters
    for name, weights in once.items():
        assert torch.allclose(weights, anew[name], atol=2e-2), name  # batches differ in their padding
        assert weights.abs().sum() > 0
    assert calls.count("once") == 1
    assert calls.count("anew") > 10


def test_a_part_of_an_epoch_is_as_many_steps(local, tmp_path, monkeypatch):
    from transformers import Trainer

    real, steps = Trainer.training_step, []
    monkeypatch.setattr(Trainer, "training_step", lambda *args, **kw: steps.append(1) or real(*args, **kw))
    examples = [Example.language(local.encode("Takes aspirin."))] * 16  # eight steps
    report = finetune(local.model, examples, examples, Schedule(1e-3, 0.375, 2), tmp_path, seed=0)
    assert len(steps) == 3
    assert report["best_dev_loss"] is not None


@pytest.mark.slow
def test_the_best_epoch_is_kept_and_an_interrupted_run_goes_on(local, toy_lm, tmp_path):
    from transformers import Trainer

    examples = [Example.language(local.encode(t)) for t in ("Takes aspirin.", "Had a CT head.", "Echo was normal.")]
    schedule = Schedule(5e-3, 4, 2, patience=4)
    whole = finetune(local.model, examples, examples, schedule, tmp_path / "whole", seed=1)

    class Stopped(Exception):
        pass

    torn, real, steps = LocalModel(toy_lm), Trainer.training_step, []

    def stop_in_the_third_epoch(self, *args, **kwargs):
        steps.append(1)
        if len(steps) == 5:
            raise Stopped
        return real(self, *args, **kwargs)

    Trainer.training_step = stop_in_the_third_epoch
    try:
        with pytest.raises(Stopped):
            finetune(torn.model, examples, examples, schedule, tmp_path / "torn", seed=1)
    finally:
        Trainer.training_step = real
    again = LocalModel(toy_lm)
    resumed = finetune(again.model, examples, examples, schedule, tmp_path / "torn", seed=1)
    assert resumed["best_dev_loss"] == pytest.approx(whole["best_dev_loss"], abs=2e-3)
    assert whole["epochs"][-1]["eval_loss"] < whole["epochs"][1]["eval_loss"]
