"""Tokenised examples in a file: a corpus is read token by token, and no more of it is in memory than a batch."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scripts.llm.finetune import Example
from scripts.notes.files import atomic_write

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKEN = np.dtype("<i4")
TOGETHER = 512  # texts that are tokenised in one call, which shares them among the cores


def token_ids(texts: Iterable[str], tokenizer: "PreTrainedTokenizerBase") -> Iterator[list[int]]:
    """The ids of each of TEXTS under TOKENIZER, without special tokens."""
    texts = iter(texts)
    while batch := list(islice(texts, TOGETHER)):
        yield from tokenizer(batch, add_special_tokens=False, return_attention_mask=False).input_ids


class ExampleFile(Sequence[Example]):
    """The examples that PATH holds, each read when it is asked for: 16 bytes of each are held, LENGTHS among them.

    Of each example the file has its ids and then its targets, as integers of 32 bits.
    """

    def __init__(self, path: Path, lengths: Sequence[int]):
        self._path = path
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self._ends = self.lengths.cumsum()

    @classmethod
    def written(cls, path: Path, examples: Iterable[Example]) -> "ExampleFile":
        """EXAMPLES in the file PATH: as private as they are."""
        lengths = array("q")
        with atomic_write(path, "wb") as stream:
            for example in examples:
                lengths.append(len(example.ids))
                stream.write(np.array([*example.ids, *example.targets], TOKEN).tobytes())
        return cls(path, lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, i: int) -> Example:
        n, end = int(self.lengths[i]), int(self._ends[i])
        both = np.fromfile(self._path, TOKEN, 2 * n, offset=2 * TOKEN.itemsize * (end - n)).tolist()
        return Example(tuple(both[:n]), tuple(both[n:]))
