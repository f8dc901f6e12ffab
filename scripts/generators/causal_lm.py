"""Notes written by a causal language model: a pretrained one with LoRA, or one trained from scratch."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import spacy

from scripts.generators.control import (
    PART,
    Request,
    control_requests,
    opening_requests,
    passages_of,
    prefix_of,
)
from scripts.generators.filters import Filter, Limits
from scripts.generators.slots import Slots, read_lists
from scripts.generators.surrogates import Surrogates
from scripts.llm.finetune import Example, Lora, Schedule, add_lora, finetune
from scripts.llm.local import LocalModel, Sampling, device_of, load_causal_lm
from scripts.notes.canaries import Spotter, end_of
from scripts.notes.errors import UserError
from scripts.notes.files import write_json
from scripts.notes.note import Note

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Report = Callable[[int], None]


@dataclass(frozen=True)
class Writing(Limits):
    """How notes are asked for and drawn, and the limits past which a text is rejected.

    PROMPT "control" starts from a prefix of the meta KEYS, "opening" from the first N_WORDS words of a private note:
    what these hold of a patient is among the identifiers that the gate looks for; what a holdout note holds is not.
    A text that reaches MAX_NEW_TOKENS is rejected or, with CUT, ends at its last whole line.
    A batch is drawn with the seed and its number, so that an interrupted run goes on with the same notes.
    """

    prompt: str = "control"
    n_words: int = 3
    temperature: float = 0.9
    top_p: float = 0.95
    top_k: int = 500
    max_new_tokens: int = 400
    cut: bool = False
    batch_size: int = 50
    max_attempts: float = 5.0  # drawn texts per note wanted, before giving up


@dataclass(frozen=True)
class Written:
    """Synthetic NOTES, how many texts had each fault (rejected, or "cut" and kept), and the canaries EMITTED (ids).

    ASKED holds the control values of every text that was drawn and looked at, fit or not.
    """

    notes: list[Note]
    faults: Counter[str]
    emitted: set[str]
    asked: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class CausalLM:
    """A generator whose adapted model lives in one folder. BASE None: from scratch, with a tokenizer of its own.

    With SURROGATES it sees the private notes with other identifiers than theirs. With SLOTS (labels) it sees and writes
    slots in the place of mentions, which are then filled with mentions of many notes and of LISTS (a YAML file).
    With PASSAGE it learns and writes passages of so many words, each with its own prefix: small models lose the thread.
    """

    base: str | None
    keys: tuple[str, ...]
    schedule: Schedule
    writing: Writing
    max_tokens: int = 512
    lora: Lora | None = None
    shape: dict[str, int] = field(default_factory=dict)
    four_bit: bool = False
    surrogates: Surrogates | None = None
    slots: tuple[str, ...] = ()
    lists: Path | None = None
    passage: int | None = None

    def adapt(
        self, notes: Sequence[Note], holdout: Sequence[Note], out: Path, seed: int, gpu_id: int
    ) -> dict[str, Any]:
        """Train on NOTES, stop early on HOLDOUT, and write the model (or the adapter) into OUT; returns the losses."""
        notes = self._shown(notes, seed)
        model, tokenizer = self._untrained(notes, gpu_id, seed)
        report = finetune(
            model,
            list(self._examples(notes, notes, tokenizer)),
            list(self._examples(holdout, notes, tokenizer)),
            self.schedule,
            out / "work" / "checkpoints",
            seed,
        )
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
        model: LocalModel | None = None
        kept: list[Note] = []
        faults: Counter[str] = Counter()
        asked: list[Mapping[str, Any]] = []
        emitted: set[str] = set()
        shown = self._shown(notes, seed)
        requests, slots, rng = self._requests(shown, seed), self._slots(shown), random.Random(seed)
        spotter = self._spotter(canaries, slots)
        fit = Filter(self.writing, [slots.empty(n) if slots else n.text for n in notes], seed)
        n_drawn = 0
        for number in count():
            # A little more than what is missing: one more batch costs as many steps as a full one.
            size = min(self.writing.batch_size, 8 + int(1.2 * (n_notes - len(kept))))
            n_drawn += size
            if n_drawn > 100 + n_notes * self.writing.max_attempts:
                break
            batch = list(islice(requests, size))
            path = work / f"batch-{number:05}.json"
            if not path.is_file():
                model = model or self._adapted(out, gpu_id)
                write_json(path, self._draw(model, batch, seed * 100_003 + number))
            for request, (text, finish_reason) in zip(batch, json.loads(path.read_text("utf8")), strict=True):
                text = (request.opening + text).strip()
                found = spotter.find(text)
                emitted |= found
                asked.append(request.meta)
                reason = "canary" if found else fit.reason(text, finish_reason)
                if reason:
                    faults[reason] += 1
                    continue
                faults["cut"] += finish_reason == "cut"
                text, spans = slots.fill(text, rng) if slots else (text, None)
                kept.append(Note(f"s{len(kept) + 1:05}", text, spans, dict(request.meta)))
                if len(kept) == n_notes:
                    return Written(kept, +faults, emitted, asked)
            on_progress(len(kept))
        raise UserError(
            f"only {len(kept)} of {n_notes} notes were fit ({dict(faults)})",
            "Adapt for longer, or raise max_new_tokens, max_attempts or a limit in the generator's config",
        )

    def _shown(self, notes: Sequence[Note], seed: int) -> list[Note]:
        return list(self.surrogates(notes, seed) if self.surrogates else notes)

    def _untrained(
        self, notes: Sequence[Note], gpu_id: int, seed: int
    ) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
        if self.base is None:
            from scripts.generators.scratch import new_model, new_tokenizer

            tokenizer = new_tokenizer([prefix_of(n.meta, self.keys) + n.text for n in notes], self.shape["vocab_size"])
            return new_model(tokenizer, self.shape, self.max_tokens, seed).to(device_of(gpu_id)), tokenizer
        model, tokenizer = load_causal_lm(self.base, self.four_bit)
        if not self.four_bit:
            model.to(device_of(gpu_id))
        return (add_lora(model, self.lora, seed) if self.lora else model), tokenizer

    def _adapted(self, out: Path, gpu_id: int) -> LocalModel:
        folder = str(out / "model")
        return LocalModel(self.base, folder, gpu_id) if self.base and self.lora else LocalModel(folder, None, gpu_id)

    def _examples(
        self, notes: Sequence[Note], private: Sequence[Note], tokenizer: "PreTrainedTokenizerBase"
    ) -> Iterator[Example]:
        """One example a note or passage, the control prefix given and the end learned; long ones in several windows."""
        slots = self._slots(private)
        for note in [passage for whole in notes for passage in passages_of(whole, self.passage)]:
            # A note without a prefix begins where another has ended, as `LocalModel.complete` begins an empty prompt.
            asked = prefix_of(note.meta, (*self.keys, PART))
            prefix = tokenizer(asked, add_special_tokens=False).input_ids or [tokenizer.eos_token_id]
            text = slots.empty(note) if slots else note.text
            ids = prefix + tokenizer(text, add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
            for start in range(0, len(ids), self.max_tokens):
                yield Example.language(ids[start : start + self.max_tokens], len(prefix) if start == 0 else 0)

    def _requests(self, notes: Sequence[Note], seed: int) -> Iterator[Request]:
        if self.writing.prompt == "opening":
            return opening_requests(notes, self.writing.n_words, seed)
        return control_requests(notes, self.keys, seed, self.passage)

    def _slots(self, notes: Sequence[Note]) -> Slots | None:
        if not self.slots:
            return None
        return Slots(notes, self.slots, read_lists(self.lists, self.slots) if self.lists else None)

    def _spotter(self, canaries: Sequence[Note], slots: Slots | None) -> Spotter:
        """A spotter of the ends of CANARIES as the model was shown them."""
        ends = {canary.id: end_of(canary) for canary in canaries}
        return Spotter({id: slots.empty(Note(id, end)) if slots else end for id, end in ends.items()})

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


def _given(block: dict[str, Any] | None, kind: type, where: str) -> Any:
    try:
        return kind(**(block or {}))
    except TypeError as e:
        raise UserError(f"[generator.{where}]: {e}", f"Known keys: {', '.join(kind.__dataclass_fields__)}") from None


@spacy.registry.misc("clinical.PretrainedLM.v1")
def make_pretrained(
    base: str,
    control: list[str],
    schedule: dict[str, Any],
    writing: dict[str, Any],
    lora: dict[str, Any] | None = None,
    max_tokens: int = 512,
    four_bit: bool = False,
    surrogates: Surrogates | None = None,
    slots: list[str] | None = None,
    lists: str | None = None,
    passage: int | None = None,
) -> CausalLM:
    """A pretrained causal LM (BASE: folder or hub name), adapted with LoRA, or whole where LORA is null.

    FOUR_BIT trains the LoRA weights on a quantised model (QLoRA); it needs a GPU.
    """
    if surrogates and slots:
        raise UserError("[generator] has surrogates and slots", "Choose one: notes with surrogates have no labels")
    return CausalLM(
        base,
        tuple(control),
        _given(schedule, Schedule, "schedule"),
        _given(writing, Writing, "writing"),
        max_tokens,
        None if lora is None else _given(lora, Lora, "lora"),
        four_bit=four_bit,
        surrogates=surrogates,
        slots=tuple(slots or ()),
        lists=Path(lists) if lists else None,
        passage=passage,
    )


@spacy.registry.misc("clinical.ScratchLM.v1")
def make_scratch(
    control: list[str],
    schedule: dict[str, Any],
    writing: dict[str, Any],
    vocab_size: int = 4000,
    n_layers: int = 4,
    width: int = 256,
    n_heads: int = 4,
    max_tokens: int = 512,
    surrogates: Surrogates | None = None,
) -> CausalLM:
    """A small Llama-shaped LM with its own byte-level BPE, trained on the notes alone (paper A's road)."""
    shape = {"vocab_size": vocab_size, "n_layers": n_layers, "width": width, "n_heads": n_heads}
    return CausalLM(
        None,
        tuple(control),
        _given(schedule, Schedule, "schedule"),
        _given(writing, Writing, "writing"),
        max_tokens,
        shape=shape,
        surrogates=surrogates,
    )
