"""Teaching a local language model for an annotator's very prompt: a LoRA adapter on the labelled notes."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import spacy

from scripts.annotators.llm import SpanTask
from scripts.llm.finetune import Example, Lora, Schedule, add_lora, finetune
from scripts.llm.local import device_of, load_causal_lm
from scripts.llm.prompt import Prompt
from scripts.notes.note import Note, Span

if TYPE_CHECKING:
    from spacy.language import Language

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
        answer = tokenizer(task.form.write(prompt.text, spans, prompt.labels), add_special_tokens=False).input_ids
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
                for start, prompt in task.prompts(nlp.make_doc(note.text))
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
        if s.start < end and s.end > start and s.label in prompt.labels
    ]
