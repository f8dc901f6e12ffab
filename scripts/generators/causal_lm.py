"""Notes written by a causal language model: a pretrained one with LoRA, or one trained from scratch."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.generators.control import (
    PART,
    Request,
    control_requests,
    opening_requests,
    passages_of,
    prefix_of,
)
from scripts.generators.filters import Filter, Limits
from scripts.generators.guarantee import check_guarantee, outside_guarantee, public_lists
from scripts.generators.pretraining import Pretraining, pretrain, read_public
from scripts.generators.slots import FORMS, Slots, rare_mentions, read_lists, slot_of
from scripts.generators.stages import Stages
from scripts.generators.tags import TAGGED, read_tags, tag_canaries, tag_end, write_tags
from scripts.generators.wanted import Shares, weights_of
from scripts.generators.workers import Drawer, Workers, draw_ahead
from scripts.generators.written import Intake, Written
from scripts.llm.dp import Privacy, finetune_privately
from scripts.llm.finetune import Example, Lora, Schedule, add_lora, finetune
from scripts.llm.local import LocalModel, Sampling, device_of, load_causal_lm
from scripts.llm.tokens import ExampleFile, token_ids
from scripts.notes.canaries import Spotter, end_of, is_canary
from scripts.notes.errors import UserError
from scripts.notes.lazy import Joined, Mapped
from scripts.notes.note import Note

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST_ASKED = 64  # notes in a batch: with more, a process would write the last ones while the others have nothing to do
Report = Callable[[int], None]


@dataclass(frozen=True)
class Writing(Limits):
    """How notes are asked for and drawn, and the limits past which a text is rejected.

    PROMPT "control" starts from a prefix of the meta KEYS, "opening" from the first N_WORDS words of a private note:
    what these hold of a patient is among the identifiers that the gate looks for; what a holdout note holds is not.
    A text that reaches MAX_NEW_TOKENS is rejected or, with CUT, ends at its last whole line.
    BATCH_SIZE notes, MOST_ASKED at most, are a batch; the model continues BATCH_SIZE texts of it at a time (notes, or
    passages of them). It is drawn with the seed and its number, so that an interrupted run goes on with the same notes.
    N_WORKERS processes draw batches beside each other, each with a model of its own, on its own GPU or its share of the
    threads. Batches are the same for any number of them; floating point promises the same notes for the same number.
    Requests are distributed as in the notes, or as WANTED and RARE_LABELS say (`weights_of`).
    """

    prompt: str = "control"
    n_words: int = 3
    wanted: Shares = field(default_factory=dict)
    rare_labels: float = 0.0
    temperature: float = 0.9
    top_p: float = 0.95
    top_k: int = 500
    max_new_tokens: int = 400
    cut: bool = False
    batch_size: int = 50
    n_workers: int = 1
    max_attempts: float = 5.0  # drawn texts per note wanted, before giving up


@dataclass(frozen=True)
class CausalLM:
    """A generator whose adapted model lives in one folder. BASE None: from scratch, with a tokenizer of its own.

    It sees the private notes as STAGES make them, and before them the public texts of PRETRAINING. With SLOTS (labels)
    it sees and writes slots in the place of mentions, which are then filled with mentions that SLOT_PATIENTS patients
    or more have or stages have made, and those of LISTS (a YAML file). With TAGS (labels) it sees and writes mentions
    in tags, which become spans; a text whose tags are at fault is rejected. It learns from unlabelled notes too, under
    another prefix than labelled ones. FINISH are stages for the notes that it has written. With PASSAGE it learns and
    writes passages of so many words, each with its own prefix: small models lose the thread.

    With PRIVACY its weights are differentially private, by patient: nothing of it but these weights is learned on
    private notes, neither a tokenizer nor a size nor what slots are filled with.
    """

    base: str | None
    keys: tuple[str, ...]
    schedule: Schedule
    writing: Writing
    max_tokens: int = 512
    lora: Lora | None = None
    shape: dict[str, int] = field(default_factory=dict)
    four_bit: bool = False
    stages: Stages = field(default_factory=Stages)
    finish: Stages = field(default_factory=Stages)
    pretraining: Pretraining | None = None
    slots: tuple[str, ...] = ()
    slot_patients: int = 1
    lists: Path | None = None
    passage: int | None = None
    tags: tuple[str, ...] = ()
    privacy: Privacy | None = None

    def __post_init__(self):
        if self.privacy:
            check_guarantee(self)

    def adapt(
        self, notes: Sequence[Note], holdout: Sequence[Note], out: Path, seed: int, gpu_id: int
    ) -> dict[str, Any]:
        """Train on NOTES, stop early on HOLDOUT, and write the model (or the adapter) into OUT.

        Returns the losses, the size, how many notes each stage has left, and what privacy was spent. With PRETRAINING
        the public texts come first, with checkpoints of their own. What is made of the notes and their tokens, large or
        not, lies in OUT/work beside the checkpoints: no more is in memory than places and counts.
        """
        self._check_slots(notes)
        work = out / "work"
        steps = self._steps(notes, seed, work / "stages")
        shown = self._tagged(steps[-1][1] if steps else notes)
        public = read_public(Path(self.pretraining.texts)) if self.pretraining else ()
        # What is shown may be many copies of a note, and a canary's copies are there for the control alone.
        different = chain(public, (note for note in notes if not is_canary(note)))
        seen, different = (public, public) if self.privacy else (Joined(public, shown), different)
        model, tokenizer = self._untrained(seen, different, self._slots(shown, notes), gpu_id, seed)
        dev = ExampleFile.written(work / "holdout.tokens", self._examples(holdout, shown, tokenizer))
        report: dict[str, Any] = {"n_weights": sum(weight.numel() for weight in model.parameters())}
        report |= {"stages": [[name, len(made)] for name, made in steps]} if steps else {}
        if self.pretraining:
            examples = ExampleFile.written(work / "public.tokens", self._examples(public, shown, tokenizer))
            schedule = self.pretraining.schedule
            report["pretraining"] = pretrain(model, examples, dev, schedule, work / "pretraining", seed)
        if self.privacy:
            patients = self._by_patient(shown, tokenizer)
            report |= finetune_privately(model, patients, dev, self.schedule, self.privacy, work / "private", seed)
            report["privacy"]["outside"] = outside_guarantee(self, notes)
        else:
            examples = ExampleFile.written(work / "notes.tokens", self._examples(shown, shown, tokenizer))
            report |= finetune(model, examples, dev, self.schedule, work / "checkpoints", seed)
        model.save_pretrained(out / "model")
        tokenizer.save_pretrained(out / "model")
        return report

    def write(
        self,
        out: Path,
        notes: Sequence[Note],
        n_notes: int,
        seed: int,
        gpu_id: int,
        work: Path,
        on_progress: Report,
        canaries: Sequence[Note] = (),
    ) -> Written:
        """N_NOTES synthetic notes by the model in OUT, none of which emits one of CANARIES.

        Canaries are looked for in every text that is drawn, before anything else rejects it. WORK keeps finished
        batches, so that the same call after an interruption draws none of them again.
        """
        if not (out / "model").is_dir():
            raise UserError(f"no adapted generator in {out}", "Run the `adapt` step first")
        shown = self._shown(notes, seed, work / "stages")
        requests, slots, rng = self._requests(shown, seed), self._slots(shown, notes), random.Random(seed)
        spotter = self._spotter(canaries, slots)
        texts = Mapped(lambda note: slots.empty(note) if slots else note.text, notes)
        intake = Intake(spotter, Filter(self.writing, texts, seed))

        most = min(self.writing.batch_size, MOST_ASKED)

        def size_after(n_coming: int) -> int:
            # A little more than what is missing: one more batch costs as many steps as a full one.
            return min(most, 8 + int(1.2 * (n_notes - len(intake.notes) - n_coming)))

        sizes = (size_after, most, 100 + n_notes * self.writing.max_attempts)
        with self._workers(out, gpu_id) as workers:
            for batch, drawn in draw_ahead(workers, requests, work, seed, *sizes):
                for request, (text, finish_reason) in zip(batch, drawn, strict=True):
                    text = (request.opening + text).lstrip()  # what a note ends with, it has learned
                    text, spans, fault = read_tags(text, self.tags) if self.tags else (text, None, None)
                    if not intake.is_fit(text, finish_reason, fault, request.meta):
                        continue
                    intake.faults["cut"] += finish_reason == "cut"
                    text, spans = slots.fill(text, rng) if slots else (text, spans)
                    intake.keep(text, spans, request.meta)
                    if len(intake.notes) == n_notes:
                        return self._finished(intake.written(), seed)
                on_progress(len(intake.notes))
        raise UserError(
            f"only {len(intake.notes)} of {n_notes} notes were fit ({dict(intake.faults)})",
            "Adapt for longer, or raise max_new_tokens, max_attempts or a limit in the generator's config",
        )

    def _finished(self, written: Written, seed: int) -> Written:
        notes = list(self.finish(written.notes, seed))
        if len(notes) != len(written.notes):
            raise UserError(
                f"[generator.finish] makes {len(notes)} of {len(written.notes)} notes", "Set copies = 1, and drop none"
            )
        return replace(written, notes=notes)

    def _check_slots(self, notes: Sequence[Note]) -> None:
        """A UserError if slots would hand on mentions that people marked in NOTES as identifying."""
        marked = {span.label for note in notes for span in note.identifiers} & set(self.slots)
        if left := marked - self.stages.replaces:
            raise UserError(
                f"[generator] slots would be filled with the {', '.join(sorted(left))} of patients",
                "Have clinical.surrogates.v1 under [generator.stages] replace these labels, or take them out of slots",
            )

    def _shown(self, notes: Sequence[Note], seed: int, folder: Path | None = None) -> Sequence[Note]:
        steps = self._steps(notes, seed, folder)
        return self._tagged(steps[-1][1] if steps else notes)

    def _steps(self, notes: Sequence[Note], seed: int, folder: Path | None) -> list[tuple[str, Sequence[Note]]]:
        return self.stages.apart(notes, seed) if self.privacy else list(self.stages.steps(notes, seed, folder))

    def _tagged(self, notes: Sequence[Note]) -> Sequence[Note]:
        # With privacy a canary, which is a patient too, is not labelled by other patients' mentions.
        return tag_canaries(notes, self.tags, [] if self.privacy else notes) if self.tags else notes

    def _untrained(
        self, notes: Sequence[Note], different: Iterable[Note], slots: Slots | None, gpu_id: int, seed: int
    ) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
        """The model before NOTES; a new one learns its tokenizer on them, and is as large as DIFFERENT ones allow."""
        if self.base is None:
            from scripts.generators.scratch import new_model, new_tokenizer, size_for

            texts = Mapped(lambda note: "".join(self._as_seen(note, slots)), notes)
            slot_marks = [slot_of(label, form) for label in self.slots for form in FORMS]
            marks = [*slot_marks, *map(tag_end, self.tags)]
            tokenizer = new_tokenizer(texts, self.shape["vocab_size"], marks)
            shape = self.shape
            if "n_layers" not in shape:
                shape = size_for(sum(map(len, token_ids((note.text for note in different), tokenizer)))) | shape
            return new_model(tokenizer, shape, self.max_tokens, seed).to(device_of(gpu_id)), tokenizer
        model, tokenizer = load_causal_lm(self.base, self.four_bit)
        if not self.four_bit:
            model.to(device_of(gpu_id))
        return (add_lora(model, self.lora, seed) if self.lora else model), tokenizer

    def _adapted(self, out: Path, gpu_id: int) -> LocalModel:
        folder = str(out / "model")
        return LocalModel(self.base, folder, gpu_id) if self.base and self.lora else LocalModel(folder, None, gpu_id)

    def _examples(
        self, notes: Iterable[Note], private: Iterable[Note], tokenizer: "PreTrainedTokenizerBase"
    ) -> Iterator[Example]:
        """One example a note or passage, the control prefix given and the end learned; long ones in several windows."""
        yield from self._windows(notes, self._slots(private), tokenizer)

    def _by_patient(self, notes: Sequence[Note], tokenizer: "PreTrainedTokenizerBase") -> list[list[Example]]:
        """The examples of each patient of NOTES."""
        slots, patients = self._slots(notes), defaultdict(list)
        for note in notes:
            patients[note.patient] += self._windows([note], slots, tokenizer)
        return list(patients.values())

    def _windows(
        self, notes: Iterable[Note], slots: Slots | None, tokenizer: "PreTrainedTokenizerBase"
    ) -> Iterator[Example]:
        passages = (passage for whole in notes for passage in passages_of(whole, self.passage))
        seen = token_ids((part for note in passages for part in self._as_seen(note, slots)), tokenizer)
        for prefix, text in zip(seen, seen, strict=True):
            # A note without a prefix begins where another has ended, as `LocalModel.complete` begins an empty prompt.
            prefix = prefix or [tokenizer.eos_token_id]
            ids = [*prefix, *text, tokenizer.eos_token_id]
            for start in range(0, len(ids), self.max_tokens):
                yield Example.language(ids[start : start + self.max_tokens], len(prefix) if start == 0 else 0)

    def _as_seen(self, note: Note, slots: Slots | None) -> tuple[str, str]:
        """The prefix that stands before NOTE, and its text, as the model sees them."""
        if not self.tags:
            return prefix_of(note.meta, (*self.keys, PART)), slots.empty(note) if slots else note.text
        meta = {**note.meta, TAGGED: "no" if note.spans is None else "yes"}
        return prefix_of(meta, (*self.keys, TAGGED, PART)), write_tags(note, self.tags)

    def _requests(self, notes: Sequence[Note], seed: int) -> Iterator[Request]:
        weights = weights_of(notes, self.writing.wanted, self.writing.rare_labels)
        if self.writing.prompt == "opening":
            return opening_requests(notes, self.writing.n_words, seed, weights)
        if self.tags:
            labelled = Mapped(lambda note: replace(note, meta={**note.meta, TAGGED: "yes"}), notes)
            return control_requests(labelled, (*self.keys, TAGGED), seed, self.passage, weights)
        return control_requests(notes, self.keys, seed, self.passage, weights)

    def _slots(self, shown: Iterable[Note], private: Iterable[Note] = ()) -> Slots | None:
        """The slots of the notes SHOWN; they are filled with no mention that too few patients of PRIVATE have."""
        if not self.slots:
            return None
        if self.privacy:
            return Slots([], self.slots, public_lists(self.lists, self.slots))
        lists = read_lists(self.lists, self.slots) if self.lists else None
        return Slots(shown, self.slots, lists, rare_mentions(private, self.slots, self.slot_patients))

    def _spotter(self, canaries: Sequence[Note], slots: Slots | None) -> Spotter:
        """A spotter of the ends of CANARIES as the model was shown them."""
        ends = {canary.id: end_of(canary) for canary in canaries}
        return Spotter({id: slots.empty(Note(id, end)) if slots else end for id, end in ends.items()})

    def _workers(self, out: Path, gpu_id: int) -> Workers:
        alone = replace(self, stages=Stages())  # requests are all that a worker needs to know of the notes
        return Workers(self.writing.n_workers, Drawer(partial(alone._adapted, out), alone._draw, gpu_id))

    def _draw(self, model: LocalModel, batch: Sequence[Request], seed: int) -> list[tuple[str, str]]:
        """The text and the finish_reason of each request of BATCH, its passages one below the other."""
        w = self.writing
        sampling = Sampling(w.temperature, w.top_p, w.top_k, w.max_new_tokens)
        done = model.complete([p for r in batch for p in r.prompts], sampling, batch_size=w.batch_size, seed=seed)
        texts = []
        for request in batch:
            parts = list(islice(done, len(request.prompts)))
            text = "\n".join(_cut(p.text) if w.cut and p.finish_reason == "length" else p.text for p in parts)
            is_whole = all(part.finish_reason == "stop" for part in parts)
            texts.append((text, "stop" if is_whole else "cut" if w.cut else "length"))
        return texts


def _cut(text: str) -> str:
    """TEXT up to its last whole line or sentence."""
    ends = [match.end() for match in re.finditer(r"\n|[.!?](?=\s)", text)]
    return text[: ends[-1]].rstrip() if ends else text
