"""A language model as annotator: our span task for spacy-llm."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Iterable, Literal, Tuple  # noqa: UP035  spacy-llm checks for these very types

import jinja2
import numpy as np
from rapidfuzz import fuzz, process
from rapidfuzz.utils import default_process
from spacy.attrs import IDX, IS_SPACE, LENGTH
from spacy.tokens import Doc
from spacy.tokens import Span as DocSpan
from spacy.util import filter_spans
from spacy_llm.registry import registry

from scripts.annotators.vote import UNREAD, Ballot, decide
from scripts.llm.answers import FORMS, Mentions, Unreadable, spans_of_copy
from scripts.llm.local import load_tokenizer
from scripts.llm.prompt import WHY_UNREAD, Prompt, nonce
from scripts.notes.align import Entry, align
from scripts.notes.errors import UserError
from scripts.notes.files import Sensitivity, sensitivity_of
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note, Span
from scripts.notes.task import Task, read_task
from scripts.notes.windows import cut_note, cut_windows

ALL, EACH = "all", "each"  # labels in one call, or one label a call
Calls = Literal["all", "each"] | list[list[str]]


@dataclass(frozen=True)
class Shots:
    """The examples that prompts show: N of PASSAGES, the first, or those NEAREST to the passage asked about.

    Passages are read when first asked for. SENSITIVITY is that of the notes they come from, None without examples.
    """

    passages: Callable[[], Sequence[Note]]
    n: int
    nearest: bool
    sensitivity: Sensitivity | None


class SpanTask:
    """Ask for the mentions of a task's labels passage by passage, and put what the note really holds on the Doc.

    Entities go to `doc.spans[name]` and `doc.ents`. A passage whose answer cannot be read is missing annotation, not
    "no entity", and goes to `doc.spans[name + ":unread"]`. Where CALLS part the labels, a passage is asked about once a
    call; where SAMPLES are several, each call is asked so often, and the samples vote. `doc.user_data["annotation"]`
    counts answers by outcome (read, unreadable, truncated, refused, filtered, failed, ...) and mentions by label and
    alignment status.
    """

    def __init__(
        self,
        task: Task,
        template: str,
        form: str,
        window: int,
        calls: Sequence[Sequence[str]],
        samples: int,
        definitions: bool,
        shots: Shots,
        occurrences: str,
        name: str,
        tokenizer: str | None = None,
    ):
        self._folder = tokenizer
        self.task, self.form, self.window, self.name = task, FORMS[form], window, name
        self.calls, self.samples, self.definitions, self.shots = calls, samples, definitions, shots
        self.occurrences = occurrences
        self._asked: dict[int, tuple[Doc, list[tuple[int, Prompt]]]] = {}  # from a Doc's prompts to its answers
        self._template = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=False).from_string(
            template
        )

    @cached_property
    def _pool(self) -> list[Note]:
        return list(self.shots.passages())

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder) if self._folder else None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.task.labels)

    @property
    def prompt_template(self) -> str:
        return self._template

    def generate_prompts(
        self, docs: Iterable[Doc], context_length: int | None = None
    ) -> Iterable[Tuple[Iterable[Any], Iterable[Doc]]]:  # noqa: UP006
        """The prompts of each Doc; the Doc itself stands for its shards, since passages keep the note's own offsets."""
        for doc in docs:
            asked = list(self.prompts(doc))
            self._asked[id(doc)] = doc, asked
            yield [prompt for _, prompt in asked], [doc]

    def prompts(self, doc: Doc) -> Iterator[tuple[int, Prompt]]:
        """What is asked about DOC, passage by passage and in each call by call; with the passage's offset."""
        note = doc.text  # spaCy puts it together anew each time
        starts, lengths, is_space = doc.to_array([IDX, LENGTH, IS_SPACE]).astype(int).T
        # An array, since hundreds of notes wait at a time: Python's collector would go through pairs again and again.
        words = np.stack([starts, starts + lengths], axis=1)[is_space == 0]
        for (start, end), inside in cut_windows(note, words, self.window, self._lengths(note, words)):
            text = note[start:end].rstrip()
            examples = self._examples(text, note)
            for asked in self.calls:
                rendered = self._render(text, asked, examples)
                for sample in range(self.samples):
                    yield (
                        start,
                        Prompt(
                            rendered,
                            text=text,
                            words=words[inside] - start,
                            labels=tuple(label for label in asked if label in self.task.labels),
                            asked=tuple(asked),
                            sample=sample,
                            is_readable=partial(self._can_read, text, asked),
                            schema=self.form.schema and self.form.schema(asked),
                            sensitivity=self.shots.sensitivity,
                        ),
                    )

    def parse_responses(self, shards: Iterable[Iterable[Doc]], responses: Iterable[Iterable[Any]]) -> Iterable[Doc]:
        """Read the answers and set the entities that the note's own characters bear out."""
        for docs, answers in zip(shards, responses, strict=True):
            (doc,) = docs
            yield self._annotate(doc, list(answers))

    def _lengths(self, text: str, words: np.ndarray) -> list[int] | None:
        """The tokens of each of WORDS for the tokenizer that windows are counted with; None where they count words."""
        if self._tokenizer is None:
            return None
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        begun = [start for start, _ in encoded.offset_mapping]
        starts = [bisect_left(begun, start) for start, _ in words]
        return [after - own for own, after in zip(starts, [*starts[1:], len(begun)], strict=True)]

    def _examples(self, text: str, note: str) -> list[Note]:
        """The passages to show beside TEXT; never one of the NOTE that it is from."""
        pool = [passage for passage in self._pool if passage.text not in note]
        if not self.shots.nearest:
            return pool[: self.shots.n]
        # Of two passages that share many words one teaches much about the other; most alike stands last, next to TEXT.
        texts = [passage.text for passage in pool]
        found = process.extract(text, texts, scorer=fuzz.token_set_ratio, processor=default_process, limit=self.shots.n)
        return [pool[index] for _, _, index in reversed(found)]

    def _render(self, text: str, asked: Sequence[str], examples: Sequence[Note]) -> str:
        return self._template.render(
            text=text,
            labels={label: text for label, text in self.task.labels.items() if label in asked},
            rivals={label: text for label, text in self.task.rivals.items() if label in asked},
            definitions=self.definitions,
            examples=[{"text": e.text, "answer": self.form.write(e.text, e.spans or (), asked)} for e in examples],
            nonce=nonce(text, *(example.text for example in examples)),
        )

    def _annotate(self, doc: Doc, answers: Sequence[Any]) -> Doc:
        counts: Counter[str] = Counter(doc.user_data.get("annotation"))
        # The very Doc, held until here, so that no other can have come by its id; one never asked about is asked now.
        _, prompts = self._asked.pop(id(doc), None) or (doc, self.prompts(doc))
        ballots = [self._ballot(doc, asked, counts) for asked in _by_sample(zip(prompts, answers, strict=True))]
        if len(ballots) == 1:
            (ballot,) = ballots
            entities, missing = list(ballot.spans), [doc[i : i + 1] for i in sorted(ballot.unread)]
        else:
            entities, missing = decide(doc, ballots, self.task.vote)
        doc.set_ents(entities, missing=missing, default="outside")
        doc.spans[self.name] = entities
        doc.spans[self.name + UNREAD] = missing
        doc.user_data["annotation"] = {k: v for k, v in counts.items() if v}
        return doc

    def _ballot(self, doc: Doc, asked: Iterable[tuple[int, Prompt, Any]], counts: Counter[str]) -> Ballot:
        """What the answers of one sample say of DOC."""
        found: list[DocSpan] = []
        unread: set[int] = set()
        for start, prompt, answer in asked:
            try:
                spans = self._read(prompt.text, prompt.asked, answer, counts)
            except Unreadable:
                reason = getattr(answer, "finish_reason", None)
                counts[f"answers: {WHY_UNREAD.get(reason, reason)}"] += 1
                passage = doc.char_span(start, start + len(prompt.text), alignment_mode="expand")
                unread.update(token.i for token in passage)
                continue
            counts["answers: read"] += 1
            for span in spans:
                entity = doc.char_span(start + span.start, start + span.end, label=span.label)
                if entity is None:
                    counts[f"mentions: {span.label}, inside a token"] += 1
                else:
                    found.append(entity)
        entities = filter_spans(found)
        for entity in set(found) - set(entities):
            counts[f"mentions: {entity.label_}, inside a mention of another call"] += 1
        return Ballot(entities, frozenset(unread - {i for entity in entities for i in range(entity.start, entity.end)}))

    def _can_read(self, text: str, asked: Sequence[str], answer: Any) -> bool:
        try:
            self._mentions(text, asked, answer)
        except Unreadable:
            return False
        return True

    def _mentions(self, text: str, asked: Sequence[str], answer: Any) -> list[Span] | Mentions:
        """What ANSWER names: the spans of a tagged copy of TEXT, or strings with their labels."""
        spans = spans_of_copy(str(answer), text, asked)
        if spans is not None:
            return spans
        reason = getattr(answer, "finish_reason", None)
        if reason not in (None, "stop") and not (reason == "length" and self.form.shows_its_end):
            raise Unreadable(reason)
        return self.form.read(str(answer), asked)

    def _read(self, text: str, asked: Sequence[str], answer: Any, counts: Counter[str]) -> list[Span]:
        """The spans of TEXT that ANSWER names, without those of rival labels."""
        named = self._mentions(text, asked, answer)
        if named and isinstance(named[0], Span):
            spans, ledger = named, [(span.label, "exact") for span in named]
        else:
            aligned = align(text, named, occurrences=self.occurrences)
            spans = aligned.spans
            ledger = [(label, _outcome(entry)) for (_, label), entry in zip(named, aligned.ledger, strict=True)]
        counts.update(f"mentions: {label}, {status}" for label, status in ledger if label in self.task.labels)
        return [span for span in spans if span.label in self.task.labels]


def _outcome(entry: Entry) -> str:
    """The status of a mention; a fuzzy one's with how alike it is, to a tenth."""
    return entry.status if entry.status != "fuzzy" else f"fuzzy {entry.score:.1f}"


def _by_sample(asked: Iterable[tuple[tuple[int, Prompt], Any]]) -> list[list[tuple[int, Prompt, Any]]]:
    samples: dict[int, list[tuple[int, Prompt, Any]]] = {0: []}
    for (start, prompt), answer in asked:
        samples.setdefault(prompt.sample, []).append((start, prompt, answer))
    return list(samples.values())


@registry.llm_tasks("clinical.Spans.v1")
def make_span_task(
    task: str,
    template: str,
    form: str = "json",
    window: int = 200,
    calls: Calls = ALL,
    samples: int = 1,
    definitions: bool = True,
    examples: str | None = None,
    n_examples: int = 3,
    nearest: bool = False,
    occurrences: str = "listed",
    name: str = "llm",
    tokenizer: str | None = None,
) -> SpanTask:
    """A span task from files: TASK (YAML), TEMPLATE (Jinja), EXAMPLES (JSONL of labelled notes, for few-shot prompts).

    FORM is the answer's form (json, lists, tags), WINDOW the longest passage: in words, or in tokens of the model whose
    TOKENIZER lies in the folder of that name. CALLS: all labels and rivals in
    one prompt, "each" label in one of its own, or lists of labels that are asked for together. SAMPLES answers are
    asked for and vote (give the model a temperature). N_EXAMPLES passages of EXAMPLES go into each prompt, the first or
    the NEAREST; to another host only if they are released or public. OCCURRENCES: whether the model lists every
    occurrence ("listed") or each distinct mention once ("all"). NAME is that of the component.
    """
    if form not in FORMS:
        raise UserError(f"answer form {form} is unknown", f"There are: {', '.join(FORMS)}")
    if not Path(template).is_file():
        raise UserError(f"{template} does not exist", "Name a template of configs/prompts")
    scheme = read_task(Path(task))

    def passages() -> list[Note]:
        if examples is None:
            return []
        cut = [cut_note(note, window) for note in scheme.restrict(read_notes(Path(examples))) if note.spans]
        return [passage for note in cut for passage in (note if nearest else note[:1])]

    kind = sensitivity_of(Path(examples)) if examples else None
    return SpanTask(
        scheme,
        Path(template).read_text("utf8"),
        form,
        window,
        _labels_of(calls, scheme),
        max(1, samples),
        definitions,
        Shots(passages, n_examples, nearest, kind),
        occurrences,
        name,
        tokenizer,
    )


def _labels_of(calls: Calls, task: Task) -> list[list[str]]:
    """The labels and rivals that each of CALLS asks for; a UserError unless every label of TASK is asked for once."""
    if calls == ALL:
        return [[*task.labels, *task.rivals]]
    if calls == EACH:
        return [[label] for label in task.labels]
    asked = [label for call in calls for label in call]
    unknown = set(asked) - {*task.labels, *task.rivals}
    unasked = set(task.labels) - set(asked)
    if unknown or unasked:
        raise UserError(
            f"calls: {', '.join(sorted(unknown | unasked))} {'unknown' if unknown else 'never asked for'}",
            f'Write "all", "each", or lists of task {task.name}\'s labels and rivals that hold every label',
        )
    return [list(call) for call in calls]
