"""Score annotators on the gold notes, side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm
from wasabi import msg

from scripts.annotators.load import annotator_config, check_egress, inputs_named_in, load_annotator, predict, why_silent
from scripts.notes.errors import UserError
from scripts.notes.files import Sensitivity, is_current, sensitivity_of, write_json, write_manifest
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.note import Note
from scripts.notes.step import Arg, Opt, run_step
from scripts.notes.task import Task, read_task
from scripts.scoring.report import MICRO, compare_systems
from scripts.scoring.spans import MEASURES, count_notes
from scripts.scoring.statistics import N_RESAMPLES

if TYPE_CHECKING:
    from spacy.language import Language

ROOMS = ("annotators", "llm", "notes")  # the code that an annotator's answer depends on


def main(
    gold: Path = Arg(..., help="Notes with human labels (JSONL)"),
    evaluation: Path = Arg(..., help="Where the scores go (JSON: numbers only)"),
    task: Path = Opt(..., help="configs/task/*.yml"),
    predictions: Path = Opt(Path("corpus/predictions"), help="Folder for each system's labels (private)"),
    system: list[str] = Opt(..., help="NAME=PATH of a trained pipeline's folder or an annotator's .cfg; repeat it"),
    lang: str = Opt("en"),
    gpu_id: int = Opt(-1),
    n_resamples: int = Opt(N_RESAMPLES, help="Resamples of the notes for the intervals"),
    seed: int = Opt(0),
):
    """Let each SYSTEM label the gold notes, then compare their scores on characters, with 95 % intervals."""
    from scripts.notes.tokenizer import blank

    scheme, nlp = read_task(task), blank(lang)
    golds = list(scheme.restrict(read_notes(gold)))
    if not golds:
        raise UserError(f"{gold} holds no notes", "Give `prepare` notes with labels")
    use_device(gpu_id)
    labels, counts, files = list(scheme.labels), {}, {"gold": gold, "task": task}
    not_scored: dict[str, str] = {}
    for name, path in map(_name_and_path, system):
        if name in files:
            raise UserError(f"system {name}: the name is taken", "Give each system a name of its own")
        if reason := why_not_scored(path, sensitivity_of(gold)):
            msg.warn(f"system {name} is not scored", reason)
            not_scored[name] = reason
            continue
        files[name] = predictions / f"{name}.jsonl"
        label_notes(name, path, gold, golds, files[name], {"lang": lang, "task": str(task), "gpu_id": gpu_id})
        counts[name] = count_notes(golds, _read_by_id(files[name], scheme), labels, nlp)[None]
    if not counts:
        raise UserError("no system can be scored on gold notes", "Name one that may see them (--system)")
    report = {"task": scheme.name, "lang": lang, "not_scored": not_scored}
    report |= compare_systems(counts, labels, n_resamples, seed)
    write_json(evaluation, report)
    settings = {"lang": lang, "n_resamples": n_resamples}
    n_gold = {"n_notes": len(golds), "n_systems": len(counts)}
    write_manifest(evaluation, inputs=files, config=settings, sensitivity="public", counts=n_gold, seed=seed)
    print_table(report)
    msg.good(f"{len(counts)} systems on {len(golds)} notes", evaluation)


def why_not_scored(path: Path, kind: Sensitivity) -> str | None:
    """Why the annotator at PATH must not, or cannot, label gold notes of sensitivity KIND; None if it may and can."""
    try:
        check_egress(path, kind)
    except UserError as e:
        return str(e)
    return why_silent(path)


def label_notes(name: str, path: Path, gold: Path, golds: list[Note], out: Path, variables: dict[str, Any]) -> None:
    """Let the annotator at PATH label GOLDS, the notes of the file GOLD, and write them to OUT, unless it is current.

    VARIABLES replace those [vars] that an annotator's config has.
    """
    if not path.exists():
        raise UserError(f"system {name}: nothing at {path}", "Name a trained pipeline's folder or an annotator's .cfg")
    inputs, config = {"gold": gold, "annotator": path}, {}
    if path.is_file():
        config = dict(annotator_config(path, variables))
        inputs |= {found.as_posix(): found for found in _code()} | inputs_named_in(config)
    if is_current(out, inputs, config):
        return
    nlp = load_system(name, path, variables)
    try:
        n_notes = write_notes(out, tqdm(predict(nlp, golds), total=len(golds), desc=name, unit="note"))
    except UserError as e:  # some components load their model at the first note
        raise UserError(f"system {name}: {e.what}", e.remedy) from e
    write_manifest(out, inputs=inputs, config=config, sensitivity="private", counts={"n_notes": n_notes})


def use_device(gpu_id: int) -> None:
    """Let spaCy compute on GPU_ID (-1: the CPU)."""
    import spacy

    if gpu_id < 0:
        return
    try:
        spacy.require_gpu(gpu_id)
    except ValueError as e:
        raise UserError(f"gpu_id is {gpu_id}, but there is no such GPU or no CuPy", "Use --vars.gpu_id -1") from e


def load_system(name: str, path: Path, variables: dict[str, Any]) -> "Language":
    """The annotator at PATH; a UserError that begins with its NAME."""
    try:
        return load_annotator(path, variables)
    except UserError as e:
        raise UserError(f"system {name}: {e.what}", e.remedy) from e
    except Exception as e:  # a config or a model can be broken in as many ways as there are components
        what = f"system {name}: {path} cannot be loaded ({type(e).__name__}: {e})"
        raise UserError(what, "Make it again, or mend its config") from e


def print_table(report: dict[str, Any]) -> None:
    """Print F1 by system and label, with the strict interval, and the comparisons."""
    rows = []
    for name, system in report["systems"].items():
        for scope in (MICRO, *report["labels"]):
            scores = system["scores"][scope]
            f1s = [_decimal(scores[m]["f1"]) for m in MEASURES]
            rows.append([name, scope, f1s[0], _interval(scores["strict"]), *f1s[1:], scores["n_gold"]])
    header = ["system", "label", "strict", "95 %", *MEASURES[1:], "n gold"]
    msg.table(rows, header=header, divider=True, aligns=["l", "l", *["r"] * (len(header) - 2)])
    signs = {"difference": "−", "ratio": "/"}
    rows = [
        [f"{c['a']} {signs[c['kind']]} {c['b']}", c["scope"], _decimal(c["value"]), _interval(c)]
        for c in report["comparisons"]
    ]
    if rows:
        msg.table(rows, header=["strict F1", "label", "", "95 %"], divider=True, aligns=["l", "l", "r", "r"])


def _name_and_path(system: str) -> tuple[str, Path]:
    name, equals, path = system.partition("=")
    if not (equals and path and name.isidentifier()):
        raise UserError(f"--system {system} is not NAME=PATH", "Such as --system student=training/ner/model-best")
    return name, Path(path)


def _code() -> list[Path]:
    return [file for room in ROOMS for file in sorted(Path("scripts", room).glob("*.py"))]


def _read_by_id(path: Path, task: Task) -> dict[str, Note]:
    return {note.id: note.with_labels(task.labels) for note in read_notes(path)}


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(scored: dict[str, Any]) -> str:
    low, high = scored["ci95"]
    return f"{_decimal(low)}–{_decimal(high)}"


if __name__ == "__main__":
    run_step(main)
