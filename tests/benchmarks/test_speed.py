"""Rates, shares and ratios by hand; the arms on a model so small that only their counts mean something."""

import numpy as np
import pytest
import torch

from benchmarks import generation_speed, speed
from benchmarks.generation_speed import Asked, Pipeline, count_written, load, measure, n_written, rows_of
from benchmarks.speed import in_turn, interval, matrix_rate, matrix_weights, rate_row, ratio_row, share_row
from scripts.llm.local import LocalModel, Sampling

PROMPTS = ["Seen in clinic", "Admitted", "Takes aspirin and metformin. Had", "Echo was normal. Furo"]


def test_arms_run_in_turn():
    ran = []
    arms = {name: lambda seed, name=name: ran.append((name, seed)) or 10.0 + seed for name in "ab"}
    rates = in_turn(arms, 2)
    assert ran == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert {name: list(found) for name, found in rates.items()} == {"a": [10, 11], "b": [10, 11]}


def test_the_interval_is_students():
    # mean 2, standard error 1 / sqrt(3), t of 2 degrees of freedom 4.303
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)
    assert interval([2.0, 2.0]) == (2.0, 2.0)
    assert interval([1.0]) is None


def test_rows_of_rates_shares_and_ratios():
    row = rate_row("a", [1.0, 3.0], "tokens/s")
    assert (row.value, row.unit, row.n, row.seed) == (2.0, "tokens/s", 2, "0,1")
    share = share_row("b", [2.0, 4.0], 10.0, 0.5)
    assert (share.value, share.target, share.reached) == (pytest.approx(0.3), 0.5, False)
    assert share_row("b", [2.0], 10.0).reached is None and share_row("b", [5.0], 10.0, 0.5).reached
    # run by run: 4 / 2 and 9 / 3
    ratio = ratio_row("c", [4.0, 9.0], [2.0, 3.0], 3.0, 0.49)
    assert (ratio.value, ratio.target, ratio.reached) == (2.5, 3.0, False)
    assert ratio_row("c", [4.0], [2.0], 3.0, 0.5).reached and ratio_row("c", [6.0], [2.0], 3.0, 0.1).reached


def test_weights_are_those_of_linear_layers(toy_lm):
    model = LocalModel(toy_lm).model
    # Two blocks of width 32: attention 4 x 32 x 32, MLP 3 x 32 x 96; the output layer is the embedding once more.
    assert matrix_weights(model) == 2 * (4 * 32 * 32 + 3 * 32 * 96) + 32 * model.config.vocab_size


def test_the_rate_of_matrix_products_is_what_the_clock_says(monkeypatch):
    ticks = iter([0.0, 2.0, 2.0, 3.0, 3.0, 7.0])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(ticks))
    assert matrix_rate("float32", side=10, n=3) == 2000.0  # 2 x 10^3 in the fastest second


def test_tokens_count_up_to_the_end_token_and_with_it():
    rows = torch.tensor([[5, 6, 2, 2, 2], [5, 6, 7, 8, 9], [2, 2, 2, 2, 2], [5, 2, 6, 2, 7]])
    assert n_written(rows, 2) == 3 + 5 + 1 + 2


def test_the_rows_of_generation():
    rates = {
        "pipeline, float32": np.array([10.0]),
        "ours, float32, processes 1": np.array([20.0]),
        "pipeline, bfloat16": np.array([20.0]),
        "ours, bfloat16, processes 1": np.array([30.0]),
    }
    rows = rows_of(rates, {"float32": 1000.0, "bfloat16": 2000.0}, 20, [1])
    told = {row.measure: (row.value, row.reached) for row in rows[4:]}
    assert told == {
        "ours, float32, processes 1 / pipeline, float32": (2.0, False),
        "ours, float32, processes 1: share of matrix products, float32": (0.4, False),
        "ours, bfloat16, processes 1 / pipeline, bfloat16": (1.5, True),  # the share is reached
        "ours, bfloat16, processes 1 / pipeline, float32": (3.0, True),
        "ours, bfloat16, processes 1: share of matrix products, bfloat16": (0.3, None),
        "ours, bfloat16, processes 1: share of matrix products, float32": (0.6, True),
    }


@pytest.fixture
def asked(toy_lm) -> Asked:
    return Asked(toy_lm, None, PROMPTS, Sampling(1.0, 0.9, 50, 6), 2)


def test_both_count_what_they_write(asked):
    pipeline = Pipeline(asked, "float32")
    assert pipeline.rate(0, 2, 4) > 0
    # No text of this model and seed ends by itself.
    assert pipeline.n_tokens == 4 * 6 == count_written(asked, load(asked, "float32", -1), (PROMPTS, 6), 0)
    pipeline.rate(0, 4, 3, max_new_tokens=2)
    assert pipeline.n_tokens == 3 * 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_ours_computes_in_the_type_it_is_told_to(asked, dtype):
    assert {weight.dtype for weight in load(asked, dtype, -1).model.parameters()} == {getattr(torch, dtype)}


@pytest.mark.slow
def test_a_dry_run_has_all_figures(asked, monkeypatch):
    monkeypatch.setattr(generation_speed, "has_bf16", lambda device: False)
    monkeypatch.setattr(generation_speed, "matrix_rate", lambda dtype: 1e9)
    rows = {row.measure: row for row in measure(asked, n_workers=2, n_repeats=2, batch_sizes=(2, 4))}
    assert list(rows) == [
        "pipeline, float32, batches of 2, short",
        "pipeline, float32, batches of 4, short",
        "matrix products, float32",
        "pipeline, float32",
        "ours, float32, processes 1",
        "ours, float32, processes 2",
        "ours, float32, processes 1 / pipeline, float32",
        "ours, float32, processes 1: share of matrix products, float32",
        "ours, float32, processes 2 / pipeline, float32",
        "ours, float32, processes 2: share of matrix products, float32",
    ]
    assert all(row.value > 0 for row in rows.values()) and rows["pipeline, float32"].n == 2
