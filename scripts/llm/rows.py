"""Examples as the training loop takes them: in an order drawn once, each read when its turn comes."""

import random
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from scripts.llm.finetune import Example

Row = dict[str, Any]  # input_ids, targets, and the hidden states where frozen blocks were computed before
HIDDEN = "hidden"  # the key of what the frozen blocks make of a row: a tensor of tokens x width


class Rows:
    """EXAMPLES in an order drawn with SEED, or the first MOST of that order; LENGTHS are their tokens.

    EXAMPLES that know their `lengths`, as an `ExampleFile` does, are not read before they are asked for. Each row has
    HIDDEN as soon as `hidden` has a tensor for its place.
    """

    def __init__(self, examples: "Sequence[Example]", seed: int, most: int | None = None):
        order = array("q", range(len(examples)))
        random.Random(seed).shuffle(order)
        self._examples, self._order = examples, order[:most]
        lengths = lengths_of(examples)
        self.lengths = array("q", (lengths[i] for i in self._order))
        self.hidden: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self._order)

    @cached_property
    def asked_a_row(self) -> float:
        """How many tokens of a row the model shall predict, on average."""
        return sum(target != -100 for i in self._order for target in self._examples[i].targets) / max(1, len(self))

    def __getitem__(self, i: int) -> Row:
        example = self._examples[self._order[i]]
        row: Row = {"input_ids": list(example.ids), "targets": list(example.targets)}
        return row | ({HIDDEN: self.hidden[i]} if i in self.hidden else {})


def lengths_of(examples: "Sequence[Example]") -> Sequence[int]:
    """How many tokens each of EXAMPLES has."""
    return examples.lengths if hasattr(examples, "lengths") else array("q", (len(e.ids) for e in examples))
