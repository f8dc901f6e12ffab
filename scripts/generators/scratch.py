"""A new tokenizer and a new causal LM, knowing nothing but the texts they are given."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

END = "<|end|>"
MAX_CHARACTERS = 10_000_000  # that a tokenizer is trained on; it counts each different word, and more change few tokens
TOKENS_PER_WEIGHT = 20  # where compute is spent best on text that is read once (Hoffmann et al. 2022)
EXCESS = 5.31  # R_N* of Muennighoff et al. (2023): so many times that beyond it, a weight is worth 1 / e of one within
HEAD_SIZE = 64
WEIGHTS_PER_BLOCK = 13  # times the width squared: attention 4, MLP 9
N_LAYERS = (2, 12)  # 0.4 and 92 million weights


def new_tokenizer(texts: Sequence[str], vocab_size: int, whole: Sequence[str] = ()) -> "PreTrainedTokenizerFast":
    """A byte-level BPE of at most VOCAB_SIZE tokens; any text survives encoding and decoding.

    Of more than MAX_CHARACTERS of TEXTS it sees so many, always the same. Each string of WHOLE is one token besides: a
    small model does not learn to spell slots and tags.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_sample(texts), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False
    )
    tokenizer.add_tokens(list(whole))
    return tokenizer


def _sample(texts: Sequence[str]) -> Iterator[str]:
    n_characters = 0
    for i in np.random.default_rng(0).permutation(len(texts)):
        if n_characters >= MAX_CHARACTERS:
            return
        text = texts[int(i)]
        n_characters += len(text)
        yield text


def size_for(n_tokens: int) -> dict[str, int]:
    """`n_layers`, `width` and `n_heads` of a model for N_TOKENS of different text, read as often as it helps.

    Muennighoff et al. (2023, "Scaling Data-Constrained Language Models"): of U tokens, U / 20 weights is the optimum if
    they are read once; where they are read again, more weights go on helping, as U / 20 (1 + R (1 - exp(-x / R))) for x
    times as many beyond, R = 5.31. Taken are those that give 95 % of that: x = 3 R, or 0.85 weights a token, embeddings
    aside. The shape grows as GPT-2's, a head of 64 more for each layer, from 2 layers (0.4 million weights) to 12
    (92 million). The law was measured on models of millions of weights; for the smallest it is an extrapolation.
    """
    n_weights = n_tokens / TOKENS_PER_WEIGHT * (1 + 3 * EXCESS)
    deep = round((n_weights / (WEIGHTS_PER_BLOCK * HEAD_SIZE**2)) ** (1 / 3))
    n_layers = min(max(deep, N_LAYERS[0]), N_LAYERS[1])
    return {"n_layers": n_layers, "width": HEAD_SIZE * n_layers, "n_heads": n_layers}


def new_model(
    tokenizer: "PreTrainedTokenizerFast", shape: Mapping[str, int], max_tokens: int, seed: int
) -> "PreTrainedModel":
    """A Llama-shaped LM with random weights drawn from SEED."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape["width"],
        intermediate_size=3 * shape["width"],
        num_hidden_layers=shape["n_layers"],
        num_attention_heads=shape["n_heads"],
        max_position_embeddings=2 * max_tokens,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)
