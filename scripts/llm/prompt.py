"""What goes to a language model and what comes back: plain strings for spacy-llm, with what ours know beside them."""

# The context length that our models tell spacy-llm: our task cuts passages and keeps the note's offsets; spacy-llm's
# own sharding would change the text.
UNCUT = 10**9


class Prompt(str):
    """The rendered prompt; TEXT is the passage to be labelled, WORDS its tokens' offsets, LABELS what is asked for.

    A model that constrains its answers needs them; any other sees an ordinary string.
    """

    text: str
    words: tuple[tuple[int, int], ...]
    labels: tuple[str, ...]

    def __new__(cls, prompt: str, text: str, words: tuple[tuple[int, int], ...], labels: tuple[str, ...]) -> "Prompt":
        self = super().__new__(cls, prompt)
        self.text, self.words, self.labels = text, words, labels
        return self


class Answer(str):
    """A model's answer and its finish_reason: "stop", "length" (cut off), or None where the model does not say."""

    finish_reason: str | None

    def __new__(cls, answer: str, finish_reason: str | None = None) -> "Answer":
        self = super().__new__(cls, answer)
        self.finish_reason = finish_reason
        return self
