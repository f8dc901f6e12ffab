"""Decoding on a CPU without the copies that PyTorch makes there.

Attention of one new token a row: PyTorch's own kernel takes as long for one query as for a block of them, after the
keys were copied for every head of the group that shares them: nine tenths of the time of a step on 64 notes of 400
tokens. Output layer at the last token of each prompt: on a slice that is not contiguous PyTorch copies its weights once
a row, a third of the time of a batch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NAME = "clinical_decoding"


def decode_without_copies(model: "PreTrainedModel") -> None:
    """Let MODEL decode with `attend`, where it uses PyTorch's attention, and its output layer see contiguous rows."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.config._attn_implementation = NAME
    model.get_output_embeddings().register_forward_pre_hook(lambda layer, inputs: (inputs[0].contiguous(),))


def attend(
    module: Any,
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    attention_mask: "torch.Tensor | None",
    scaling: float | None = None,
    **kwargs: Any,
) -> "tuple[torch.Tensor, None]":
    """Transformers' attention interface: QUERY (rows, heads, 1, width) against KEY and VALUE (rows, groups, n, width).

    More than one query a row is left to PyTorch.
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    rows, n_heads, n_queries, width = query.shape
    if n_queries != 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    grouped = query.view(rows, key.shape[1], n_heads // key.shape[1], width)
    scores = (grouped @ key.transpose(-1, -2)).float() * (width**-0.5 if scaling is None else scaling)
    if attention_mask is not None:
        allowed = attention_mask[..., : key.shape[-2]]
        scores = scores.masked_fill(~allowed, -torch.inf) if allowed.dtype == torch.bool else scores + allowed
    mixed = scores.softmax(-1).to(value.dtype) @ value
    return mixed.view(rows, 1, n_heads, width), None
