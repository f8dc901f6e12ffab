"""A causal language model in this process: loading, sampling and scoring."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.llm.cache import make_cache
from scripts.llm.decoding import decode_without_copies
from scripts.notes.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHORTEST_SHARED = 64  # tokens that prompts must begin with in common before a batch is taken apart for them


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn: from the TOP_K likeliest (0: all), of these from the smallest set with probability TOP_P.

    TEMPERATURE 0 takes the likeliest token.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 500
    max_new_tokens: int = 256


@dataclass(frozen=True)
class Completion:
    """The TEXT that a model wrote after a prompt, and whether it ended by itself or at the limit.

    N_TOKENS were written, the one that ends a text included.
    """

    text: str
    finish_reason: str  # "stop" or "length", as in OpenAI's API
    n_tokens: int


class LocalModel:
    """A causal LM with its tokenizer, from a folder or a hub name, with an optional LoRA adapter's folder."""

    def __init__(self, name: str, adapter: str | None = None, gpu_id: int = -1):
        import torch

        self.name = name
        self.model, self.tokenizer = load_causal_lm(name)
        if adapter is not None:
            from peft import PeftModel

            if not Path(adapter, "adapter_config.json").is_file():
                raise UserError(f"no adapter in {adapter}", "Run the `teach` or `adapt` step first")
            self.model = PeftModel.from_pretrained(self.model, adapter).merge_and_unload()
        self.device = device_of(gpu_id)
        self.model.to(self.device, torch.bfloat16 if has_bf16(self.device) else torch.float32).eval()
        if self.device == "cpu":
            decode_without_copies(self.model)

    @property
    def context_length(self) -> int:
        """How many tokens prompt and answer may have together."""
        return int(self.model.config.max_position_embeddings)

    def encode(self, text: str) -> list[int]:
        """The token ids of TEXT, without special tokens."""
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def chat(self, prompt: str) -> str:
        """PROMPT as a user's message in the model's own chat template; PROMPT itself where it has none."""
        if self.tokenizer.chat_template is None:
            return prompt
        message = [{"role": "user", "content": prompt}]
        return self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)

    def complete(
        self, prompts: Sequence[str], sampling: Sampling, batch_size: int = 32, seed: int = 0
    ) -> Iterator[Completion]:
        """Continue each of PROMPTS, in their order; an empty one begins with the token that ends a text.

        Batches are sorted by length, so that little is padding; what all prompts of a batch begin with is read once.
        """
        ids = [self.encode(p) or [self.tokenizer.eos_token_id] for p in prompts]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        done: dict[int, Completion] = {}
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            outputs = _continue(self, [ids[i] for i in rows], sampling, seed + first)
            done.update(zip(rows, outputs, strict=True))
        yield from (done[i] for i in range(len(ids)))


def load_tokenizer(folder: str) -> "PreTrainedTokenizerBase":
    """The tokenizer in FOLDER, to count tokens with; nothing is fetched."""
    from transformers import AutoTokenizer

    try:
        if not Path(folder).is_dir():
            raise OSError("no such folder")
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as e:
        raise UserError(
            f"no tokenizer in {folder} ({type(e).__name__})",
            "Name the folder of the model's own tokenizer, or leave `tokenizer` out",
        ) from None


def load_causal_lm(name: str, four_bit: bool = False) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The causal LM of a folder or hub name and its tokenizer, in 32 bits on the CPU, as training wants it.

    FOUR_BIT loads it quantised onto the GPU (QLoRA, Dettmers et al. 2023); that needs the package bitsandbytes.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    source = check_model_name(name)
    tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not four_bit:
        return AutoModelForCausalLM.from_pretrained(source), tokenizer
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError("four_bit needs a GPU and the package bitsandbytes", "Install it, or set four_bit = false")
    quantised = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype="bfloat16")
    return AutoModelForCausalLM.from_pretrained(source, quantization_config=quantised, device_map={"": 0}), tokenizer


def check_model_name(name: str) -> str:
    """NAME if it is a folder or could be a hub name; a UserError for a folder of this project that is not there."""
    if Path(name).is_dir() or (name.count("/") <= 1 and not name.startswith(("training/", ".", "/"))):
        return name
    raise UserError(f"no language model in {name}", "Run `spacy project run models`, or correct the name in the config")


def device_of(gpu_id: int) -> str:
    """The torch device of spaCy's GPU_ID (-1: the CPU)."""
    import torch

    if gpu_id >= 0 and not torch.cuda.is_available():
        raise UserError(f"gpu_id is {gpu_id}, but torch sees no GPU", "Use --vars.gpu_id -1")
    return f"cuda:{gpu_id}" if gpu_id >= 0 else "cpu"


def has_bf16(device: str) -> bool:
    """Whether DEVICE multiplies matrices in bfloat16 faster than in 32 bits: of CPUs, those with AMX.

    Where a Xeon has AVX512-BF16 and no AMX, its products ran at half to two thirds of the rate of 32 bits.
    """
    import torch

    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def padded_width(width: int, step: int = 64) -> int:
    """WIDTH rounded up to a multiple of STEP: on a CPU each new shape of a bfloat16 batch compiles its kernels anew."""
    return -(-width // step) * step


def _continue(local: LocalModel, prompts: list[list[int]], sampling: Sampling, seed: int) -> list[Completion]:
    """One batch, token by token; rows that have ended leave the batch, so that no step is spent on them."""
    import torch

    pad, eos = local.tokenizer.pad_token_id, local.tokenizer.eos_token_id
    cache, n_shared = make_cache(), _n_shared(prompts)
    if n_shared:
        with torch.inference_mode():
            local.model(torch.tensor([prompts[0][:n_shared]], device=local.device), past_key_values=cache)
        cache.batch_repeat_interleave(len(prompts))
        prompts = [prompt[n_shared:] for prompt in prompts]
    width = padded_width(max(map(len, prompts)), 16)
    tokens = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=local.device)
    shown = [[1] * n_shared + [0] * (width - len(p)) + [1] * len(p) for p in prompts]
    mask = torch.tensor(shown, device=local.device)
    generator = torch.Generator(local.device).manual_seed(seed)
    draw = _drawer(sampling, generator)
    written: list[list[int]] = [[] for _ in prompts]
    ended = [False] * len(prompts)
    rows = list(range(len(prompts)))
    with torch.inference_mode():
        for _ in range(sampling.max_new_tokens):
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
            output = local.model(
                tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
            )
            tokens = draw(output.logits[:, -1])
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if token == eos:
                    ended[row] = True
                elif not ended[row]:
                    written[row].append(token)
            keep = [i for i, row in enumerate(rows) if not ended[row]]
            if not keep:
                break
            # Some rows that have ended stay for a while, so that batches have few shapes.
            keep += [i for i, row in enumerate(rows) if ended[row]][: padded_width(len(keep), 8) - len(keep)]
            if len(keep) < len(rows):
                index = torch.tensor(keep, device=local.device)
                cache.batch_select_indices(index)
                tokens, mask, rows = tokens[index], mask[index], [rows[i] for i in keep]
            tokens = tokens[:, None]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
    texts = local.tokenizer.batch_decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return [
        Completion(text, "stop" if end else "length", len(ids) + end)
        for text, ids, end in zip(texts, written, ended, strict=True)
    ]


def _n_shared(prompts: list[list[int]]) -> int:
    """How many tokens to read once for all PROMPTS: those that all begin with, 0 where they are too few to matter.

    One is left to each prompt: the model continues from it.
    """
    shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False)))
    n = min(shared, *(len(prompt) - 1 for prompt in prompts))
    return n if len(prompts) > 1 and n >= SHORTEST_SHARED else 0


def _drawer(sampling: Sampling, generator: "torch.Generator") -> "Callable[[torch.Tensor], torch.Tensor]":
    """A function from next-token logits (rows x vocabulary) to one token id a row."""
    import torch

    if sampling.temperature == 0:
        return lambda logits: logits.argmax(-1)

    def draw(logits: "torch.Tensor") -> "torch.Tensor":
        scaled = logits.float() / sampling.temperature
        if not sampling.top_k and sampling.top_p >= 1:
            # By the inverse of the cumulated shares: torch.multinomial takes ten times as long over a whole vocabulary.
            cumulated = scaled.double().softmax(-1).cumsum(-1)
            drawn = torch.rand(len(scaled), 1, dtype=torch.double, device=scaled.device, generator=generator)
            found = torch.searchsorted(cumulated, drawn * cumulated[:, -1:], right=True)
            return found[:, 0].clamp(max=scaled.shape[-1] - 1)
        # Sorting a whole vocabulary for every token would take most of the time on a CPU.
        best, ids = scaled.topk(min(sampling.top_k or logits.shape[-1], logits.shape[-1]), dim=-1)
        shares = (best - scaled.logsumexp(-1, keepdim=True)).exp()
        shares[shares.cumsum(-1) - shares > sampling.top_p] = 0.0
        return ids.gather(-1, torch.multinomial(shares, 1, generator=generator))[:, 0]

    return draw
