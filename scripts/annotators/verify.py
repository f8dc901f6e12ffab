"""A second look: a language model is asked, yes or no, about each mention that annotators are of two minds about."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Iterable, Tuple  # noqa: UP035  spacy-llm checks for these very types

import jinja2
from spacy.tokens import Doc, Span
from spacy.util import filter_spans
from spacy_llm.registry import registry

from scripts.annotators.vote import UNREAD
from scripts.llm.prompt import Prompt, nonce
from scripts.notes.errors import UserError
from scripts.notes.task import Task, read_task

YES, NO = "yes", "no"
_VERDICT = re.compile(rf"\W*({YES}|{NO})\b", re.IGNORECASE)


class VerifyTask:
    """Ask about the mentions that some, but not all, of the span groups OF hold; about every mention of a lone group.

    `doc.spans[name]` gets the mentions that all hold and those that the model confirms; a mention about which it gives
    no readable answer goes to `doc.spans[name + ":unread"]`. A vote can then count it as one annotator more.
    """

    def __init__(self, task: Task, template: str, of: Sequence[str], context: int, name: str):
        self.task, self.of, self.context, self.name = task, of, context, name
        self._template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.task.labels)

    @property
    def prompt_template(self) -> str:
        return self._template

    def generate_prompts(
        self, docs: Iterable[Doc], context_length: int | None = None
    ) -> Iterable[Tuple[Iterable[Any], Iterable[Doc]]]:  # noqa: UP006
        """One prompt for each mention in doubt."""
        for doc in docs:
            yield [prompt for _, prompt in self.prompts(doc)], [doc]

    def prompts(self, doc: Doc) -> Iterator[tuple[Span, Prompt]]:
        """Each mention in doubt and the question about it, with CONTEXT words on either side."""
        _, doubted = self._sorted_out(doc)
        for span in doubted:
            start, end = doc[max(0, span.start - self.context)].idx, doc[min(len(doc), span.end + self.context) - 1]
            before = doc.text[start : span.start_char]
            after = doc.text[span.end_char : end.idx + len(end)]
            rendered = self._template.render(
                before=before,
                mention=span.text,
                after=after,
                label=span.label_,
                definition=self.task.labels[span.label_],
                nonce=nonce(before, span.text, after),
            )
            yield span, Prompt(rendered, span.text, (), (span.label_,), is_readable=_says_either)

    def parse_responses(self, shards: Iterable[Iterable[Doc]], responses: Iterable[Iterable[Any]]) -> Iterable[Doc]:
        """Add the span groups; entities stay as they are, for the vote to decide."""
        for docs, answers in zip(shards, responses, strict=True):
            (doc,) = docs
            agreed, doubted = self._sorted_out(doc)
            verdicts = [verdict(answer) for answer in answers]
            kept = [span for span, said in zip(doubted, verdicts, strict=True) if said == YES]
            doc.spans[self.name] = filter_spans([*agreed, *kept])
            doc.spans[self.name + UNREAD] = [
                span for span, said in zip(doubted, verdicts, strict=True) if said not in (YES, NO)
            ]
            counts = Counter(doc.user_data.get("annotation"))
            counts.update(f"verified: {said}" for said in verdicts)
            doc.user_data["annotation"] = dict(counts)
            yield doc

    def _sorted_out(self, doc: Doc) -> tuple[list[Span], list[Span]]:
        """The mentions that all groups of DOC hold, and the others, each once and in the order of the text."""
        groups = [doc.spans[name] for name in self.of if name in doc.spans]
        votes = Counter((span.start, span.end, span.label_) for group in groups for span in group)
        needed = len(groups) if len(groups) > 1 else 2
        agreed = [Span(doc, *span) for span in sorted(votes) if votes[span] >= needed]
        return agreed, [Span(doc, *span) for span in sorted(votes) if votes[span] < needed]


def verdict(answer: Any) -> str:
    """What ANSWER says: "yes", "no", or why it says neither (unreadable, or the answer's finish_reason)."""
    reason = getattr(answer, "finish_reason", None)
    found = _VERDICT.match(str(answer))
    if found:
        return found[1].lower()
    return "unreadable" if reason in (None, "stop", "length") else reason


def _says_either(answer: Any) -> bool:
    return verdict(answer) in (YES, NO)


@registry.llm_tasks("clinical.Verify.v1")
def make_verify_task(task: str, template: str, of: list[str], context: int = 40, name: str = "verify") -> VerifyTask:
    """A verification task from files: TASK (YAML), TEMPLATE (Jinja); the mentions of the span groups OF are checked."""
    if not Path(template).is_file():
        raise UserError(f"{template} does not exist", "Name a template of configs/prompts")
    return VerifyTask(read_task(Path(task)), Path(template).read_text("utf8"), of, context, name)
