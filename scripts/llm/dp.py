"""Adaptation with differential privacy: what weights may tell of any one patient is bounded (DP-SGD, by patient)."""

import math
import os
import secrets
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.llm.finetune import Collator, Example, Schedule, loss_of
from scripts.llm.frozen import frozen_blocks_once
from scripts.llm.local import has_bf16
from scripts.llm.rows import Row, Rows
from scripts.notes.errors import UserError
from scripts.notes.files import atomic_write

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

ACCOUNTANT = "rdp"  # a bound in closed form; PRV's is tighter, up to the error of its numerical integration
WINDOWS = 16  # of a patient, whose gradient is taken together
MAX_EPSILON = 100.0  # e ** 100: past this nothing is bounded, and the search for the noise may not end


@dataclass(frozen=True)
class Privacy:
    """How far weights may depend on any one patient: (EPSILON, DELTA)-differential privacy (Dwork et al. 2006).

    With all notes of a patient or without them, any set of weights is at most e ** EPSILON times as probable, but for a
    probability of DELTA; None: n_patients ** -1.1, which is less than 1 / n_patients, as it must be. Each patient's
    gradient is clipped to MAX_GRAD_NORM (0.1: Li et al. 2022, "Large Language Models Can Be Strong Differentially
    Private Learners"); how much noise is added follows from EPSILON.
    """

    epsilon: float
    delta: float | None = None
    max_grad_norm: float = 0.1

    def __post_init__(self):
        if not 0 < self.epsilon <= MAX_EPSILON:
            raise UserError(
                f"[generator.privacy] epsilon {self.epsilon:g} is not above 0 and at most {MAX_EPSILON:g}",
                "Between 1 and 10 is usual; leave the block out to adapt without differential privacy",
            )
        if self.delta is not None and not 0 < self.delta < 1:
            raise UserError(f"[generator.privacy] delta {self.delta:g} is not between 0 and 1", "Leave it out")
        if not 0 < self.max_grad_norm < math.inf:
            raise UserError(f"[generator.privacy] max_grad_norm {self.max_grad_norm:g} is not above 0", "Try 0.1")


@dataclass(frozen=True)
class Plan:
    """A private training in numbers, all of them known before its first step.

    Each patient takes part in each of STEPS with the chance SAMPLE_RATE; NOISE_MULTIPLIER is the standard deviation of
    the noise on the sum of the gradients, in units of MAX_GRAD_NORM.
    """

    n_patients: int
    sample_rate: float
    steps: int
    delta: float
    noise_multiplier: float
    max_grad_norm: float


def make_plan(privacy: Privacy, schedule: Schedule, n_patients: int) -> Plan:
    """The plan that spends PRIVACY's epsilon, or hardly less, in as many expected passes as SCHEDULE has epochs.

    SCHEDULE's batch is the expected number of patients a step. A UserError for fewer than two patients, for a delta
    that would allow to publish one of them, and for an epsilon that no noise keeps.
    """
    from opacus.accountants.utils import get_noise_multiplier

    if n_patients < 2:
        raise UserError(f"{n_patients} patient: nobody to be hidden among", "Give notes of more patients")
    delta = n_patients**-1.1 if privacy.delta is None else privacy.delta
    if delta >= 1 / n_patients:
        raise UserError(
            f"[generator.privacy] delta {delta:g} is not less than 1 / {n_patients}: one could be published whole",
            "Lower it, or leave it out",
        )
    sample_rate = min(1.0, schedule.batch_size / n_patients)
    steps = max(schedule.n_epochs, math.ceil(schedule.n_epochs * n_patients / schedule.batch_size))
    try:
        with _no_advice():
            noise = get_noise_multiplier(
                target_epsilon=privacy.epsilon,
                target_delta=delta,
                sample_rate=sample_rate,
                steps=steps,
                accountant=ACCOUNTANT,
                epsilon_tolerance=privacy.epsilon / 100,
            )
    except ValueError as e:
        asked = f"epsilon {privacy.epsilon:g} with delta {delta:.2g}"
        raise UserError(f"[generator.privacy] {asked}: no noise is shown to keep it ({e})", "Raise epsilon") from None
    return Plan(n_patients, sample_rate, steps, delta, noise, privacy.max_grad_norm)


def finetune_privately(
    model: "PreTrainedModel",
    patients: Sequence[Sequence[Example]],
    dev: Sequence[Example],
    schedule: Schedule,
    privacy: Privacy,
    work: Path,
    seed: int,
) -> dict[str, Any]:
    """Train MODEL in place on PATIENTS, the examples of each; returns the dev losses and what privacy was spent.

    DP-SGD (Abadi et al. 2016) whose unit is the patient: each step draws patients independently (Poisson), takes the
    gradient of each one's mean loss over all that the model was shown of them, clips it, and adds noise to the sum.
    Clipping and noise are Opacus' (`DPOptimizer`). A backward pass for each patient is slower than gradients by example
    would be, but is the gradient by definition: right for every architecture, tied weights and any loss, with no hooks
    that would have to know each layer.

    The number of steps is fixed and the last weights are kept, so that epsilon is known before; DEV, of other patients,
    is only measured. SCHEDULE's patience is not used, and its rate falls to zero in a line. Dropout is off: one
    patient's gradient must not depend on who else was drawn.

    Sampling and noise are secret, or they protect nobody: not from SEED, which a manifest tells, but from the operating
    system. Two runs thus differ. PyTorch's generators are no cryptographic ones: whoever holds the weights, which never
    leave, might try their seeds. WORK keeps the state, the generators' too: the same call after an interruption takes
    the very steps, with the very noise, that the whole run would have taken.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("[generator.privacy] trains in one process", "Start `adapt` without torchrun")
    training = _Training(model, make_plan(privacy, schedule, len(patients)), schedule)
    groups, dev_rows = [Rows(own, seed) for own in patients], Rows(dev, seed, schedule.n_dev)
    with frozen_blocks_once(model, [*groups, dev_rows]):
        training.run(groups, dev_rows, work / "state.pt")
    return {
        "schedule": asdict(schedule),
        "n_train_tokens": sum(len(example.ids) for own in patients for example in own),
        "n_dev_tokens": sum(dev_rows.lengths),
        "best_dev_loss": training.log[-1]["eval_loss"],  # of the weights that are kept
        "epochs": training.log,
        "privacy": {"unit": "patient", "epsilon": training.epsilon, "accountant": ACCOUNTANT, **asdict(training.plan)},
    }


class _Training:
    """MODEL on its way through PLAN: what a step does, and the state that an interruption must not change."""

    def __init__(self, model: "PreTrainedModel", plan: Plan, schedule: Schedule):
        import torch
        from opacus.accountants import create_accountant
        from opacus.optimizers import DPOptimizer

        self.model, self.plan, self._learning_rate = model.eval(), plan, schedule.learning_rate
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._collate = Collator(pad=model.config.eos_token_id or 0)
        self._generators = {"draws": torch.Generator(), "noise": torch.Generator(model.device)}
        for generator in self._generators.values():
            generator.manual_seed(secrets.randbits(63))
        self._accountant = create_accountant(ACCOUNTANT)
        self.optimizer = DPOptimizer(
            torch.optim.AdamW(self.weights, schedule.learning_rate, weight_decay=schedule.weight_decay),
            noise_multiplier=plan.noise_multiplier,
            max_grad_norm=plan.max_grad_norm,
            expected_batch_size=plan.sample_rate * plan.n_patients,
            generator=self._generators["noise"],
            secure_mode=True,  # against attacks on the last digits of floating point noise
        )
        self.optimizer.attach_step_hook(self._accountant.get_optimizer_hook_fn(plan.sample_rate))
        self.n_done, self.log = 0, []

    @property
    def epsilon(self) -> float:
        """What the steps so far have spent."""
        with _no_advice():
            return float(self._accountant.get_epsilon(self.plan.delta))

    def run(self, groups: Sequence[Rows], dev: Rows, path: Path) -> None:
        """Take all steps that are left on GROUPS, the rows of each patient; PATH holds the state after each pass."""
        from opacus.utils.uniform_sampler import UniformWithReplacementSampler
        from tqdm import tqdm

        if path.is_file():
            self._load(path)
        else:
            self._save(path)  # with the generators as they are: no step is ever taken twice with different noise
        plan, a_pass = self.plan, max(1, round(1 / self.plan.sample_rate))
        batches = UniformWithReplacementSampler(
            num_samples=plan.n_patients,
            sample_rate=plan.sample_rate,
            generator=self._generators["draws"],
            steps=plan.steps - self.n_done,
        )
        with tqdm(total=plan.steps, initial=self.n_done, unit="step") as bar:
            for drawn in batches:
                self.step(filter(None, (_by_length(groups[i]) for i in drawn)))
                if self.n_done % a_pass == 0 or self.n_done == plan.steps:
                    loss = round(self._dev_loss(_by_length(dev)), 4)
                    self.log.append({"epoch": round(self.n_done * plan.sample_rate, 4), "eval_loss": loss})
                    self._save(path)
                    bar.set_postfix(dev_loss=loss)
                bar.update()

    def step(self, patients: Iterable[Sequence[Row]]) -> None:
        """Sum the clipped gradients of PATIENTS, each given by its rows, add noise, and move the weights."""
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate * (1 - self.n_done / self.plan.steps)
        for rows in patients:
            self._backward(rows)
            for weight in self.weights:
                weight.grad_sample = weight.new_zeros((1, *weight.shape)) if weight.grad is None else weight.grad[None]
            self.optimizer.signal_skip_step()  # clip and add to the sum, no more
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        for weight in self.weights:
            weight.grad_sample = weight.new_zeros((0, *weight.shape))  # of nobody: what is left to add is noise
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.n_done += 1

    def _backward(self, rows: Sequence[Row]) -> None:
        """Leave the gradient of the mean loss over all tokens that ROWS ask for in the weights' `grad`."""
        n_asked = sum(map(_n_asked, rows))
        for start in range(0, len(rows), WINDOWS):
            batch = rows[start : start + WINDOWS]
            (self._loss(batch) * (sum(map(_n_asked, batch)) / n_asked)).backward()
        if not all(weight.grad is None or weight.grad.isfinite().all() for weight in self.weights):
            raise UserError(f"a gradient of step {self.n_done + 1} is not finite", "Lower the learning rate")

    def _loss(self, rows: Sequence[Row]) -> "torch.Tensor":
        import torch

        device = self.model.device
        batch = {name: values.to(device) for name, values in self._collate(rows).items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device.type)):
            return loss_of(self.model, choices=(), **batch)

    def _dev_loss(self, rows: Sequence[Row]) -> float:
        """Nats a token that is asked for."""
        import torch

        total = 0.0
        with torch.no_grad():
            for start in range(0, len(rows), WINDOWS):
                batch = rows[start : start + WINDOWS]
                total += float(self._loss(batch)) * sum(map(_n_asked, batch))
        return total / sum(map(_n_asked, rows))

    def _save(self, path: Path) -> None:
        import torch

        state = {
            "n_done": self.n_done,
            "log": self.log,
            "weights": [weight.detach().cpu() for weight in self.weights],
            "optimizer": self.optimizer.state_dict(),
            "accountant": self._accountant.state_dict(),
            "generators": {name: generator.get_state() for name, generator in self._generators.items()},
        }
        with atomic_write(path, "wb") as stream:
            torch.save(state, stream)

    def _load(self, path: Path) -> None:
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
        self.n_done, self.log = state["n_done"], state["log"]
        with torch.no_grad():
            for weight, saved in zip(self.weights, state["weights"], strict=True):
                weight.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self._accountant.load_state_dict(state["accountant"])
        for name, generator in self._generators.items():
            generator.set_state(state["generators"][name])


def _by_length(rows: Rows) -> list[Row]:
    """Those of ROWS that ask for a token, in an order that pads little."""
    return sorted(filter(_n_asked, map(rows.__getitem__, range(len(rows)))), key=lambda row: len(row["input_ids"]))


def _n_asked(row: Row) -> int:
    return sum(target != -100 for target in row["targets"])


@contextmanager
def _no_advice() -> Iterator[None]:
    """Without Opacus' advice to try other orders of Rényi divergence: a bound from those it has tried holds as well."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is the")
        yield
