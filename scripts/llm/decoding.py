"""Decoding on a CPU without the copies that PyTorch makes there.

Attention of one new token a row: PyTorch's own kernel takes as long for one query as for a block of them, after the
keys were copied for every head of the group that shares them: nine tenths of the time of a step on 64 notes of 400
tokens. Its mask: transformers works it out anew for each token, an eighth of the time of a small model. Output layer at
the last token of each prompt: on a slice that is not contiguous PyTorch copies its weights once a row, a third of the
time of a batch. Linear layers: before each product PyTorch copies their weights into the order that the product reads
them in, a sixth of its time for 64 rows and two fifths for 8.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NAME = "clinical_decoding"
MAX_BYTES = 2 << 30  # of the weights of linear layers: a larger model does without a second copy in memory
ROWS = 64  # that weights are ordered for; they serve any number


def decode_without_copies(model: "PreTrainedModel") -> None:
    """Let MODEL decode with `attend`, where it uses PyTorch's attention, and its output layer see contiguous rows.

    Its linear layers keep a copy of their weights in the order that products read them in. In bfloat16 the results are
    those of PyTorch's own, bit for bit; in 32 bits sums are taken in another order.
    """
    import torch
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, mask_of)
        model.config._attn_implementation = NAME
    model.get_output_embeddings().register_forward_pre_hook(lambda layer, inputs: (inputs[0].contiguous(),))
    linear = [module for module in model.modules() if type(module) is torch.nn.Linear]
    if torch.backends.mkldnn.is_available() and sum(layer.weight.nbytes for layer in linear) <= MAX_BYTES:
        for layer in linear:
            layer.__class__ = _ordered_linear_class()


@cache
def _ordered_linear_class() -> "type[torch.nn.Linear]":
    import torch

    class OrderedLinear(torch.nn.Linear):
        """A linear layer that orders its weights once, and again after they have changed; training is as ever."""

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            weight, kind = self.weight, self.weight.device.type
            if (
                kind != "cpu"
                or rows.dtype != weight.dtype
                or torch.is_grad_enabled()
                or torch.is_autocast_enabled(kind)
            ):
                return super().forward(rows)
            state = (weight.data_ptr(), weight._version)
            if self.__dict__.get("state") != state:
                self.state, self.ordered = state, torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
            return torch.ops.mkldnn._linear_pointwise(rows, self.ordered, self.bias, "none", [], "")

        def __getstate__(self) -> dict[str, Any]:
            # What is ordered cannot be copied; a copy orders its own.
            return {key: value for key, value in self.__dict__.items() if key not in ("state", "ordered")}

    return OrderedLinear


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


def mask_of(
    batch_size: int,
    cache_position: "torch.Tensor",
    kv_length: int,
    kv_offset: int = 0,
    mask_function: Any = None,
    attention_mask: "torch.Tensor | None" = None,
    **kwargs: Any,
) -> "torch.Tensor | None":
    """Transformers' interface for masks (rows, 1, queries, KV_LENGTH): one new token sees all that is no padding.

    Where a layer sees only a window, or there are several new tokens a row, the mask is transformers' own.
    """
    from transformers.masking_utils import causal_mask_function, prepare_padding_mask, sdpa_mask

    if len(cache_position) == 1 and mask_function is causal_mask_function and attention_mask is not None:
        seen = prepare_padding_mask(attention_mask, kv_length, kv_offset).bool()
        return None if seen.all() else seen[:, None, None, :]
    return sdpa_mask(batch_size, cache_position, kv_length, kv_offset, mask_function, attention_mask, **kwargs)
