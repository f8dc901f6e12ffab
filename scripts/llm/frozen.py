"""The blocks below the first adapted one, computed once for all epochs: nothing in them learns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from scripts.llm.local import has_bf16, padded_width
from scripts.llm.rows import HIDDEN, Rows

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

MAX_BYTES = 1 << 30  # of all such tensors together; a larger corpus computes the blocks anew in each epoch
BATCH = 16
STEP = 16  # batches in training are padded to a multiple of so many tokens: few shapes, and little padding


@contextmanager
def frozen_blocks_once(model: "PreTrainedModel", groups: Sequence[Rows]) -> Iterator[None]:
    """Give each row of GROUPS what MODEL's frozen lower blocks make of its `input_ids`; inside, MODEL starts there.

    A model without frozen lower blocks, or too many rows to keep, stays as it is. Every batch of rows must then hold
    HIDDEN, padded as `input_ids` are; the hook takes it out of the model's inputs.
    """
    import torch

    blocks = _blocks(model)
    first = next((i for i, block in enumerate(blocks) if any(p.requires_grad for p in block.parameters())), 0)
    n_bytes = 4 * model.config.hidden_size * sum(sum(rows.lengths) for rows in groups)
    if not first or n_bytes > MAX_BYTES:
        yield
        return
    _compute(model, blocks[first], groups)
    held: dict[str, torch.Tensor] = {}

    def take(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        held[HIDDEN] = kwargs.pop(HIDDEN)
        return args, kwargs

    def put(module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return held[HIDDEN], *args[1:]

    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    hooks = [
        getattr(plain, plain.base_model_prefix).register_forward_pre_hook(take, with_kwargs=True),
        blocks[first].register_forward_pre_hook(put),
    ]
    lower = list(blocks[:first])
    for i in range(first):
        blocks[i] = _skip()
    try:
        yield
    finally:
        for i, block in enumerate(lower):
            blocks[i] = block
        for hook in hooks:
            hook.remove()
        for rows in groups:
            rows.hidden.clear()


def _compute(model: "PreTrainedModel", first: "torch.nn.Module", groups: Sequence[Rows]) -> None:
    import torch

    class Reached(Exception):
        pass

    def stop(module: Any, args: tuple[Any, ...]) -> None:
        held.append(args[0])
        raise Reached

    held: list[torch.Tensor] = []
    hook = first.register_forward_pre_hook(stop)
    order = sorted(((rows, i) for rows in groups for i in range(len(rows))), key=lambda at: at[0].lengths[at[1]])
    model.eval()  # no dropout
    device = model.device.type
    try:
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            batch = [rows[i] for rows, i in places]
            width = padded_width(len(batch[-1]["input_ids"]), STEP)
            ids = torch.tensor([row["input_ids"] + [0] * (width - len(row["input_ids"])) for row in batch])
            mask = torch.tensor([[1] * len(r["input_ids"]) + [0] * (width - len(r["input_ids"])) for r in batch])
            with (
                suppress(Reached),
                torch.no_grad(),
                torch.autocast(device, torch.bfloat16, enabled=has_bf16(device)),
            ):
                model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False)
            for (rows, i), hidden in zip(places, held.pop().float().cpu(), strict=True):
                rows.hidden[i] = hidden[: rows.lengths[i]].clone()
    finally:
        hook.remove()


def _blocks(model: "PreTrainedModel") -> "torch.nn.ModuleList":
    """MODEL's decoder blocks: its only list of as many modules as it has layers."""
    import torch

    n_blocks = model.config.num_hidden_layers
    found = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == n_blocks]
    return found[0] if len(found) == 1 else torch.nn.ModuleList()


def _skip() -> "torch.nn.Module":
    import torch

    class Skip(torch.nn.Module):
        def forward(self, hidden_states: "torch.Tensor", *args: Any, **kwargs: Any) -> "tuple[torch.Tensor]":
            return (hidden_states,)

    return Skip()
