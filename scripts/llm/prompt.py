"""What goes to a language model and what comes back: plain strings for spacy-llm, with what ours know beside them."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import count
from typing import Any

from scripts.notes.files import Sensitivity

# The context length that our models tell spacy-llm: our task cuts passages and keeps the note's offsets; spacy-llm's
# own sharding would change the text.
UNCUT = 10**9
# What became of an answer that could not be read, where its finish_reason does not say it itself.
WHY_UNREAD = {None: "unreadable", "stop": "unreadable", "length": "truncated", "content_filter": "filtered"}


class Prompt(str):
    """The rendered prompt; TEXT is the passage to be labelled, WORDS its tokens' offsets, LABELS what it may get.

    ASKED are LABELS and the rivals that are asked for beside them; SAMPLE tells prompts apart that ask the same again.
    IS_READABLE says whether an answer can be used, so that a model can be asked again; SCHEMA is the answer's JSON
    schema, None where it is no JSON; SENSITIVITY is that of the examples shown, None without examples. A model that
    needs none of these sees an ordinary string.
    """

    text: str
    words: Sequence[tuple[int, int]]
    labels: tuple[str, ...]
    asked: tuple[str, ...]
    sample: int
    is_readable: Callable[["Answer"], bool]
    schema: dict[str, Any] | None
    sensitivity: Sensitivity | None

    def __new__(
        cls,
        prompt: str,
        text: str,
        words: Sequence[tuple[int, int]],
        labels: tuple[str, ...],
        asked: tuple[str, ...] | None = None,
        sample: int = 0,
        is_readable: Callable[["Answer"], bool] = lambda answer: True,
        schema: dict[str, Any] | None = None,
        sensitivity: Sensitivity | None = None,
    ) -> "Prompt":
        self = super().__new__(cls, prompt)
        self.text, self.words, self.labels, self.asked = text, words, labels, asked or labels
        self.sample, self.is_readable, self.schema, self.sensitivity = sample, is_readable, schema, sensitivity
        return self


class Answer(str):
    """A model's answer and its finish_reason; None where the model does not say.

    "stop", "length" (cut off) and "content_filter" as in OpenAI's API; ours are "refused", "none" (no content),
    "rejected" (the request, for what it holds) and "failed" (no answer after all tries).
    """

    finish_reason: str | None

    def __new__(cls, answer: str, finish_reason: str | None = None) -> "Answer":
        self = super().__new__(cls, answer)
        self.finish_reason = finish_reason
        return self


def nonce(*texts: str) -> str:
    """A word for a prompt's delimiters that none of TEXTS holds, so that nothing in them can end one.

    Nearly always the same word: what prompts share then has the same beginning, which language models read only once.
    """
    words = (sha256(str(i).encode()).hexdigest()[:8] for i in count())
    return next(word for word in words if not any(word in text for text in texts))
