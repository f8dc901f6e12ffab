"""One training loop for every causal LM that this project adapts: generators and annotators."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.llm.frozen import STEP, frozen_blocks_once
from scripts.llm.local import has_bf16, padded_width
from scripts.llm.rows import HIDDEN, Row, Rows, lengths_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, TrainerState


@dataclass(frozen=True)
class Example:
    """Token ids, and for each what the model shall predict AFTER it (-100: nothing is asked there)."""

    ids: tuple[int, ...]
    targets: tuple[int, ...]

    @classmethod
    def language(cls, ids: Sequence[int], skip: int = 0) -> "Example":
        """Plain language modelling: each token predicts the next; the first SKIP tokens are given, not learned."""
        targets = [-100] * max(0, skip - 1) + list(ids[max(0, skip - 1) + 1 :]) + [-100]
        return cls(tuple(ids), tuple(targets[: len(ids)]))


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters (Hu et al. 2021) on every linear layer of the last N_LAYERS blocks (0: of all)."""

    r: int = 16
    alpha: int = 32
    n_layers: int = 0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: until the dev loss has not fallen for PATIENCE epochs; the best one is kept.

    N_EPOCHS may be a part of one, where there is more text than time.
    The dev loss is taken on N_DEV examples drawn once; on a CPU all of the holdout would cost as much as an epoch.
    """

    learning_rate: float = 5e-4
    n_epochs: float = 3
    batch_size: int = 4
    patience: int = 1
    weight_decay: float = 0.0
    n_dev: int = 40


def add_lora(model: "PreTrainedModel", lora: Lora, seed: int) -> "PreTrainedModel":
    """MODEL with trainable LoRA weights, drawn with SEED; the rest is frozen."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(seed)
    n_blocks = model.config.num_hidden_layers
    layers = list(range(n_blocks - lora.n_layers, n_blocks)) if lora.n_layers else None
    return get_peft_model(
        model,
        LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            target_modules="all-linear" if layers is None else _linear_names(model),
            layers_to_transform=layers,
            task_type="CAUSAL_LM",
        ),
    )


def finetune(
    model: "PreTrainedModel",
    train: Sequence[Example],
    dev: Sequence[Example],
    schedule: Schedule,
    work: Path,
    seed: int,
    choices: Sequence[int] = (),
) -> dict[str, Any]:
    """Train MODEL in place; returns the losses by epoch. WORK holds checkpoints: the same call goes on from the last.

    Losses are nats per asked token; with CHOICES only these tokens compete. Transformers' Trainer runs the loop, so
    that `torchrun` and several GPUs work unchanged.
    """
    from transformers import set_seed

    set_seed(seed)
    rows, dev_rows = Rows(train, seed), Rows(dev, seed, schedule.n_dev)
    with frozen_blocks_once(model, [rows, dev_rows]):
        state = _train(model, rows, dev_rows, schedule, work, seed, choices)
    model.eval()
    best = state.best_metric
    log = [row for row in state.log_history if "loss" in row or "eval_loss" in row]
    return {
        "schedule": asdict(schedule),
        "n_train_tokens": int(sum(lengths_of(train))),
        "n_dev_tokens": sum(dev_rows.lengths),
        "best_dev_loss": round(best, 4) if best is not None and math.isfinite(best) else None,
        "epochs": [{k: round(v, 4) for k, v in row.items() if k in ("epoch", "loss", "eval_loss")} for row in log],
    }


def _train(
    model: "PreTrainedModel",
    train: Rows,
    dev: Rows,
    schedule: Schedule,
    work: Path,
    seed: int,
    choices: Sequence[int],
) -> "TrainerState":
    from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback, TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=schedule.n_epochs,
        learning_rate=schedule.learning_rate,
        per_device_train_batch_size=schedule.batch_size,
        per_device_eval_batch_size=4 * schedule.batch_size,
        weight_decay=schedule.weight_decay,
        warmup_ratio=0.05,
        lr_scheduler_type="linear",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        label_names=["targets"],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        logging_strategy="epoch",
        report_to=[],
        use_cpu=model.device.type == "cpu",
        bf16=has_bf16(model.device.type),
        seed=seed,
    )
    trainer = _trainer_class(choices)(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=dev,
        data_collator=Collator(pad=model.config.eos_token_id or 0),
        callbacks=[EarlyStoppingCallback(schedule.patience)],
    )
    # The bar is enough: dictionaries of numbers between its lines tell a hospital's engineer nothing.
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_bar_class())
    # Transformers 4.53 opens bfloat16 on CPUs by a name that PyTorch has since moved.
    warnings.filterwarnings("ignore", message=r"`torch\.cpu\.amp\.autocast", category=FutureWarning)
    resume = any(work.glob("checkpoint-*/trainer_state.json"))
    trainer.train(resume_from_checkpoint=resume or None)
    return trainer.state


def loss_of(
    model: "PreTrainedModel", targets: "torch.Tensor", choices: Sequence[int], **inputs: "torch.Tensor"
) -> "torch.Tensor":
    """Mean cross-entropy at the asked positions, over the whole vocabulary or over CHOICES.

    Logits are computed at these positions and nowhere else: the output layer is a fifth of a small model's work.
    """
    import torch

    from scripts.llm.loss import linear_cross_entropy

    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = getattr(plain, plain.base_model_prefix)(**inputs, use_cache=False).last_hidden_state
    asked = targets != -100
    head, wanted = plain.get_output_embeddings().weight, targets[asked]
    if not choices:
        return linear_cross_entropy(hidden[asked], head, wanted)
    columns = torch.tensor(choices, device=head.device)
    wanted = (wanted[:, None] == columns).int().argmax(-1)
    return torch.nn.functional.cross_entropy((hidden[asked] @ head[columns].T).float(), wanted)


def _trainer_class(choices: Sequence[int]) -> type:
    from transformers import Trainer

    class TargetTrainer(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            loss = loss_of(model.module if hasattr(model, "module") else model, choices=choices, **inputs)
            # Each token counts the same in an epoch. By the mean of each batch those of short notes would count for
            # more, and a generator would write short ones.
            targets, rows = inputs["targets"], self.train_dataset if model.training else self.eval_dataset
            loss = loss * (targets != -100).sum() / (len(targets) * rows.asked_a_row)
            return (loss, {"loss": loss}) if return_outputs else loss

        def _get_train_sampler(self, *args):
            return BatchesOfLength(self.train_dataset.lengths, self.args.train_batch_size)

        def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
            import torch

            with torch.no_grad(), self.compute_loss_context_manager():
                return self.compute_loss(model, self._prepare_inputs(inputs)).detach(), None, None

    return TargetTrainer


@dataclass(frozen=True)
class BatchesOfLength:
    """The numbers of rows in the order to train on: batches of SIZE rows of nearly the same LENGTH, in random order.

    The Trainer's own sampler goes from long rows to short ones again and again. A model that learns fast remembers what
    it saw last: its notes would be as short, and as much like the short ones, as those before a checkpoint.
    """

    lengths: Sequence[int]
    size: int
    n_sorted: int = 50  # batches that are sorted together

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        import torch

        drawn = torch.randperm(len(self)).tolist()  # with the Trainer's seed, and its state in a checkpoint
        many = self.size * self.n_sorted
        rows = [
            row
            for start in range(0, len(drawn), many)
            for row in sorted(drawn[start : start + many], key=lambda row: self.lengths[row])
        ]
        n_full = len(rows) // self.size
        for batch in torch.randperm(n_full).tolist():
            yield from rows[batch * self.size :][: self.size]
        yield from rows[n_full * self.size :]


def _bar_class() -> type:
    from tqdm import tqdm
    from transformers import TrainerCallback

    class Bar(TrainerCallback):
        """One progress bar over all steps, with the last dev loss."""

        def on_train_begin(self, args, state, control, **kwargs):
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, unit="step", disable=not state.is_world_process_zero
            )

        def on_step_end(self, args, state, control, **kwargs):
            self.bar.update(state.global_step - self.bar.n)

        def on_evaluate(self, args, state, control, metrics=None, **kwargs):
            self.bar.set_postfix(dev_loss=round((metrics or {}).get("eval_loss", float("nan")), 3))

        def on_train_end(self, args, state, control, **kwargs):
            self.bar.close()

    return Bar


@dataclass(frozen=True)
class Collator:
    """Rows in one batch of tensors, padded on the right: token ids with PAD, targets with -100."""

    pad: int

    def __call__(self, rows: Sequence[Row]) -> dict[str, "torch.Tensor"]:
        import torch

        width = padded_width(max(len(r["input_ids"]) for r in rows), STEP)

        def padded(key: str, value: int) -> "torch.Tensor":
            return torch.tensor([r[key] + [value] * (width - len(r[key])) for r in rows])

        mask = torch.tensor([[1] * len(r["input_ids"]) + [0] * (width - len(r["input_ids"])) for r in rows])
        batch = {"input_ids": padded("input_ids", self.pad), "attention_mask": mask, "targets": padded("targets", -100)}
        if HIDDEN in rows[0]:
            pads = [(0, 0, 0, width - len(r[HIDDEN])) for r in rows]
            batch[HIDDEN] = torch.stack(
                [torch.nn.functional.pad(r[HIDDEN], pad) for r, pad in zip(rows, pads, strict=True)]
            )
        return batch


def _linear_names(model: "PreTrainedModel") -> list[str]:
    import torch

    head = model.get_output_embeddings()
    return sorted(
        {n.rsplit(".", 1)[-1] for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head}
    )
