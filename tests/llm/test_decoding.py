"""Linear layers with their weights in order: PyTorch's results, also after the weights have changed."""

import copy

import pytest
import torch
from transformers import masking_utils

from scripts.llm import decoding
from scripts.llm.decoding import decode_without_copies, mask_of
from scripts.llm.local import load_causal_lm

DTYPES = [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.skipif(
    not torch.cpu.get_capabilities().get("avx512_bf16"), reason="this CPU has no bfloat16"))]  # fmt: skip


def logits_of(model, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model(ids).logits


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_are_pytorchs_own_before_and_after_the_weights_change(toy_lm, dtype):
    ours, theirs = (load_causal_lm(toy_lm)[0].to(dtype).eval() for _ in range(2))
    decode_without_copies(ours)
    tolerance = {"atol": 1e-5} if dtype == torch.float32 else {"atol": 0, "rtol": 0}
    for shape in ((3, 5), (1, 1), (9, 12)):
        ids = torch.randint(0, 300, shape)
        assert torch.allclose(logits_of(ours, ids), logits_of(theirs, ids), **tolerance)
    before = logits_of(ours, ids)
    for model in (ours, theirs):
        with torch.no_grad():
            model.model.layers[0].mlp.up_proj.weight.mul_(3)
            model.model.layers[1].self_attn.q_proj.weight.data = model.model.layers[0].self_attn.q_proj.weight.data * 2
    assert torch.allclose(logits_of(ours, ids), logits_of(theirs, ids), **tolerance)
    assert not torch.allclose(logits_of(ours, ids), before, atol=1e-3)


@pytest.mark.parametrize("n_padding", [0, 3])
@pytest.mark.parametrize("n_new", [1, 2])
@pytest.mark.parametrize("window", [None, 4])
def test_the_mask_is_transformers_own(n_padding, n_new, window):
    sees = masking_utils.sliding_window_causal_mask_function(window) if window else masking_utils.causal_mask_function
    padding = torch.tensor([[0] * n_padding + [1] * (8 - n_padding), [1] * 8])
    how = dict(
        batch_size=2, cache_position=torch.arange(8 - n_new, 8), kv_length=8, mask_function=sees, local_size=window
    )
    ours, theirs = (make(attention_mask=padding, **how) for make in (mask_of, masking_utils.sdpa_mask))
    assert (ours is None) == (theirs is None)
    assert ours is None or torch.equal(ours, theirs)


def test_training_and_copies_are_as_ever(toy_lm):
    ours, theirs = (load_causal_lm(toy_lm)[0].eval() for _ in range(2))
    decode_without_copies(ours)
    ids = torch.arange(12)[None]
    first = logits_of(ours, ids)
    gradients = []
    for model in (ours, theirs):
        model(ids, labels=ids).loss.backward()
        gradients.append(model.model.layers[0].mlp.up_proj.weight.grad)
    assert torch.equal(*gradients) and gradients[0].abs().sum() > 0
    assert torch.equal(logits_of(copy.deepcopy(ours), ids), first)


def test_a_large_model_has_its_weights_once(toy_lm, monkeypatch):
    small, large = (load_causal_lm(toy_lm)[0] for _ in range(2))
    decode_without_copies(small)
    monkeypatch.setattr(decoding, "MAX_BYTES", 1000)
    decode_without_copies(large)
    kinds = {model: type(model.model.layers[0].mlp.up_proj).__name__ for model in (small, large)}
    assert list(kinds.values()) == ["OrderedLinear", "Linear"]
