"""Make the report: a page that may leave the building, and one that stays inside."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from wasabi import msg

from scripts.notes.errors import UserError
from scripts.notes.files import atomic_write, read_manifest, sensitivity_of, write_manifest
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note
from scripts.notes.step import Arg, Opt, run_step
from scripts.scoring.diversity import novelty
from scripts.scoring.pages import render_gold, render_index

N_SHOWN = 30  # released notes on the page


def main(
    reports: Path = Arg(
        ..., help="Folder for index.html (may leave once `package` lists it) and inside/gold.html (must not)"
    ),
    gold: Path = Opt(..., help="Notes with human labels (JSONL)"),
    predictions: Path = Opt(..., help="Folder with each system's labels, as `evaluate` wrote it"),
    evaluation: Path = Opt(..., help="Scores, as `evaluate` wrote them (JSON)"),
    audit: Path = Opt(Path("metrics/audit.json"), help="The audit's verdict and counts (JSON)"),
    synthetic: Path = Opt(Path("corpus/synthetic.jsonl"), help="Synthetic notes, for the counts in their manifest"),
    silver: Path = Opt(..., help="Released notes with machine labels: a DocBin or a folder of them"),
    generation: Path = Opt(
        Path("metrics/generation.json"), help="Numbers on what was written, if there are any (JSON)"
    ),
    private: Path = Opt(None, help="Private notes, to count the mentions that none of them holds (JSONL)"),
    system: str = Opt("student", help="Whose labels are shown below the gold"),
    lang: str = Opt("en"),
    title: str = Opt("Clinical entities", help="Heading of both pages"),
):
    """Write REPORTS/index.html, without private text, and REPORTS/inside/gold.html.

    Neither says of itself that it is released: `package` searches what may leave, and lists it.
    """
    scores = read_json(evaluation)
    verdict = read_json(audit) if audit.is_file() else None
    written = read_json(generation) if generation.is_file() else None
    shown = list(islice(read_released(silver, lang), N_SHOWN))
    new = novelty(read_released(silver, lang), read_notes(private)) if private and shown else None
    page = render_index(title, scores, verdict, generation_counts(synthetic), shown, lang, written, new)
    write_page(reports / "index.html", page, {"evaluation": evaluation, "silver": silver}, "synthetic", len(shown))
    golds = [note.with_labels(scores["labels"]) for note in read_notes(gold)]
    predicted = predictions / f"{system}.jsonl"
    by_id = {note.id: note.with_labels(scores["labels"]) for note in read_notes(predicted)}
    page = render_gold(title, golds, by_id, scores["labels"], system, lang)
    inside = reports / "inside" / "gold.html"
    write_page(inside, page, {"gold": gold, "predictions": predicted}, "private", len(golds))
    msg.good(f"{len(scores['systems'])} systems, {len(shown)} released notes", reports / "index.html")
    msg.warn(f"{len(golds)} gold notes: this page must not leave the building", inside)


def read_json(path: Path) -> Any:
    """The JSON in PATH; a UserError where there is none."""
    if not path.is_file():
        raise UserError(f"{path} does not exist", "Run the step that makes it, or check the path")
    return json.loads(path.read_text(encoding="utf8"))


def read_released(silver: Path, lang: str) -> Iterator[Note]:
    """The silver notes; none unless a manifest says that they were released."""
    from scripts.notes.docbins import read_docbin, to_note
    from scripts.notes.tokenizer import blank

    if not silver.exists() or sensitivity_of(silver) not in ("released", "public"):
        msg.warn(f"{silver}: no manifest says that these notes were released", "They are not shown")
        return
    for number, doc in enumerate(read_docbin(silver, blank(lang)), 1):
        yield to_note(doc, str(number), {})


def generation_counts(synthetic: Path) -> dict[str, Any] | None:
    """What the manifest of the synthetic notes counts; the notes themselves are not read."""
    try:
        return read_manifest(synthetic)["counts"]
    except UserError:
        return None


def write_page(path: Path, page: str, inputs: dict[str, Path], sensitivity: Any, n_notes: int) -> None:
    """Write PAGE to PATH with a manifest."""
    with atomic_write(path) as stream:
        stream.write(page)
    write_manifest(path, inputs=inputs, config={}, sensitivity=sensitivity, counts={"n_notes": n_notes})


if __name__ == "__main__":
    run_step(main)
