"""The score card: what each annotator finds, costs and leaves unread, before one of them labels everything."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm
from wasabi import msg

from scripts.annotators.load import (
    annotator_config,
    check_egress,
    endpoints_of,
    is_local,
    llm_models,
    load_annotator,
    usage_of,
    why_silent,
)
from scripts.annotators.plan import cost_report, plan
from scripts.annotators.stream import label
from scripts.evaluate import use_device
from scripts.llm.egress import sending
from scripts.notes.errors import UserError
from scripts.notes.files import Sensitivity, atomic_write, manifest_path, sensitivity_of, write_json, write_manifest
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note, Span
from scripts.notes.step import Arg, Opt, run_step
from scripts.notes.task import Task, read_task
from scripts.scoring.pages import render_annotators, show_decimal
from scripts.scoring.report import MICRO, compare_systems
from scripts.scoring.spans import count_notes
from scripts.scoring.statistics import N_RESAMPLES

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc


def main(
    gold: Path = Arg(..., help="Notes with human labels (JSONL)"),
    card: Path = Arg(..., help="Where the score card goes (JSON: numbers only)"),
    page: Path = Opt(Path("reports/annotators.html"), help="The same as a page with a chart"),
    annotators: str = Opt(..., help="Names of configs, with commas between them"),
    configs: Path = Opt(Path("configs/annotator"), help="Where the configs are"),
    taught: Path = Opt(Path("training/annotator"), help="What `teach` has made"),
    checked: Path = Opt(
        Path("corpus/checked.jsonl"), help="Released notes that a person has labelled, for other hosts"
    ),
    released: Path = Opt(Path("corpus/released.jsonl"), help="Notes that passed the gate: CHECKED must be among them"),
    task: Path = Opt(..., help="configs/task/*.yml"),
    lang: str = Opt("en"),
    gpu_id: int = Opt(-1),
    n_resamples: int = Opt(N_RESAMPLES, help="Resamples of the notes for the intervals"),
    seed: int = Opt(0),
):
    """Let each of ANNOTATORS label notes that it may see, and compare scores, cost, and what became of its answers.

    An annotator on another host sees no gold: it is scored on CHECKED notes, or not at all.
    """
    from scripts.notes.tokenizer import blank

    scheme = read_task(task)
    use_device(gpu_id)
    parts = {"gold": (sensitivity_of(gold), list(scheme.restrict(read_notes(gold))))}
    if checked.is_file():
        parts["checked"] = ("released", read_checked(checked, released, scheme))
    variables = {"lang": lang, "task": str(task), "gpu_id": gpu_id}
    rows = {}
    for name in filter(None, map(str.strip, annotators.split(","))):
        path = configs / f"{name}.cfg"
        settings = annotator_config(path, variables)
        if "teach" in settings and not (taught / name / "manifest.json").is_file():
            rows[name] = {"not_scored": f"not taught: spacy project run teach --vars.annotator {name}"}
            continue
        if reason := why_silent(path):
            rows[name] = {"not_scored": reason}
            continue
        part = _part_for(path, parts)
        if part is None:
            rows[name] = {"not_scored": "not allowed: another host, and there are no checked notes"}
            continue
        kind, notes = parts[part]
        rows[name] = {"scored_on": part, "n_notes": len(notes)} | _score(
            name, load_annotator(path, variables), notes, kind, scheme, blank(lang), n_resamples, seed
        )
    report = {"task": scheme.name, "lang": lang, "labels": list(scheme.labels), "annotators": rows}
    write_json(card, report)
    with atomic_write(page) as stream:
        stream.write(render_annotators(report))
    inputs = {"gold": gold, "task": task} | {name: configs / f"{name}.cfg" for name in rows}
    for path in (card, page):
        write_manifest(path, inputs=inputs, config={}, sensitivity="public", counts={"n": len(rows)}, seed=seed)
    print_card(report)
    msg.good(f"{len(rows)} annotators", page)


def read_checked(checked: Path, released: Path, task: Task) -> list[Note]:
    """The notes of CHECKED, which then count as released; a UserError if one of them is not, or is unlabelled."""
    notes = list(task.restrict(read_notes(checked)))
    passed = {note.text for note in read_notes(released)}
    for number, note in enumerate(notes, 1):
        if note.text not in passed:
            raise UserError(
                f"{checked}: note {number} is not among the released ones",
                f"Label notes of {released}, texts unchanged",
            )
        if note.spans is None:
            raise UserError(f"{checked}: note {number} has no 'spans'", "Give [] to a note without mentions")
    if not notes:
        raise UserError(f"{checked} holds no notes", f"Label some of {released}, or remove the file")
    if not manifest_path(checked).is_file():
        counts = {"n_notes": len(notes)}
        write_manifest(checked, inputs={"released": released}, config={}, sensitivity="released", counts=counts)
    return notes


def _part_for(path: Path, parts: dict[str, tuple[Sensitivity, list[Note]]]) -> str | None:
    """The first of PARTS that the annotator at PATH may see."""
    for name, (kind, _) in parts.items():
        try:
            check_egress(path, kind)
        except UserError:
            continue
        return name
    return None


def _score(
    name: str,
    annotator: "Language",
    notes: Sequence[Note],
    kind: Sensitivity,
    task: Task,
    nlp: "Language",
    n_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Scores, seconds and money of ANNOTATOR on NOTES, and what became of its answers and mentions."""
    labels, outcomes, docs, predicted = list(task.labels), Counter(), [], {}
    start = time.monotonic()
    with sending(kind):
        labelled = label(annotator, (annotator.make_doc(note.text) for note in notes), batch_size=len(notes))
        for note, doc in zip(notes, tqdm(labelled, total=len(notes), desc=name, unit="note"), strict=True):
            docs.append(doc)
            outcomes.update(doc.user_data.get("annotation", {}))
            found = (Span(e.start_char, e.end_char, e.label_) for e in doc.ents)
            predicted[note.id] = note.with_spans(found).with_labels(labels)
    seconds = time.monotonic() - start
    counts: np.ndarray = count_notes(notes, predicted, labels, nlp)[None]
    scores = compare_systems({name: counts}, labels, n_resamples, seed)["systems"][name]["scores"]
    answers = _part_of(outcomes, "answers: ")
    mentions = _part_of(outcomes, "mentions: ")
    return {
        "scores": scores,
        "seconds_per_note": seconds / len(notes),
        "dollars_per_1000_notes": _dollars(annotator, docs, 1000 / len(notes)),
        "answers": answers,
        "mentions": mentions,
        "usage": usage_of(annotator),
    }


def _dollars(annotator: "Language", docs: Sequence["Doc"], times: float) -> float | None:
    """What the LLMs of ANNOTATOR cost for DOCS, answers of earlier runs included, TIMES as many; None if unknown."""
    costs = [0.0]
    for name, model in llm_models(annotator.config).items():
        if not is_local(model):
            endpoint = endpoints_of(annotator).get(name)
            costs.append(endpoint and cost_report(endpoint, plan(annotator.get_pipe(name), docs))["dollars_in_all"])
    return None if None in costs else times * sum(costs)


def _part_of(counts: Counter[str], prefix: str) -> dict[str, int]:
    """The COUNTS whose name begins with PREFIX, without it; of a mention's name only what became of it."""
    part: Counter[str] = Counter()
    for key, n in counts.items():
        if key.startswith(prefix):
            part[key.removeprefix(prefix).split(", ")[-1]] += n
    return dict(part)


def print_card(report: dict[str, Any]) -> None:
    """Print one line an annotator."""
    header = [
        "annotator",
        "on",
        "strict F1",
        "95 %",
        "P",
        "R",
        *report["labels"],
        "s/note",
        "$/1000",
        "unread",
        "absent",
    ]
    rows = []
    for name, row in report["annotators"].items():
        if "scores" not in row:
            rows.append([name, row["not_scored"], *[""] * (len(header) - 2)])
            continue
        strict = row["scores"][MICRO]["strict"]
        low, high = strict["ci95"]
        rows.append(
            [
                name,
                f"{row['n_notes']} {row['scored_on']}",
                show_decimal(strict["f1"]),
                f"{show_decimal(low)}–{show_decimal(high)}",
                *map(show_decimal, (strict["precision"], strict["recall"])),
                *(show_decimal(row["scores"][label]["strict"]["f1"]) for label in report["labels"]),
                f"{row['seconds_per_note']:.2f}",
                "?" if row["dollars_per_1000_notes"] is None else f"{row['dollars_per_1000_notes']:.2f}",
                _share(row["answers"], "read", others=True),
                _share(row["mentions"], "absent"),
            ]
        )
    msg.table(rows, header=header, divider=True, aligns=["l", "l", *["r"] * (len(header) - 2)])


def _share(counts: dict[str, int], name: str, others: bool = False) -> str:
    """The share of NAME among COUNTS, or of all OTHERS."""
    total = sum(counts.values())
    if not total:
        return ""
    share = counts.get(name, 0) / total
    return f"{1 - share if others else share:.1%}"


if __name__ == "__main__":
    run_step(main)
