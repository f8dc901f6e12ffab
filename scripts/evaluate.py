"""Score annotators on the gold notes, side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm
from wasabi import msg

from scripts.annotators.load import load_annotator, predict
from scripts.notes.errors import UserError
from scripts.notes.files import is_current, write_json, write_manifest
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
    lang: str = Opt("en", help="Language of the tokens that the token F1 counts"),
    predictions: Path = Opt(Path("corpus/predictions"), help="Folder for each system's labels (private)"),
    system: list[str] = Opt(..., help="NAME=PATH of a trained pipeline's folder or an annotator's .cfg; repeat it"),
    gpu_id: int = Opt(-1),
    n_resamples: int = Opt(N_RESAMPLES, help="Resamples of the notes for the intervals"),
    seed: int = Opt(0),
):
    """Let each SYSTEM label the gold notes, then compare their scores on characters, with 95 % intervals."""
    from scripts.notes.tokenizer import blank

    scheme, nlp = read_task(task), blank(lang)
    paths = dict(_name_and_path(s) for s in system)
    golds = list(scheme.restrict(read_notes(gold)))
    if not golds:
        raise UserError(f"{gold} holds no notes", "Give `prepare` notes with labels")
    use_device(gpu_id)
    labels, counts = list(scheme.labels), {}
    for name, path in paths.items():
        predicted = predictions / f"{name}.jsonl"
        inputs = _inputs(name, path, gold)
        if not is_current(predicted, inputs, {}):
            n_notes = label_notes(name, path, golds, predicted)
            write_manifest(predicted, inputs=inputs, config={}, sensitivity="private", counts={"n_notes": n_notes})
        counts[name] = count_notes(golds, _read_by_id(predicted, scheme), labels, nlp)[None]
    report = {"task": scheme.name, "lang": lang} | compare_systems(counts, labels, n_resamples, seed)
    write_json(evaluation, report)
    files = {"gold": gold, "task": task} | {name: predictions / f"{name}.jsonl" for name in paths}
    settings = {"lang": lang, "n_resamples": n_resamples}
    n_gold = {"n_notes": len(golds), "n_systems": len(paths)}
    write_manifest(evaluation, inputs=files, config=settings, sensitivity="public", counts=n_gold, seed=seed)
    print_table(report)
    msg.good(f"{len(paths)} systems on {len(golds)} notes", evaluation)


def use_device(gpu_id: int) -> None:
    """Let spaCy compute on GPU_ID (-1: the CPU)."""
    import spacy

    if gpu_id < 0:
        return
    try:
        spacy.require_gpu(gpu_id)
    except ValueError as e:
        raise UserError(f"gpu_id is {gpu_id}, but there is no such GPU or no CuPy", "Use --vars.gpu_id -1") from e


def label_notes(name: str, path: Path, golds: list[Note], out: Path) -> int:
    """Let the annotator at PATH label the texts of GOLDS and write them to OUT; returns how many."""
    nlp = load_system(name, path)
    return write_notes(out, tqdm(predict(nlp, golds), total=len(golds), desc=name, unit="note"))


def load_system(name: str, path: Path) -> "Language":
    """The annotator at PATH; a UserError that begins with its NAME."""
    try:
        return load_annotator(path)
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


def _inputs(name: str, path: Path, gold: Path) -> dict[str, Path]:
    """What the labels of the system NAME depend on: the gold notes, the model, or the config with all that it stands for."""
    if not path.exists():
        raise UserError(f"system {name}: nothing at {path}", "Name a trained pipeline's folder or an annotator's .cfg")
    inputs = {"gold": gold, "annotator": path}
    if path.is_file():
        inputs |= {found.as_posix(): found for found in (*_code(), *_files_named_in(path)) if not found.is_absolute()}
    return inputs


def _code() -> list[Path]:
    return [file for room in ROOMS for file in sorted(Path("scripts", room).glob("*.py"))]


def _files_named_in(config: Path) -> Iterator[Path]:
    """The files and folders that exist among the values of CONFIG, such as an adapter, a prompt, a base model."""
    import spacy

    values: list[Any] = [spacy.util.load_config(config, interpolate=True)]
    while values:
        value = values.pop()
        if isinstance(value, dict | list | tuple):
            values.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, str) and "/" in value and "\n" not in value and Path(value).exists():
            yield Path(value)


def _read_by_id(path: Path, task: Task) -> dict[str, Note]:
    return {note.id: note.with_labels(task.labels) for note in read_notes(path)}


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(scored: dict[str, Any]) -> str:
    low, high = scored["ci95"]
    return f"{_decimal(low)}–{_decimal(high)}"


if __name__ == "__main__":
    run_step(main)
