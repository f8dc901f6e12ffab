"""A local language model as a tagger: it reads the passage twice and, at each word of the echo, scores the labels.

The answer is constrained by construction to a tagged copy of the passage. The echo shows a causal model the words to
the right of a mention before it decides (Springer et al. 2024, "Repetition improves language model embeddings"). What
is scored is the model's own output layer at the tokens of the label names, so that one LoRA adapter is all that is
learned, and one forward pass labels a passage.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Iterable  # noqa: UP035  spacy-llm checks for these very types

from scripts.llm.answers import FORMS
from scripts.llm.finetune import Example
from scripts.llm.local import LocalModel, padded_width
from scripts.llm.prompt import UNCUT, Answer, Prompt
from scripts.notes.errors import UserError
from scripts.notes.note import Span

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

OUTSIDE, SAME = "other", "same"  # no entity; the entity of the word before goes on


@dataclass(frozen=True)
class Echo:
    """The model's input for one prompt, and at which of its positions each word of the passage is decided."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]


def make_echo(prompt: Prompt, tokenizer: "PreTrainedTokenizerBase") -> Echo:
    """PROMPT followed by its passage once more."""
    head = tokenizer(str(prompt), add_special_tokens=False).input_ids
    encoded = tokenizer(prompt.text, add_special_tokens=False, return_offsets_mapping=True)
    positions, token = [], 0
    offsets = encoded.offset_mapping
    for _, end in prompt.words:
        # The last token that begins inside the word: the model has then read all of it.
        while token + 1 < len(offsets) and offsets[token + 1][0] < end:
            token += 1
        positions.append(len(head) + token)
    return Echo((*head, *encoded.input_ids), tuple(positions))


def label_tokens(tokenizer: "PreTrainedTokenizerBase", labels: Sequence[str]) -> list[int]:
    """The token that stands for OUTSIDE, SAME and each of LABELS: the first of its name that no other has taken."""
    taken: list[int] = []
    for name in (OUTSIDE, SAME, *labels):
        candidates = tokenizer(f" {name.lower().replace('_', ' ')} {name}", add_special_tokens=False).input_ids
        free = [token for token in candidates if token not in taken]
        if not free:
            raise UserError(f"label {name} shares all its tokens with other labels", "Rename it in the task")
        taken.append(free[0])
    return taken


def make_example(prompt: Prompt, spans: Iterable[Span], tokenizer: "PreTrainedTokenizerBase") -> Example:
    """What the model shall predict for PROMPT when the passage's true SPANS are known."""
    echo = make_echo(prompt, tokenizer)
    tokens = dict(zip((OUTSIDE, SAME, *prompt.labels), label_tokens(tokenizer, prompt.labels), strict=True))
    targets = [-100] * len(echo.ids)
    spans = sorted(spans)
    for (start, end), position in zip(prompt.words, echo.positions, strict=True):
        inside = next((s for s in spans if s.start < end and start < s.end), None)
        name = OUTSIDE if inside is None else inside.label if start <= inside.start else SAME
        targets[position] = tokens[name]
    return Example(echo.ids, tuple(targets))


class LocalTagger:
    """A spacy-llm model: prompts per doc to answers per doc, each a tagged copy of its passage; loads when asked."""

    context_length = UNCUT

    def __init__(self, name: str, adapter: str | None, batch_size: int, gpu_id: int, outside_bias: float):
        self.name, self.adapter, self.batch_size, self.gpu_id = name, adapter, batch_size, gpu_id
        self.outside_bias = outside_bias

    @cached_property
    def local(self) -> LocalModel:
        return LocalModel(self.name, self.adapter, self.gpu_id)

    def __call__(self, prompts: Iterable[Iterable[Any]]) -> Iterable[Iterable[Any]]:
        docs = [list(doc) for doc in prompts]
        flat = [prompt for doc in docs for prompt in doc]
        answers: dict[int, Answer] = {}
        echoes = [make_echo(prompt, self.local.tokenizer) for prompt in flat]
        order = sorted(range(len(flat)), key=lambda i: len(echoes[i].ids))
        for first in range(0, len(order), self.batch_size):
            rows = order[first : first + self.batch_size]
            for i, scores in zip(rows, self._score([echoes[i] for i in rows], flat[rows[0]].labels), strict=True):
                spans = decode(scores.tolist(), flat[i])
                answers[i] = Answer(FORMS["tags"].write(flat[i].text, spans, flat[i].labels), "stop")
        numbers = iter(range(len(flat)))
        return [[answers[next(numbers)] for _ in doc] for doc in docs]

    def _score(self, echoes: Sequence[Echo], labels: Sequence[str]) -> "list[torch.Tensor]":
        """For each echo the log-probabilities of words x (OUTSIDE, SAME, *LABELS)."""
        import torch

        local = self.local
        width, pad = padded_width(max(len(e.ids) for e in echoes)), local.tokenizer.pad_token_id
        ids = torch.tensor([[*e.ids, *[pad] * (width - len(e.ids))] for e in echoes], device=local.device)
        mask = torch.tensor([[1] * len(e.ids) + [0] * (width - len(e.ids)) for e in echoes], device=local.device)
        columns = torch.tensor(label_tokens(local.tokenizer, labels), device=local.device)
        with torch.inference_mode():
            body = getattr(local.model, local.model.base_model_prefix)
            hidden = body(input_ids=ids, attention_mask=mask).last_hidden_state
            head = local.model.get_output_embeddings().weight[columns]
            logits = [hidden[row, list(e.positions)].float() @ head.float().T for row, e in enumerate(echoes)]
            for row in logits:
                row[:, 0] -= self.outside_bias
            return [row.log_softmax(-1) for row in logits]


def decode(scores: Sequence[Sequence[float]], prompt: Prompt) -> list[Span]:
    """The likeliest spans word by word; SAME is open only to a word that follows an entity's word.

    A word with the label of the one before and at most blanks between goes on with its entity, whether the model says
    SAME or begins anew: two mentions of a label that nothing separates are rarer than a small model's doubt.
    """
    names = (OUTSIDE, SAME, *prompt.labels)
    spans: list[Span] = []
    open_span = False
    for (start, end), row in zip(prompt.words, scores, strict=True):
        allowed = range(len(names)) if open_span else [i for i in range(len(names)) if names[i] != SAME]
        name = names[max(allowed, key=lambda i: row[i])]
        if open_span and name == spans[-1].label and not prompt.text[spans[-1].end : start].strip(" "):
            name = SAME
        open_span = name != OUTSIDE
        if name == SAME:
            spans[-1] = Span(spans[-1].start, end, spans[-1].label)
        elif name != OUTSIDE:
            spans.append(Span(start, end, name))
    return spans
