"""Generators that are causal LMs, by config: pretrained or from scratch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy

from scripts.generators.causal_lm import CausalLM, Writing
from scripts.generators.pretraining import Pretraining
from scripts.generators.stages import Stages
from scripts.generators.tags import TAGGED
from scripts.llm.dp import Privacy
from scripts.llm.finetune import Lora, Schedule
from scripts.notes.errors import UserError


def _privacy(block: dict[str, Any] | None) -> Privacy | None:
    return None if block is None else _given(block, Privacy, "privacy")


def _pretraining(block: dict[str, Any] | None) -> Pretraining | None:
    if block is None:
        return None
    schedule = _given(block.get("schedule"), Schedule, "pretraining.schedule")
    return _given({**block, "schedule": schedule}, Pretraining, "pretraining")


def _given(block: dict[str, Any] | None, kind: type, where: str) -> Any:
    try:
        return kind(**(block or {}))
    except TypeError as e:
        raise UserError(f"[generator.{where}]: {e}", f"Known keys: {', '.join(kind.__dataclass_fields__)}") from None


def _check_tags(tags: Any, control: Sequence[str], writing: dict[str, Any], slots: Any) -> None:
    """A UserError if notes with TAGS cannot be learned, or asked for, beside the other settings."""
    if not tags:
        return
    if slots:
        raise UserError("[generator] has tags beside slots", "Choose one: slots leave no labelled mention")
    if writing.get("prompt", "control") != "control":
        raise UserError("[generator] has tags, but no control prefix to ask for them with", 'Set prompt = "control"')
    if TAGGED in control:
        raise UserError(f"[generator] has tags, which need the control key '{TAGGED}'", "Rename the key in your notes")


@spacy.registry.misc("clinical.PretrainedLM.v1")
def make_pretrained(
    base: str,
    control: list[str],
    schedule: dict[str, Any],
    writing: dict[str, Any],
    lora: dict[str, Any] | None = None,
    max_tokens: int = 512,
    four_bit: bool = False,
    stages: Stages | None = None,
    finish: Stages | None = None,
    pretraining: dict[str, Any] | None = None,
    slots: list[str] | None = None,
    slot_patients: int = 1,
    lists: str | None = None,
    passage: int | None = None,
    tags: list[str] | None = None,
    privacy: dict[str, Any] | None = None,
) -> CausalLM:
    """A pretrained causal LM (BASE: folder or hub name), adapted with LoRA, or whole where LORA is null.

    FOUR_BIT trains the LoRA weights on a quantised model (QLoRA); it needs a GPU. STAGES are what is done to the notes
    before, FINISH what is done to those written; PRETRAINING (texts, schedule) is on public text. PRIVACY (epsilon,
    delta, max_grad_norm) bounds what the weights tell of any one patient.
    """
    _check_tags(tags, control, writing, slots)
    return CausalLM(
        base,
        tuple(control),
        _given(schedule, Schedule, "schedule"),
        _given(writing, Writing, "writing"),
        max_tokens,
        None if lora is None else _given(lora, Lora, "lora"),
        four_bit=four_bit,
        stages=stages or Stages(),
        finish=finish or Stages(),
        pretraining=_pretraining(pretraining),
        slots=tuple(slots or ()),
        slot_patients=slot_patients,
        lists=Path(lists) if lists else None,
        passage=passage,
        tags=tuple(tags or ()),
        privacy=_privacy(privacy),
    )


@spacy.registry.misc("clinical.ScratchLM.v1")
def make_scratch(
    control: list[str],
    schedule: dict[str, Any],
    writing: dict[str, Any],
    vocab_size: int = 4000,
    n_layers: int | None = None,
    width: int | None = None,
    n_heads: int | None = None,
    max_tokens: int = 512,
    stages: Stages | None = None,
    finish: Stages | None = None,
    pretraining: dict[str, Any] | None = None,
    slots: list[str] | None = None,
    slot_patients: int = 1,
    lists: str | None = None,
    tags: list[str] | None = None,
    privacy: dict[str, Any] | None = None,
) -> CausalLM:
    """A small Llama-shaped LM with its own byte-level BPE, trained on the notes (paper A's road).

    N_LAYERS, WIDTH and N_HEADS are all given, or follow the amount of text (`size_for`). STAGES, FINISH, PRETRAINING
    and PRIVACY as for a pretrained one; with PRIVACY the BPE is learned on public texts alone, and without any a token
    is a byte.
    """
    _check_tags(tags, control, writing, slots)
    shape = {"n_layers": n_layers, "width": width, "n_heads": n_heads}
    given = {name: value for name, value in shape.items() if value is not None}
    if given and len(given) < len(shape):
        raise UserError(
            f"[generator] has {', '.join(given)} and not {', '.join(shape.keys() - given)}",
            "Give all three, or none: then the size follows the amount of text",
        )
    return CausalLM(
        None,
        tuple(control),
        _given(schedule, Schedule, "schedule"),
        _given(writing, Writing, "writing"),
        max_tokens,
        shape={"vocab_size": vocab_size, **given},
        stages=stages or Stages(),
        finish=finish or Stages(),
        pretraining=_pretraining(pretraining),
        slots=tuple(slots or ()),
        slot_patients=slot_patients,
        lists=Path(lists) if lists else None,
        tags=tuple(tags or ()),
        privacy=_privacy(privacy),
    )
