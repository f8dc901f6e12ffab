"""Any annotator as a spaCy pipeline: a config that spacy-llm assembles, or a trained model's folder."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.annotators.stream import endpoint_of, label
from scripts.llm.egress import MAY_LEAVE, host_of, is_loopback
from scripts.llm.endpoint import OPENAI, Endpoint
from scripts.llm.journal import JOURNAL
from scripts.notes.errors import UserError
from scripts.notes.files import Sensitivity, files_named_in, sensitivity_of
from scripts.notes.note import Note, Span
from scripts.notes.step import load_config

LOCAL_MODELS = "clinical.Local"  # how the names of our in-process models begin
OPENAI_MODEL = "clinical.OpenAI.v1"  # the one model of which we know where it sends
OURS = "clinical."
WRITTEN = "clinical_written"  # the component that knows no more of a note than its generator has said
NEVER_ASKED = {"@llm_models": "clinical.Local.v1", "name": "never asked"}

if TYPE_CHECKING:
    from confection import Config
    from spacy.language import Language


def annotator_config(path: Path, variables: Mapping[str, Any]) -> "Config":
    """The config at PATH; VARIABLES replace those of its [vars] that it has, and `lang` the pipeline's language."""
    known = load_config(path).get("vars", {})
    overrides = {f"vars.{key}": value for key, value in variables.items() if key in known}
    if "lang" in variables:  # spaCy reads it before it interpolates, so that it cannot be one of the [vars]
        overrides["nlp.lang"] = variables["lang"]
    return load_config(path, overrides)


def check_egress(path: Path, sensitivity: Sensitivity) -> None:
    """A UserError if the annotator at PATH may send text to another host and text of SENSITIVITY must not leave.

    The examples of a few-shot prompt leave with it. Only models that run in this process are known to send nothing; any
    other LLM is taken to be elsewhere.
    """
    if path.suffix != ".cfg" or not path.is_file():
        return
    config = annotator_config(path, {})
    for name, model in llm_models(config).items():
        if is_local(model):
            continue
        registered = model.get("@llm_models", "")
        if registered == OPENAI_MODEL:
            host = host_of(model.get("base_url") or OPENAI)
            if is_loopback(host) or host in model.get("allow_private_hosts", ()):
                continue
        sent = {"these notes": sensitivity}
        if examples := config["components"][name].get("task", {}).get("examples"):
            sent["the prompt's examples"] = sensitivity_of(Path(examples))
        for what, kind in sent.items():
            if kind not in MAY_LEAVE:
                raise UserError(
                    f"{path}: {name} ({registered}) may send text to another host, and {what} are {kind}",
                    "Use a local model for notes that did not pass the gate, or allow the host (allow_private_hosts)",
                )


def why_silent(path: Path) -> str | None:
    """Why the annotator at PATH can say nothing of notes that no generator wrote, such as gold; None if it can."""
    if path.suffix != ".cfg" or not path.is_file():
        return None
    factories = {block.get("factory") for block in annotator_config(path, {}).get("components", {}).values()}
    return "it takes what a generator wrote along, and no generator wrote these notes" if WRITTEN in factories else None


def llm_models(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The model block of each LLM component of CONFIG, by the component's name."""
    components = config.get("components", {})
    return {name: block.get("model") or {} for name, block in components.items() if block.get("factory") == "llm"}


def is_local(model: Mapping[str, Any]) -> bool:
    """Whether the model of a config's block MODEL runs in this process."""
    return model.get("@llm_models", "").startswith(LOCAL_MODELS)


def check_prices(config: Mapping[str, Any]) -> None:
    """A UserError if it is unknown what a model of CONFIG costs: no budget could be kept then."""
    for name, model in llm_models(config).items():
        if not is_local(model) and not (model.get("@llm_models") == OPENAI_MODEL and model.get("price")):
            raise UserError(
                f"a budget, but no price in [components.{name}.model]",
                'Add price = {"input": 0.5, "output": 1.5}: US dollars per million tokens, 0 where nothing is charged',
            )


def journals_of(config: Mapping[str, Any]) -> list[Path]:
    """The journals in which the answers to CONFIG's LLMs are kept, each once."""
    endpoints = [model for model in llm_models(config).values() if model.get("@llm_models") == OPENAI_MODEL]
    return sorted({Path(model.get("journal") or JOURNAL) for model in endpoints})


def inputs_named_in(config: Mapping[str, Any]) -> dict[str, Path]:
    """The files that an annotator's CONFIG names, by name, without journals: they grow while notes are labelled."""
    journals = {journal.as_posix() for journal in journals_of(config)}
    return {name: path for name, path in files_named_in(config).items() if name not in journals}


def load_annotator(path: Path, variables: Mapping[str, Any] | None = None, connects: bool = True) -> "Language":
    """The pipeline at PATH: a trained model's folder, or a .cfg with VARIABLES (lang, task, ...) for its [vars].

    Models of spacy-llm's own connect, or fetch weights, when they are made: unless CONNECTS, models that are never
    asked stand in for them.
    """
    import spacy

    from scripts import functions  # noqa: F401  registers our components
    from scripts.annotators.llm import SpanTask
    from scripts.annotators.stock import mind_failed_answers
    from scripts.annotators.verify import VerifyTask

    if path.is_dir():
        return spacy.load(path)
    if path.suffix != ".cfg":
        raise UserError(f"no annotator at {path}", "Name a config of configs/annotator or a trained pipeline's folder")
    config = annotator_config(path, variables or {})
    for name, model in llm_models(config).items():
        if not connects and not model.get("@llm_models", "").startswith(OURS):
            config["components"][name]["model"] = NEVER_ASKED
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    for name in llm_models(config):
        task = nlp.get_pipe(name).task
        if not isinstance(task, SpanTask | VerifyTask):
            mind_failed_answers(task)
    return nlp


def predict(nlp: "Language", notes: Iterable[Note], batch_size: int = 32) -> Iterator[Note]:
    """Each of NOTES with the spans that NLP finds in its text; gold spans are not shown to it."""
    asked, given = tee(notes)
    docs = label(nlp, (nlp.make_doc(note.text) for note in asked), batch_size)
    for note, doc in zip(given, docs, strict=True):
        yield note.with_spans(Span(e.start_char, e.end_char, e.label_) for e in doc.ents)


def usage_of(nlp: "Language") -> dict[str, int]:
    """What the LLMs of NLP behind endpoints have cost since it was loaded: calls by outcome, and tokens."""
    usage: Counter[str] = Counter()
    for endpoint in endpoints_of(nlp).values():
        usage.update(endpoint.usage.counts())
    return dict(usage)


def endpoints_of(nlp: "Language") -> dict[str, Endpoint]:
    """The LLMs of NLP that are behind endpoints, by their components' names."""
    endpoints = {name: endpoint_of(component) for name, component in nlp.pipeline}
    return {name: endpoint for name, endpoint in endpoints.items() if endpoint is not None}
