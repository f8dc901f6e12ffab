"""Notes by an instruction-following model behind a server: nothing is adapted, its prompts say everything."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count, islice, repeat, tee
from operator import attrgetter
from pathlib import Path
from typing import Any

import jinja2
import spacy

from scripts.generators.control import control_requests, with_shared_values
from scripts.generators.examples import in_turn, sensitivity_of_examples
from scripts.generators.filters import Filter, Limits
from scripts.generators.tags import Tagged, read_tags, write_tags
from scripts.generators.wanted import Shares, weights_of
from scripts.generators.written import Intake, Written
from scripts.llm.cost import Budget, money
from scripts.llm.egress import MAY_LEAVE, check_destination, sending
from scripts.llm.endpoint import Endpoint
from scripts.llm.prompt import WHY_UNREAD, Prompt, nonce
from scripts.notes.canaries import Spotter, end_of
from scripts.notes.errors import UserError
from scripts.notes.files import Sensitivity, manifest_path, read_manifest
from scripts.notes.jsonl import NotesFile
from scripts.notes.lazy import Joined, Mapped, Picked
from scripts.notes.note import Note
from scripts.notes.task import Task, read_task

PER_SEED = 10**6  # requests, before a seed would ask again what the next one asks


@dataclass(frozen=True)
class Asking(Limits):
    """How long to ask, and what a text must have: MAX_ATTEMPTS answers per note wanted end a run.

    BUDGET is the most US dollars that a run may spend; None: no limit. Requests are distributed as in the notes, or as
    WANTED says (`weights_of`).
    """

    wanted: Shares = field(default_factory=dict)
    max_attempts: float = 5.0
    budget: float | None = None


@dataclass(frozen=True)
class Question:
    """A PROMPT, the word that delimits the note in its answer, and what the synthetic note's meta will say of it."""

    prompt: Prompt
    mark: str
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class EndpointWriter:
    """A generator that asks MODEL for each note with TEMPLATE (Jinja), in LANGUAGE; it has no weights of its own.

    A prompt tells the control values (KEYS) that the note is to have, as far as enough private patients share them, and
    shows N_EXAMPLES notes of EXAMPLES (JSONL). Their manifest says whether these may go to another host; of a file
    without a manifest IS_PUBLIC does. With TASK, mentions are asked for in tags, and become the notes' spans.
    Every answer is in the model's journal: the same call after an interruption asks for none of them again.
    """

    model: Endpoint
    template: str
    language: str
    keys: tuple[str, ...]
    writing: Asking
    task: Task | None
    examples: Path | None
    n_examples: int
    is_public: bool

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.task.labels) if self.task else ()

    def adapt(
        self, notes: Sequence[Note], holdout: Sequence[Note], out: Path, seed: int, gpu_id: int
    ) -> dict[str, Any]:
        """Adapt nothing; returns what there is to know of it: whether private notes will stand in the prompts."""
        sensitivity = self._check_examples()
        is_shown = sensitivity is not None and sensitivity not in MAY_LEAVE
        return {"n_notes": 0, "n_canaries": 0, "adapted": False, "sees_private_notes": is_shown}

    def write(
        self,
        out: Path,
        notes: Sequence[Note],
        n_notes: int,
        seed: int,
        gpu_id: int,
        work: Path,
        on_progress: Callable[[int], None],
        canaries: Sequence[Note] = (),
    ) -> Written:
        """N_NOTES synthetic notes, none of which emits one of CANARIES; OUT holds the manifest that `adapt` wrote.

        Where the prompts show private notes, they show the canaries among them, as often as they were to be planted.
        Canaries are looked for in every answer, before anything else rejects it.
        """
        if not manifest_path(out).is_file():
            raise UserError(f"no manifest of a generator in {out}", "Run the `adapt` step first")
        plants = list(canaries) * read_manifest(out)["config"].get("copies", 1)
        questions = self._questions(notes, plants, seed)
        spotter = Spotter({canary.id: end_of(canary) for canary in canaries})
        intake = Intake(spotter, Filter(self.writing, Mapped(attrgetter("text"), notes), seed))
        n_asked = 0
        # What a prompt holds beside its examples may go anywhere; the examples bring their own sensitivity.
        with closing(self.model), sending("public"):
            while len(intake.notes) < n_notes:
                n_missing = n_notes - len(intake.notes)
                n_asked += n_missing
                if n_asked > n_notes * self.writing.max_attempts:
                    raise UserError(
                        f"only {len(intake.notes)} of {n_notes} notes were fit ({dict(intake.faults)})",
                        "Mend the prompt, choose another model, or raise max_tokens or max_attempts",
                    )
                asked, given = tee(islice(questions, n_missing))
                answers = self.model([question.prompt] for question in asked)
                for question, (answer,) in zip(given, answers, strict=True):
                    text, spans, fault = self._read(question, answer)
                    if intake.is_fit(text, "stop", fault, question.meta):
                        intake.keep(text, spans if self.task else None, question.meta)
                        on_progress(len(intake.notes))
        return intake.written(self._usage())

    def _questions(self, notes: Sequence[Note], plants: Sequence[Note], seed: int) -> Iterator[Question]:
        """Endless questions; the same for the same seed, and no two of them have an answer in common."""
        sensitivity = self._check_examples()
        pool = self._pool(() if sensitivity in (None, *MAY_LEAVE) else plants)
        shown = in_turn(pool, self.n_examples, seed) if self.examples else repeat(())
        shared = with_shared_values(notes, self.keys)
        weights = weights_of(shared, self.writing.wanted)
        requests = control_requests(shared, self.keys, seed, weights=weights)
        for number, request, examples in zip(count(seed * PER_SEED), requests, shown, strict=False):
            mark = nonce(*(example.text for example in examples))
            rendered = self._template.render(
                language=self.language,
                attributes=dict(request.meta),
                labels=dict(self.task.labels) if self.task else {},
                examples=[write_tags(note, self.labels) if self.task else note.text for note in examples],
                nonce=mark,
            )
            prompt = Prompt(
                rendered,
                text=rendered,
                words=(),
                labels=self.labels,
                sample=number,
                is_readable=partial(_holds_note, mark),
                sensitivity=sensitivity,
            )
            yield Question(prompt, mark, request.meta)

    @cached_property
    def _template(self) -> jinja2.Template:
        return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(self.template)

    def _pool(self, plants: Sequence[Note]) -> Sequence[Note]:
        """The notes that prompts can show, PLANTS among them; with TASK labelled ones: others would teach no tags."""
        if self.examples is None:
            return ()
        pool: Sequence[Note] = NotesFile(self.examples)
        if self.task:
            pool = Picked(pool, [i for i, note in enumerate(pool) if note.spans is not None])
        pool = Joined(pool, plants)
        if len(pool) < self.n_examples:
            kind = "labelled notes" if self.task else "notes"
            raise UserError(
                f"{self.examples} holds {len(pool)} {kind}, and a prompt is to show {self.n_examples}",
                "Add some, or lower n_examples",
            )
        return pool

    def _check_examples(self) -> Sensitivity | None:
        """The sensitivity of the examples, None without any; a UserError if they must not go to the model's host."""
        if self.examples is None:
            return None
        sensitivity = sensitivity_of_examples(self.examples, self.is_public)
        check_destination(self.model.base_url, sensitivity, self.model.allowed)
        return sensitivity

    def _read(self, question: Question, answer: Any) -> Tagged:
        """The note in ANSWER, its spans, and what is wrong with it; of an answer without a note, all of it."""
        text = note_in(answer, question.mark)
        if text is None:
            reason = answer.finish_reason
            return Tagged(str(answer), (), WHY_UNREAD.get(reason, reason))
        return read_tags(text, self.labels) if self.task else Tagged(text, (), None)

    def _usage(self) -> dict[str, Any]:
        usage = self.model.usage
        return usage.counts() | {"dollars": money(self.model.price, usage.tokens)}


def note_in(answer: str, mark: str) -> str | None:
    """The note that ANSWER holds between the delimiters with MARK; None if it holds none."""
    found = re.search(rf"<note {mark}>(.*?)</note {mark}>", answer, re.DOTALL)
    # JSON can carry half a character, and UTF-8 cannot.
    return found[1].encode("utf8", "ignore").decode("utf8").strip() if found else None


def _holds_note(mark: str, answer: str) -> bool:
    return note_in(answer, mark) is not None


@spacy.registry.misc("clinical.EndpointWriter.v1")
def make_endpoint_writer(
    model: Any,
    template: str,
    language: str = "English",
    control: list[str] | None = None,
    writing: dict[str, Any] | None = None,
    task: str | None = None,
    examples: str | None = None,
    n_examples: int = 3,
    is_public: bool = False,
) -> EndpointWriter:
    """A writer that asks MODEL, one of `clinical.OpenAI.v1`, with TEMPLATE (configs/prompts: write or paraphrase).

    CONTROL are keys of the notes' meta, the most important first. TASK (YAML) asks for its labels along with the notes.
    IS_PUBLIC declares EXAMPLES (JSONL) public where no manifest says what they are.
    """
    if not isinstance(model, Endpoint):
        raise UserError("[generator.model] is not behind a server", 'Use @llm_models = "clinical.OpenAI.v1"')
    if "seed" in model.parameters:
        raise UserError("[generator.model] has a seed: each prompt would get one answer only", "Leave it out")
    if not Path(template).is_file():
        raise UserError(f"{template} does not exist", "Name a template of configs/prompts")
    if examples and n_examples < 1:
        raise UserError(f"[generator] has examples, and n_examples = {n_examples}", "Show one at least")
    try:
        asking = Asking(**(writing or {}))
    except TypeError as e:
        raise UserError(f"[generator.writing]: {e}", f"Known keys: {', '.join(Asking.__dataclass_fields__)}") from None
    if asking.budget is not None:
        if model.price is None or not model.rule.most_answered:
            raise UserError("a budget, but no price or no max_tokens in [generator.model]", "Add what is missing")
        model.budget = Budget(asking.budget)
    return EndpointWriter(
        model,
        Path(template).read_text("utf8"),
        language,
        tuple(control or ()),
        asking,
        read_task(Path(task)) if task else None,
        Path(examples) if examples else None,
        n_examples,
        is_public,
    )
