"""Docs through an annotator as one stream, so that an LLM behind an endpoint never waits for a batch to end."""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import tee
from typing import TYPE_CHECKING, Any

from scripts.llm.endpoint import Endpoint

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc


def label(nlp: "Language", docs: "Iterable[Doc]", batch_size: int) -> "Iterator[Doc]":
    """DOCS with what the components of NLP find, lazily and in order; BATCH_SIZE is for components that take batches.

    As `nlp.pipe`, but for LLMs behind endpoints: spacy-llm's component waits for a batch's last answer before it reads
    the first, and sends nothing meanwhile. Its cache and `save_io` do not count here: the journal has all answers.
    """
    for _, component in nlp.pipeline:
        if endpoint_of(component) is not None:
            docs = _ask(component, docs)
        elif hasattr(component, "pipe"):
            docs = component.pipe(docs, batch_size=batch_size)
        else:
            docs = map(component, docs)
    with _what_is_loaded_is_no_garbage():
        yield from docs


@contextmanager
def _what_is_loaded_is_no_garbage() -> "Iterator[None]":
    """Python's collector passes over all that is in memory now: to go through libraries costs as much as Docs do."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def endpoint_of(component: Any) -> Endpoint | None:
    """The endpoint that COMPONENT asks, if it is an LLM behind one."""
    model = getattr(component, "_model", None)  # spacy-llm's component has no public name for it
    return model if isinstance(model, Endpoint) else None


def _ask(component: Any, docs: "Iterable[Doc]") -> "Iterator[Doc]":
    from spacy_llm.ty import supports_sharding

    task, endpoint = component.task, endpoint_of(component)
    asked, shown, given = tee(docs, 3)
    if supports_sharding(task):
        made, shards = tee(task.generate_prompts(asked, endpoint.context_length))
        prompts, shown = (prompts for prompts, _ in made), (docs for _, docs in shards)
    else:
        prompts = ([prompt] for prompt in task.generate_prompts(asked))
    for before, doc in zip(given, task.parse_responses(shown, endpoint(prompts)), strict=True):
        doc.user_data = {**before.user_data, **doc.user_data}  # a task may put a Doc together anew from its shards
        yield doc
