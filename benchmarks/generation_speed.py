"""Tokens a second: ours beside transformers' text-generation pipeline at its best batch size, same model, same prompts.

`make bench NAME=generation-speed`, on a machine that does nothing else. SmolLM2 is asked for passages as smollm2.cfg
asks for them, with control prefixes of the shipped private notes. It is not adapted, so most texts go on to the limit
and no batch shrinks, to the pipeline's advantage; `--adapter training/generator/model` measures an adapted one. A token
counts if it was written, up to the one that ends its text; padding does not. Every process has full batches. The
pipeline's batch size is chosen beforehand in short runs. Shares: 2 x weights x tokens a second, prompts not counted, of
the rate of large matrix products in the same run. No weight is quantised; bfloat16 is what ours chooses on CPUs
with AMX, 32 bits what the pipeline does by default.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from benchmarks.speed import SHARE, SIDE, in_turn, matrix_rate, matrix_weights, rate_row, ratio_row, share_row
from benchmarks.table import Row, write_table
from scripts.corpora.partition import partition
from scripts.generators.load import load_generator
from scripts.generators.workers import Drawer, Workers
from scripts.llm.local import LocalModel, Sampling, has_bf16, load_causal_lm
from scripts.notes.step import load_config
from scripts.notes.task import read_task

if TYPE_CHECKING:
    import torch

CORPUS, TASK = Path("configs/corpus/shipped.cfg"), Path("configs/task/drugs_procedures.yml")
GENERATOR = Path("configs/generator/smollm2.cfg")
BATCH_SIZES = (8, 32, 64, 128)  # of the pipeline
N_SHORT = 16  # new tokens of a run that chooses or warms up
TARGET = 3.0


@dataclass(frozen=True)
class Asked:
    """What all arms are asked for, of the model BASE with the LoRA weights in ADAPTER; ours in BATCH_SIZE."""

    base: str
    adapter: str | None
    prompts: Sequence[str]  # as many as the fullest arm needs; others take the first of them
    sampling: Sampling
    batch_size: int


def main(
    adapter: Path = typer.Option(None, exists=True, help="LoRA weights that `adapt` wrote"),
    n_repeats: int = 3,
    max_new_tokens: int = typer.Option(0, help="0: as many as the config asks for"),
    n_workers: int = typer.Option(0, help="Processes beside each other; 0: one a core"),
) -> None:
    """Measure all arms in turn and write metrics/bench/generation_speed.json."""
    n_workers = n_workers or len(os.sched_getaffinity(0))
    asked = what_is_asked(adapter, n_workers)
    if max_new_tokens:
        asked = replace(asked, sampling=replace(asked.sampling, max_new_tokens=max_new_tokens))
    write_table("generation_speed", measure(asked, n_workers, n_repeats))


def what_is_asked(adapter: Path | None, n_workers: int) -> Asked:
    """The first prompts that the generator of the flow would write from."""
    generator = load_generator(GENERATOR)
    writing = generator.writing
    notes = partition(load_config(CORPUS), read_task(TASK)).private
    n = max(n_workers * writing.batch_size, *BATCH_SIZES)
    prompts = list(islice((p for request in generator._requests(notes, 0) for p in request.prompts), n))
    sampling = Sampling(writing.temperature, writing.top_p, writing.top_k, writing.max_new_tokens)
    return Asked(generator.base, adapter and str(adapter), prompts, sampling, writing.batch_size)


def measure(asked: Asked, n_workers: int, n_repeats: int, batch_sizes: Sequence[int] = BATCH_SIZES) -> list[Row]:
    """The rows: the pipeline at each of BATCH_SIZES, then all arms N_REPEATS times in turn, their ratios and shares."""
    dtypes = ["float32", *(["bfloat16"] if has_bf16("cpu") else [])]
    rows, arms = [], {}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        for dtype in dtypes:
            pipeline = Pipeline(asked, dtype)
            short = {size: pipeline.rate(0, size, max(batch_sizes), N_SHORT) for size in batch_sizes}
            rows += [Row(f"{theirs(dtype)}, batches of {n}, short", short[n], "tokens/s", 1, 0) for n in batch_sizes]
            best = max(short, key=short.get)
            arms[theirs(dtype)] = partial(pipeline.rate, batch_size=best, n_prompts=max(best, asked.batch_size))
            for n in sorted({1, n_workers}):
                drawer = Drawer(partial(load, asked, dtype), partial(count_written, asked))
                arm = partial(rate_of, stack.enter_context(Workers(n, drawer)), n, asked, Path(folder))
                arm(0, N_SHORT)
                arms[ours(n, dtype)] = arm
        peaks = {dtype: matrix_rate(dtype) for dtype in dtypes}
        rates = in_turn(arms, n_repeats)
    peaks = {dtype: max(peak, matrix_rate(dtype)) for dtype, peak in peaks.items()}
    rows += [Row(f"matrix products, {dtype}", peak / 1e9, "GFLOP/s", SIDE) for dtype, peak in peaks.items()]
    return rows + rows_of(rates, peaks, 2 * matrix_weights(pipeline.model), sorted({1, n_workers}))


def rows_of(
    rates: Mapping[str, np.ndarray], peaks: Mapping[str, float], n_flops: int, n_processes: Sequence[int]
) -> list[Row]:
    """Tokens a second of each arm; ours over the pipeline; N_FLOPS a token as a share of PEAKS (FLOP a second)."""
    rows = [rate_row(name, found, "tokens/s") for name, found in rates.items()]
    for dtype, n in product(peaks, n_processes):
        name, found = ours(n, dtype), rates[ours(n, dtype)]
        shares = [
            share_row(f"{name}: share of matrix products, {of}", found * n_flops, peaks[of], target)
            for of, target in {dtype: None, "float32": SHARE}.items()
        ]
        rows += [
            ratio_row(f"{name} / {theirs(other)}", found, rates[theirs(other)], TARGET, shares[-1].value)
            for other in dict.fromkeys((dtype, "float32"))
        ]
        rows += shares
    return rows


def ours(n_processes: int, dtype: str) -> str:
    return f"ours, {dtype}, processes {n_processes}"


def theirs(dtype: str) -> str:
    return f"pipeline, {dtype}"


def load(asked: Asked, dtype: str, gpu_id: int) -> LocalModel:
    """Our model of what is ASKED; computing in DTYPE whatever it would choose."""
    import torch

    local = LocalModel(asked.base, asked.adapter, gpu_id)
    local.model.to(getattr(torch, dtype))
    return local


def count_written(asked: Asked, model: LocalModel, batch: tuple[Sequence[str], int], seed: int) -> int:
    """How many tokens MODEL writes for the prompts of BATCH, of at most so many tokens each."""
    prompts, max_new_tokens = batch
    sampling = replace(asked.sampling, max_new_tokens=max_new_tokens)
    return sum(text.n_tokens for text in model.complete(prompts, sampling, asked.batch_size, seed))


def rate_of(
    workers: Workers, n: int, asked: Asked, folder: Path, seed: int, max_new_tokens: int | None = None
) -> float:
    """Tokens a second of N processes, each with a full batch."""
    paths = [folder / f"{i}.json" for i in range(n)]
    parts = [asked.prompts[i * asked.batch_size :][: asked.batch_size] for i in range(n)]
    start = time.perf_counter()
    most = max_new_tokens or asked.sampling.max_new_tokens
    waits = [
        workers.start(path, (part, most), seed * n + i) for i, (path, part) in enumerate(zip(paths, parts, strict=True))
    ]
    for wait in waits:
        wait()
    seconds = time.perf_counter() - start
    return sum(json.loads(path.read_text("utf8")) for path in paths) / seconds


class Pipeline:
    """Transformers' pipeline with a model of its own in DTYPE; what its `generate` returns is counted."""

    def __init__(self, asked: Asked, dtype: str):
        import torch
        import transformers

        model, tokenizer = load_causal_lm(asked.base)
        if asked.adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, asked.adapter).merge_and_unload()
        self.model = model.to(getattr(torch, dtype)).eval()
        tokenizer.padding_side = "left"
        self.asked, self.n_tokens, self._generate = asked, 0, self.model.generate
        self.model.generate = self._count
        self._pipe = transformers.pipeline("text-generation", model=self.model, tokenizer=tokenizer, device="cpu")

    def rate(self, seed: int, batch_size: int, n_prompts: int, max_new_tokens: int | None = None) -> float:
        """Tokens a second for the first N_PROMPTS prompts in batches of BATCH_SIZE."""
        from transformers import set_seed

        sampling, self.n_tokens = self.asked.sampling, 0
        set_seed(seed)
        start = time.perf_counter()
        self._pipe(
            list(self.asked.prompts[:n_prompts]),
            batch_size=batch_size,
            do_sample=True,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_new_tokens=max_new_tokens or sampling.max_new_tokens,
            return_full_text=False,
        )
        return self.n_tokens / (time.perf_counter() - start)

    def _count(self, input_ids: "torch.Tensor", **how: Any) -> "torch.Tensor":
        rows = self._generate(input_ids=input_ids, **how)
        self.n_tokens += n_written(rows[:, input_ids.shape[1] :], self.model.config.eos_token_id)
        return rows


def n_written(rows: "torch.Tensor", end: int) -> int:
    """How many tokens of ROWS were written: in each up to the first END and with it, or all."""
    ends = rows == end
    return int((ends.cumsum(-1) - ends.long() == 0).sum())


if __name__ == "__main__":
    typer.run(main)
