"""Our language models under the names that a spacy-llm config can ask for."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Iterable  # noqa: UP035  spacy-llm checks for these very types

from spacy_llm.registry import registry

from scripts.llm.cost import read_price
from scripts.llm.endpoint import OPENAI, Endpoint
from scripts.llm.journal import JOURNAL
from scripts.llm.local import LocalModel, Sampling
from scripts.llm.patience import Limits
from scripts.llm.prompt import UNCUT, Answer
from scripts.llm.tagger import LocalTagger
from scripts.notes.errors import UserError

Executor = Callable[[Iterable[Iterable[Any]]], Iterable[Any]]


class LocalChat:
    """A spacy-llm model: a local causal LM that writes its answers freely. Loads at the first prompt."""

    context_length = UNCUT

    def __init__(self, name: str, adapter: str | None, sampling: Sampling, batch_size: int, gpu_id: int, chat: bool):
        self.name, self.adapter, self.sampling = name, adapter, sampling
        self.batch_size, self.gpu_id, self.chat = batch_size, gpu_id, chat

    @cached_property
    def local(self) -> LocalModel:
        return LocalModel(self.name, self.adapter, self.gpu_id)

    def __call__(self, prompts: Iterable[Iterable[Any]]) -> Iterable[Iterable[Any]]:
        docs = [[str(prompt) for prompt in doc] for doc in prompts]
        flat = [self.local.chat(p) if self.chat else p for doc in docs for p in doc]
        done = self.local.complete(flat, self.sampling, self.batch_size)
        answers = iter([Answer(c.text, c.finish_reason) for c in done])
        return [[next(answers) for _ in doc] for doc in docs]


@registry.llm_models("clinical.Local.v1")
def make_local(
    name: str,
    adapter: str | None = None,
    chat: bool = True,
    temperature: float = 0.0,
    max_new_tokens: int = 256,
    batch_size: int = 16,
    gpu_id: int = -1,
) -> Executor:
    """A local causal LM (NAME: folder or hub name) that answers freely; CHAT puts prompts in its chat template."""
    return LocalChat(name, adapter, Sampling(temperature, max_new_tokens=max_new_tokens), batch_size, gpu_id, chat)


@registry.llm_models("clinical.LocalTagger.v1")
def make_local_tagger(
    name: str, adapter: str | None = None, batch_size: int = 16, gpu_id: int = -1, outside_bias: float = 0.0
) -> Executor:
    """A local causal LM whose answers are tagged copies of the passage; OUTSIDE_BIAS > 0 finds more, with less care."""
    return LocalTagger(name, adapter, batch_size, gpu_id, outside_bias)


@registry.llm_models("clinical.OpenAI.v1")
def make_endpoint(
    name: str,
    base_url: str = OPENAI,
    api_key_env: str | None = None,
    parameters: dict[str, Any] | None = None,
    journal: str = JOURNAL,
    limits: dict[str, Any] | None = None,
    allow_private_hosts: list[str] | None = None,
    azure_api_version: str | None = None,
    max_answers: int = 2,
    price: dict[str, float] | None = None,
    tokenizer: str | None = None,
    guided: bool = False,
) -> Executor:
    """Model NAME behind any server that speaks OpenAI's chat completions: BASE_URL ends in /v1, or is Azure's endpoint.

    API_KEY_ENV names the variable of the environment that holds the key (None: the server wants none). PARAMETERS go to
    the server as they are; GUIDED adds the JSON schema of the answer, for servers that can keep to one. MAX_ANSWERS are
    asked for until one can be read. AZURE_API_VERSION makes it Azure, where NAME is the deployment. PRICE is what a
    million tokens cost, in US dollars: {"input": 0.5, "output": 1.5}; TOKENIZER a folder with the model's own
    tokenizer, to estimate costs with.
    """
    try:
        bounds = Limits(**(limits or {}))
    except TypeError as e:
        raise UserError(f"[limits]: {e}", f"Known keys: {', '.join(Limits.__dataclass_fields__)}") from None
    return Endpoint(
        name,
        base_url,
        api_key_env,
        parameters or {},
        Path(journal),
        bounds,
        allow_private_hosts or (),
        azure_api_version,
        max_answers,
        read_price(price),
        tokenizer,
        guided,
    )
