"""A language model as annotator: our span task for spacy-llm, and the teaching of a local model for its very prompt."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Tuple  # noqa: UP035  spacy-llm checks for these very types

import jinja2
import spacy
from spacy.tokens import Doc
from spacy_llm.registry import registry

from scripts.llm.answers import FORMS, Unreadable, spans_of_copy
from scripts.llm.finetune import Example, Lora, Schedule, add_lora, finetune
from scripts.llm.local import device_of, load_causal_lm
from scripts.llm.prompt import Prompt
from scripts.notes.align import align
from scripts.notes.errors import UserError
from scripts.notes.files import Sensitivity, sensitivity_of
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note, Span
from scripts.notes.task import Task, read_task
from scripts.notes.windows import cut_note, cut_windows

if TYPE_CHECKING:
    from spacy.language import Language


# A passage's outcome where its finish_reason does not say it itself.
WHY_UNREAD = {None: "unreadable", "stop": "unreadable", "length": "truncated", "content_filter": "filtered"}


class SpanTask:
    """Ask for the mentions of a task's labels passage by passage, and put what the note really holds on the Doc.

    Entities go to `doc.spans[name]` and `doc.ents`; a passage whose answer cannot be read is missing annotation, not
    "no entity". `doc.user_data["annotation"]` counts passages by outcome (read, unreadable, truncated, refused,
    filtered, failed, ...) and mentions by alignment status.
    """

    def __init__(
        self,
        task: Task,
        template: str,
        form: str,
        window: int,
        examples: Callable[[], Iterable[Note]],
        occurrences: str,
        name: str,
        sensitivity: Sensitivity | None = None,
    ):
        self._sensitivity = sensitivity
        self.task, self.form, self.window, self.name = task, FORMS[form], window, name
        self.occurrences = occurrences
        self.asked = (*task.labels, *task.rivals)
        self._template = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=False).from_string(
            template
        )
        self._notes = examples

    @cached_property
    def examples(self) -> list[dict[str, str]]:
        """The passages with their answers that every prompt shows; read when first asked for."""
        return [{"text": e.text, "answer": self.form.write(e.text, e.spans or (), self.asked)} for e in self._notes()]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.task.labels)

    @property
    def prompt_template(self) -> str:
        return self._template

    def generate_prompts(
        self, docs: Iterable[Doc], context_length: int | None = None
    ) -> Iterable[Tuple[Iterable[Any], Iterable[Doc]]]:  # noqa: UP006
        """One prompt a passage; the Doc itself stands for its shards, since passages keep the note's own offsets."""
        for doc in docs:
            yield [prompt for _, prompt in self.passages(doc)], [doc]

    def passages(self, doc: Doc) -> Iterator[tuple[int, Prompt]]:
        """Each passage of DOC with its offset in the note."""
        words = [(t.idx, t.idx + len(t)) for t in doc if not t.is_space]
        for (start, end), inside in cut_windows(doc.text, words, self.window):
            text = doc.text[start:end].rstrip()
            rendered = self._template.render(
                text=text, labels=self.task.labels, rivals=self.task.rivals, examples=self.examples
            )
            words = tuple((a - start, b - start) for a, b in inside)
            yield start, Prompt(rendered, text, words, self.labels, partial(self._can_read, text), self._sensitivity)

    def parse_responses(self, shards: Iterable[Iterable[Doc]], responses: Iterable[Iterable[Any]]) -> Iterable[Doc]:
        """Read the answers and set the entities that the note's own characters bear out."""
        for docs, answers in zip(shards, responses, strict=True):
            (doc,) = docs
            yield self._annotate(doc, list(answers))

    def _annotate(self, doc: Doc, answers: Sequence[Any]) -> Doc:
        counts: Counter[str] = Counter()
        found: list[Span] = []
        unread = []
        for (start, prompt), answer in zip(self.passages(doc), answers, strict=True):
            try:
                spans = self._read(prompt.text, answer, counts)
            except Unreadable:
                reason = getattr(answer, "finish_reason", None)
                counts[f"passages: {WHY_UNREAD.get(reason, reason)}"] += 1
                unread.append((start, start + len(prompt.text)))
                continue
            counts["passages: read"] += 1
            found += [Span(s.start + start, s.end + start, s.label) for s in spans]
        entities = [doc.char_span(s.start, s.end, label=s.label) for s in found]
        counts["mentions: inside a token"] += entities.count(None)
        entities = [e for e in entities if e is not None]
        missing = [doc.char_span(a, b, alignment_mode="expand") for a, b in unread]
        doc.set_ents(entities, missing=missing, default="outside")
        doc.spans[self.name] = entities
        doc.user_data["annotation"] = {k: v for k, v in counts.items() if v}
        return doc

    def _can_read(self, text: str, answer: Any) -> bool:
        try:
            self._read(text, answer, Counter())
        except Unreadable:
            return False
        return True

    def _read(self, text: str, answer: Any, counts: Counter[str]) -> list[Span]:
        copied = spans_of_copy(str(answer), text, self.asked)
        if copied is not None:
            counts["mentions: exact"] += len(copied)
            return [s for s in copied if s.label in self.task.labels]
        reason = getattr(answer, "finish_reason", None)
        if reason not in (None, "stop") and not (reason == "length" and self.form.shows_its_end):
            raise Unreadable(reason)
        mentions = self.form.read(str(answer), self.asked)
        aligned = align(text, mentions, occurrences=self.occurrences)
        for (_, label), entry in zip(mentions, aligned.ledger, strict=True):
            if label in self.task.labels:
                counts[f"mentions: {entry.status}"] += 1
        return [s for s in aligned.spans if s.label in self.task.labels]


@registry.llm_tasks("clinical.Spans.v1")
def make_span_task(
    task: str,
    template: str,
    form: str = "json",
    window: int = 200,
    examples: str | None = None,
    n_examples: int = 3,
    occurrences: str = "listed",
    name: str = "llm",
) -> SpanTask:
    """A span task from files: TASK (YAML), TEMPLATE (Jinja), EXAMPLES (JSONL of labelled notes, for few-shot prompts).

    Of these the first passages of the first N_EXAMPLES labelled notes go into each prompt; to another host only if they
    are released or public. FORM is the answer's form (json, lists, tags), WINDOW the longest passage in words,
    OCCURRENCES whether the model lists every occurrence ("listed") or each distinct mention once ("all").
    """
    if form not in FORMS:
        raise UserError(f"answer form {form} is unknown", f"There are: {', '.join(FORMS)}")
    if not Path(template).is_file():
        raise UserError(f"{template} does not exist", "Name a template of configs/prompts")
    scheme = read_task(Path(task))

    def shots() -> Iterable[Note]:
        labelled = (note for note in scheme.restrict(read_notes(Path(examples))) if note.spans) if examples else ()
        return (cut_note(note, window)[0] for note in islice(labelled, n_examples))

    kind = sensitivity_of(Path(examples)) if examples else None
    return SpanTask(scheme, Path(template).read_text("utf8"), form, window, shots, occurrences, name, kind)


Teach = Callable[["Language", Sequence[Note], Sequence[Note], Path, int, int], dict[str, Any]]


@spacy.registry.misc("clinical.teach_tagger.v1")
def make_teach_tagger(base: str, lora: dict[str, Any], schedule: dict[str, Any]) -> Teach:
    """Teaching for `clinical.LocalTagger.v1`: a LoRA adapter of BASE for the prompts of the pipeline's own `llm`."""
    from scripts.llm.tagger import label_tokens, make_example

    def example(prompt: Prompt, spans: list[Span], task: SpanTask, tokenizer: Any) -> Example:
        return make_example(prompt, spans, tokenizer)

    return _teach_adapter(base, lora, schedule, example, lambda task, tokenizer: label_tokens(tokenizer, task.labels))


@spacy.registry.misc("clinical.teach_answers.v1")
def make_teach_answers(base: str, lora: dict[str, Any], schedule: dict[str, Any]) -> Teach:
    """Teaching for `clinical.Local.v1` with chat = false: a LoRA adapter of BASE that writes the answers in full."""

    def example(prompt: Prompt, spans: list[Span], task: SpanTask, tokenizer: Any) -> Example:
        asked = tokenizer(str(prompt), add_special_tokens=False).input_ids
        answer = tokenizer(task.form.write(prompt.text, spans, task.labels), add_special_tokens=False).input_ids
        return Example.language([*asked, *answer, tokenizer.eos_token_id], skip=len(asked))

    return _teach_adapter(base, lora, schedule, example, lambda task, tokenizer: ())


def _teach_adapter(
    base: str,
    lora: dict[str, Any],
    schedule: dict[str, Any],
    example: Callable[[Prompt, list[Span], SpanTask, Any], Example],
    choices: Callable[[SpanTask, Any], Sequence[int]],
) -> Teach:
    def teach(
        nlp: "Language", labelled: Sequence[Note], holdout: Sequence[Note], out: Path, seed: int, gpu_id: int
    ) -> dict[str, Any]:
        task: SpanTask = nlp.get_pipe("llm").task
        model, tokenizer = load_causal_lm(base)

        def examples(notes: Sequence[Note]) -> list[Example]:
            return [
                example(prompt, _inside(note.spans or (), start, prompt), task, tokenizer)
                for note in notes
                for start, prompt in task.passages(nlp.make_doc(note.text))
            ]

        model = add_lora(model, Lora(**lora), seed).to(device_of(gpu_id))
        report = finetune(
            model,
            examples(labelled),
            examples(holdout),
            Schedule(**schedule),
            out / "work",
            seed,
            choices=choices(task, tokenizer),
        )
        model.save_pretrained(out)
        return report

    return teach


def _inside(spans: Iterable[Span], start: int, prompt: Prompt) -> list[Span]:
    end = start + len(prompt.text)
    return [
        Span(max(s.start, start) - start, min(s.end, end) - start, s.label)
        for s in spans
        if s.start < end and s.end > start
    ]
