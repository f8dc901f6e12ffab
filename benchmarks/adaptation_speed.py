"""Tokens a second in training: our adaptation beside a plain transformers Trainer, same model, examples and settings.

`make bench NAME=adaptation-speed`, on a machine that does nothing else. On passages and notes of the shipped private
ones: LoRA on SmolLM2 as smollm2.cfg has it, and a model from scratch as scratch.cfg has it. The plain loop has the same
learning rate, batch size, epochs, LoRA layers and targets, and evaluates and saves as often; it takes examples in
random order, pads each batch to its longest example and computes the model's own loss over all logits. Time is that of
the whole call: what ours computes once for all epochs is in it, for two epochs as in smollm2.cfg. A token counts once
an epoch; padding does not. Shares: what a run has to compute at least (nothing twice that is frozen), of the rate of
large 32-bit matrix products in the same run.
"""

import copy
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import typer

from benchmarks.speed import SHARE, SIDE, in_turn, matrix_rate, matrix_weights, rate_row, ratio_row, share_row
from benchmarks.table import Row, write_table
from scripts.corpora.partition import partition
from scripts.generators.load import load_generator
from scripts.llm.finetune import Example, Schedule, finetune
from scripts.llm.local import has_bf16
from scripts.notes.note import Note
from scripts.notes.step import load_config
from scripts.notes.task import read_task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CORPUS, TASK = Path("configs/corpus/shipped.cfg"), Path("configs/task/drugs_procedures.yml")
GENERATORS = {"LoRA": Path("configs/generator/smollm2.cfg"), "from scratch": Path("configs/generator/scratch.cfg")}
N_EPOCHS = 2
N_DEV = 2  # as small a part of a short run as the real ones are of a long one
TARGET = 1.5
SEED = 0


@dataclass(frozen=True)
class Training:
    """An untrained MODEL, and what it is trained on; N_LAYERS of its blocks learn by LoRA (None: it learns whole)."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    examples: Sequence[Example]
    dev: Sequence[Example]
    schedule: Schedule
    n_layers: int | None

    @property
    def n_tokens(self) -> int:
        """Tokens that a run reads, padding aside."""
        return self.schedule.n_epochs * sum(len(example.ids) for example in self.examples)


def main(n_steps: int = typer.Option(3, help="Batches of an epoch; an arm has two epochs"), n_repeats: int = 3) -> None:
    """Measure all arms in turn and write metrics/bench/adaptation_speed.json."""
    notes = [note.with_spans(None) for note in partition(load_config(CORPUS), read_task(TASK)).private]
    rows = []
    for name, config in GENERATORS.items():
        rows += measure(name, training_of(config, notes, n_steps), n_repeats)
        write_table("adaptation_speed", rows)


def training_of(config: Path, notes: Sequence[Note], n_steps: int) -> Training:
    """The model of the generator CONFIG, and N_STEPS batches of its examples of NOTES, drawn at random."""
    generator = load_generator(config)
    shown = generator._shown(notes, SEED)
    model, tokenizer = generator._untrained(shown, notes, generator._slots(shown), -1, SEED)
    schedule = replace(generator.schedule, n_epochs=N_EPOCHS, patience=N_EPOCHS, n_dev=N_DEV)
    examples = list(generator._examples(shown, shown, tokenizer))
    drawn = random.Random(SEED).sample(examples, n_steps * schedule.batch_size + N_DEV)
    n_layers = generator.lora and (generator.lora.n_layers or model.config.num_hidden_layers)
    return Training(model, tokenizer, drawn[N_DEV:], drawn[:N_DEV], schedule, n_layers)


def measure(name: str, training: Training, n_repeats: int) -> list[Row]:
    """The rows of the training NAME, each arm N_REPEATS times after a run of one batch."""
    dtypes = ["float32", *(["bfloat16"] if has_bf16("cpu") else [])]
    first = training.examples[: training.schedule.batch_size]
    warm = replace(training, examples=first, schedule=replace(training.schedule, n_epochs=1))
    arms: dict[str, Callable[[int], float]] = {}
    for dtype in dtypes:
        for who, train in {f"plain Trainer, {dtype}": train_plain, f"ours, {dtype}": train_ours}.items():
            rate_of(train, warm, dtype, SEED)
            arms[who] = partial(rate_of, train, training, dtype)
    peak = matrix_rate("float32")
    rates = in_turn(arms, n_repeats)
    peak = max(peak, matrix_rate("float32"))
    return rows_of(name, rates, n_flops(training) / training.n_tokens, peak)


def rows_of(name: str, rates: Mapping[str, np.ndarray], n_flops: float, peak: float) -> list[Row]:
    """Tokens a second of each arm of NAME; ours over the plain loop; ours (N_FLOPS a token) as a share of PEAK."""
    rows = [Row(f"{name}: matrix products, float32", peak / 1e9, "GFLOP/s", SIDE)]
    rows += [rate_row(f"{name}: {who}", found, "tokens/s") for who, found in rates.items()]
    for who, found in rates.items():
        if not who.startswith("ours"):
            continue
        dtype = who.removeprefix("ours, ")
        share = share_row(f"{name}: {who}: share of matrix products, float32", found * n_flops, peak, SHARE)
        for other in dict.fromkeys((f"plain Trainer, {dtype}", "plain Trainer, float32")):
            rows.append(ratio_row(f"{name}: {who} / {other}", found, rates[other], TARGET, share.value))
        rows.append(share)
    return rows


def n_flops(training: Training) -> float:
    """What a run of TRAINING has to compute at least, in products and sums of matrices.

    2 a weight and token forward, 2 for the gradient of what comes in, 2 for that of the weights, which LoRA does
    without; blocks below the first that learns go forward, and once. The output layer counts where it is asked.
    """
    head = training.model.get_output_embeddings().weight.numel()
    blocks = matrix_weights(training.model) - head
    n_layers, of = training.n_layers, training.model.config.num_hidden_layers
    frozen = 0.0 if n_layers is None else blocks * (1 - n_layers / of)
    n_once = sum(len(example.ids) for example in training.examples)
    n_asked = sum(target != -100 for example in training.examples for target in example.targets)
    each = 6 if n_layers is None else 4
    return 2 * frozen * n_once + training.schedule.n_epochs * each * ((blocks - frozen) * n_once + head * n_asked)


Train = Callable[["PreTrainedModel", Training, Path, str, int], Any]


def rate_of(train: Train, training: Training, dtype: str, seed: int) -> float:
    """Tokens a second of TRAIN on a copy of the model, with DTYPE in the matrix products."""
    model = copy.deepcopy(training.model)
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        train(model, training, Path(folder), dtype, seed)
        return training.n_tokens / (time.perf_counter() - start)


def train_ours(model: "PreTrainedModel", training: Training, work: Path, dtype: str, seed: int) -> dict[str, Any]:
    """Adapt MODEL as a generator is adapted."""
    with products_in(dtype):
        return finetune(model, training.examples, training.dev, training.schedule, work, seed)


@contextmanager
def products_in(dtype: str) -> Iterator[None]:
    """Ours computes in 32 bits as on a CPU that has no bfloat16, if DTYPE says so."""
    if dtype == "bfloat16":
        yield
        return
    with patch("torch.cpu.get_capabilities", return_value={}):
        yield


def train_plain(model: "PreTrainedModel", training: Training, work: Path, dtype: str, seed: int) -> None:
    """Train MODEL as transformers' documentation does, with the same settings."""
    from transformers import DataCollatorForSeq2Seq, PrinterCallback, Trainer, TrainingArguments

    schedule = training.schedule
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=schedule.n_epochs,
        learning_rate=schedule.learning_rate,
        per_device_train_batch_size=schedule.batch_size,
        per_device_eval_batch_size=4 * schedule.batch_size,
        weight_decay=schedule.weight_decay,
        warmup_ratio=0.05,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        logging_strategy="epoch",
        label_names=["labels"],
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=True,
        bf16=dtype == "bfloat16",
        seed=seed,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=[labelled(example) for example in training.examples],
        eval_dataset=[labelled(example) for example in training.dev],
        data_collator=DataCollatorForSeq2Seq(training.tokenizer),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def labelled(example: Example) -> dict[str, list[int]]:
    """EXAMPLE as transformers' models take it: a label stands at its own token and is shifted by the model."""
    labels = [-100, *example.targets[:-1]]
    return {"input_ids": list(example.ids), "attention_mask": [1] * len(example.ids), "labels": labels}


if __name__ == "__main__":
    typer.run(main)
