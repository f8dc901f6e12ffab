"""Differential privacy by patient: what is clipped and what is spent, by hand and by the accountant."""

import secrets

import pytest
import torch
from opacus.accountants import RDPAccountant
from opacus.optimizers import DPOptimizer

from scripts.llm import dp
from scripts.llm.dp import Plan, Privacy, _Training, finetune_privately, make_plan
from scripts.llm.finetune import Example, Lora, Schedule, add_lora, loss_of
from scripts.llm.local import LocalModel
from scripts.llm.rows import Rows
from scripts.notes.errors import UserError

TEXTS = ["Takes aspirin and metformin.", "Had a CT head in May.", "Echo was normal.", "Furosemide 40 mg was given."]
SCHEDULE = Schedule(learning_rate=1e-2, n_epochs=2, batch_size=2)


@pytest.fixture
def local(toy_lm):
    return LocalModel(toy_lm)


@pytest.fixture(autouse=True)
def in_32_bits(monkeypatch):
    """Gradients are compared digit by digit, whatever the processor."""
    monkeypatch.setattr(dp, "has_bf16", lambda device: False)


@pytest.fixture
def same_entropy(monkeypatch):
    """What the operating system gives is the same for each training of a test."""
    monkeypatch.setattr(secrets, "randbits", lambda n: 7)


def patients_of(local) -> list[list[Example]]:
    """Four patients, the first with ten windows."""
    examples = [Example.language(local.encode(text)) for text in TEXTS]
    return [[examples[i % 4] for i in range(10)], *([example] for example in examples[1:])]


def weights_of(model) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def gradient_of(model, examples) -> torch.Tensor:
    """The gradient of the mean loss over all tokens that EXAMPLES ask for, one after the other, as one vector."""
    model.zero_grad()
    n = sum(target != -100 for example in examples for target in example.targets)
    for example in examples:
        ids, targets = torch.tensor([example.ids]), torch.tensor([example.targets])
        loss = loss_of(model, targets, (), input_ids=ids, attention_mask=torch.ones_like(ids))
        (loss * sum(target != -100 for target in example.targets) / n).backward()
    flat = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    model.zero_grad()
    return flat


@pytest.mark.parametrize("max_grad_norm", [0.01, 1e6])
def test_each_patients_gradient_is_clipped_whole_and_the_sum_is_of_these(local, monkeypatch, max_grad_norm):
    monkeypatch.setattr(dp, "WINDOWS", 4)  # ten are more than go through the model together
    model = local.model.float()
    first, second, *_ = patients_of(local)
    direct = [gradient_of(model, own) for own in (first, second)]
    clipped = [gradient * min(1, max_grad_norm / float(gradient.norm())) for gradient in direct]
    sums, real = [], DPOptimizer.add_noise

    def keep(self):
        sums.append(torch.cat([weight.summed_grad.flatten() for weight in self.params]))
        real(self)

    monkeypatch.setattr(DPOptimizer, "add_noise", keep)
    plan = Plan(2, 1.0, 3, 0.1, 0.0, max_grad_norm)
    for group in ([first, second], [first], []):
        training = _Training(model, plan, Schedule(learning_rate=0.0))
        training.step(list(Rows(own, 0)) for own in group)
    both, alone, nobody = sums
    assert torch.allclose(both, clipped[0] + clipped[1], rtol=1e-3, atol=1e-4 * float(both.norm()))
    # Ten windows together weigh no more than the bound; each clipped by itself, they would weigh up to ten times it.
    assert float(alone.norm()) <= max_grad_norm
    if max_grad_norm == 0.01:
        assert float(direct[0].norm()) > 10 * max_grad_norm
        assert float(alone.norm()) == pytest.approx(max_grad_norm, rel=1e-3)
    assert not nobody.any()


def test_the_step_is_the_noisy_sum_over_the_expected_batch(local, same_entropy):
    """Two steps from the same state, with and without a patient, differ by the clipped gradient over the batch."""
    model, grads = local.model.float(), []
    plan = Plan(4, 0.5, 9, 0.1, 3.0, 0.01)
    for group in ([patients_of(local)[0]], []):
        training = _Training(model, plan, Schedule(learning_rate=0.0))
        training.optimizer.original_optimizer.step = lambda: grads.append(
            torch.cat([weight.grad.flatten() for weight in model.parameters()])
        )
        training.step(list(Rows(own, 0)) for own in group)
    with_patient, without = grads
    assert float((with_patient - without).norm()) == pytest.approx(0.01 / 2, rel=1e-3)
    n = len(without)
    assert n > 10_000  # the deviation of n draws is known to 1 in sqrt(2 n)
    assert float(without.std()) == pytest.approx(3.0 * 0.01 / 2, rel=0.05)


@pytest.mark.slow
def test_a_plan_spends_what_is_asked_for_and_hardly_less():
    plan = make_plan(Privacy(2.0), Schedule(n_epochs=3, batch_size=10), 25)
    # 25 patients, 10 a step: 3 passes are 7.5 steps, so 8.
    assert (plan.sample_rate, plan.steps, plan.max_grad_norm) == (0.4, 8, 0.1)
    assert plan.delta == pytest.approx(25**-1.1) and plan.delta < 1 / 25
    accountant = RDPAccountant()
    accountant.history = [(plan.noise_multiplier, 0.4, 8)]
    assert 1.98 <= accountant.get_epsilon(plan.delta) <= 2.0
    weaker = make_plan(Privacy(8.0), Schedule(n_epochs=3, batch_size=10), 25)
    assert weaker.noise_multiplier < plan.noise_multiplier


def test_where_a_batch_is_larger_than_all_patients_each_takes_part_in_each_step():
    plan = make_plan(Privacy(8.0, delta=0.01), Schedule(n_epochs=3, batch_size=64), 25)
    assert (plan.sample_rate, plan.steps, plan.delta) == (1.0, 3, 0.01)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"epsilon": 0}, "epsilon 0 is not"),
        ({"epsilon": 101}, "epsilon 101 is not"),
        ({"epsilon": float("nan")}, "epsilon nan is not"),
        ({"epsilon": 1, "delta": 1.0}, "delta 1 is not"),
        ({"epsilon": 1, "max_grad_norm": 0}, "max_grad_norm 0 is not"),
    ],
)
def test_a_setting_that_protects_nobody_is_refused(settings, what):
    with pytest.raises(UserError, match=what):
        Privacy(**settings)


def test_a_delta_that_would_publish_a_patient_and_a_single_patient_are_refused():
    with pytest.raises(UserError, match=r"delta 0\.2 is not less than 1 / 5"):
        make_plan(Privacy(1.0, delta=0.2), SCHEDULE, 5)
    with pytest.raises(UserError, match="1 patient: nobody"):
        make_plan(Privacy(1.0), SCHEDULE, 1)


def test_an_epsilon_that_the_accountant_can_show_for_no_noise_is_refused():
    with pytest.raises(UserError, match=r"epsilon 0\.01 with delta 3\.2e-06: no noise"):
        make_plan(Privacy(0.01), Schedule(n_epochs=3, batch_size=4), 100_000)


def train(toy_lm, work, privacy: Privacy) -> tuple[dict, dict, dict]:
    """The report, and the weights before and after."""
    local = LocalModel(toy_lm)
    model = add_lora(local.model.float(), Lora(r=2, alpha=4), 0)
    before, patients = weights_of(model), patients_of(local)
    report = finetune_privately(model, patients, patients[1], SCHEDULE, privacy, work, 0)
    return report, before, weights_of(model)


@pytest.mark.slow
def test_the_adapter_moves_and_noise_makes_the_difference(toy_lm, tmp_path, same_entropy):
    report, before, weak = train(toy_lm, tmp_path / "weak", Privacy(100.0))
    _, _, strong = train(toy_lm, tmp_path / "strong", Privacy(0.5))
    moved = {name for name in before if not torch.equal(before[name], weak[name])}
    assert moved == {name for name in before if "lora_" in name}
    assert any(not torch.allclose(weak[name], strong[name], atol=1e-4) for name in moved)
    # 4 patients, 2 a step, 2 passes: 4 steps, measured after each pass.
    spent = report["privacy"]
    assert [row["epoch"] for row in report["epochs"]] == [1.0, 2.0]
    assert report["best_dev_loss"] == report["epochs"][-1]["eval_loss"]
    assert (spent["unit"], spent["n_patients"], spent["sample_rate"], spent["steps"]) == ("patient", 4, 0.5, 4)
    accountant = RDPAccountant()
    accountant.history = [(spent["noise_multiplier"], 0.5, 4)]
    assert spent["epsilon"] == pytest.approx(accountant.get_epsilon(4**-1.1)) and 99 <= spent["epsilon"] <= 100


@pytest.mark.slow
def test_noise_comes_from_the_operating_system_and_not_from_the_seed(toy_lm, tmp_path):
    (_, _, one), (_, _, other) = (train(toy_lm, tmp_path / name, Privacy(1.0)) for name in "ab")
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize("stop_before", [2, 4])
def test_an_interrupted_run_takes_the_very_steps_that_were_left(toy_lm, tmp_path, monkeypatch, stop_before):
    """Stopped in the first pass, of which only the beginning was kept, and in the second; then entropy is another."""

    class Stopped(Exception):
        pass

    real, steps = _Training.step, []

    def step(self, patients):
        steps.append(1)
        if len(steps) == stop_before:
            raise Stopped
        real(self, patients)

    monkeypatch.setattr(secrets, "randbits", lambda n: 7)
    whole, _, expected = train(toy_lm, tmp_path / "whole", Privacy(1.0))
    with monkeypatch.context() as patch:
        patch.setattr(_Training, "step", step)
        with pytest.raises(Stopped):
            train(toy_lm, tmp_path / "torn", Privacy(1.0))
    monkeypatch.setattr(secrets, "randbits", lambda n: 8)
    resumed, _, found = train(toy_lm, tmp_path / "torn", Privacy(1.0))
    assert resumed == whole
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_several_processes_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="without torchrun"):
        finetune_privately(None, [], [], SCHEDULE, Privacy(1.0), tmp_path, 0)


def test_a_gradient_that_is_no_number_ends_the_run(local):
    model = local.model.float()
    training = _Training(model, Plan(2, 1.0, 3, 0.1, 0.0, 1.0), SCHEDULE)
    with torch.no_grad():
        next(model.parameters())[:] = float("nan")
    with pytest.raises(UserError, match="step 1 is not finite"):
        training.step([list(Rows(patients_of(local)[1], 0))])
