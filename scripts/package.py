"""Make the wheel: the student without a trace of the notes that stay inside."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm
from wasabi import msg

from scripts.annotators.load import load_annotator, predict
from scripts.notes.errors import UserError
from scripts.notes.files import sensitivity_of, sha256_of, versions, write_json
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note
from scripts.notes.step import Arg, Opt, run_step
from scripts.privacy.collect import load_identifier_policy
from scripts.privacy.scan import Scanner
from scripts.privacy.scrub import scrub_pipeline
from scripts.privacy.wheel import ask_wheel, build_wheel

if TYPE_CHECKING:
    from spacy.language import Language

N_TRIAL = 50  # released notes on which the scrubbed pipeline and the wheel must answer as the trained one does


def main(
    model: Path = Arg(..., help="The trained student (training/ner/model-best)", exists=True),
    packages: Path = Arg(..., help="Folder for the wheel"),
    name: str = Opt(..., help="Name of the package, without the language"),
    version: str = Opt(...),
    audit: Path = Opt(..., help="What the gate said (metrics/audit.json)"),
    released: Path = Opt(..., help="Notes that passed the gate (JSONL)"),
    private: Path = Opt(..., help="Notes to look for (JSONL)"),
    holdout: Path = Opt(..., help="Notes to look for (JSONL)"),
    gold: Path = Opt(..., help="Notes to look for (JSONL)"),
    evaluation: Path = Opt(..., help="The student's scores (metrics/evaluation.json)"),
    generator: str = Opt("unnamed", help="Name of the generator's config, for the description"),
    annotator: str = Opt("unnamed", help="Name of the annotator's config, for the description"),
    licence: str = Opt("MIT", "--license"),
):
    """Scrub MODEL, build its wheel, search every byte of it for private text, and try it out; or leave no wheel."""
    if not name.isidentifier():
        raise UserError(f"the name {name} cannot be imported", "Use letters, digits and underscores")
    for stale in (*packages.glob("*.whl"), packages / "manifest.json"):
        stale.unlink(missing_ok=True)
    files = {"private": private, "holdout": holdout, "gold": gold, "released": released}
    verdict = check_audit(audit, files)
    notes = {which: list(read_notes(path)) for which, path in files.items()}
    nlp = load_annotator(model)
    meta = describe(nlp, verdict, _read(evaluation), generator, annotator)
    meta |= {"name": name, "version": version, "license": licence}
    trial = notes.pop("released")
    scanner = Scanner(load_identifier_policy(Path(verdict["config"])), chain(*notes.values()), trial, nlp.lang)
    with tempfile.TemporaryDirectory() as scratch:
        wheel, counts = make_wheel(nlp, meta, scanner, trial[:N_TRIAL], Path(scratch))
        packages.mkdir(parents=True, exist_ok=True)
        final = Path(shutil.copy(wheel, packages))
    write_manifest_of(final, {"model": model, "audit": audit, **files}, counts)
    msg.good(f"{counts['n_members']} members, {counts['n_identifiers']} identifiers looked for, 0 found", final)


def make_wheel(
    nlp: "Language", meta: dict[str, Any], scanner: Scanner, trial: Sequence[Note], scratch: Path
) -> tuple[Path, dict[str, Any]]:
    """The wheel of NLP in SCRATCH, scrubbed, searched and tried on the notes TRIAL, and what was searched.

    A UserError if anything is found, or if the scrubbed pipeline or the wheel answers otherwise than NLP.
    """
    import spacy

    expected = entities(nlp, trial)
    clean = scratch / "pipeline"
    scrub_pipeline(nlp, clean, meta)
    if entities(spacy.load(clean), trial) != expected:
        raise UserError("the scrubbed pipeline answers otherwise than the trained one", "This is a fault of ours")
    wheel = build_wheel(clean, meta["name"], meta["version"], scratch)
    with tqdm(unit="B", unit_scale=True, desc="scan") as bar:
        findings, counts = scanner.scan(wheel, _labels(nlp), bar.update)
    if findings:
        shown = "; ".join(sorted({f"{finding.what} in {finding.member}" for finding in findings})[:5])
        raise UserError(f"no wheel: {shown}", "Find out how it came into the model before you train again")
    if ask_wheel(wheel, [note.text for note in trial]) != expected:
        raise UserError("the installed wheel answers otherwise than the pipeline", "This is a fault of ours")
    return wheel, counts


def check_audit(audit: Path, files: dict[str, Path]) -> dict[str, Any]:
    """The verdict in AUDIT; a UserError unless it is a PASS on these very FILES."""
    verdict = _read(audit)
    if verdict.get("verdict") != "PASS":
        raise UserError(f"the gate said {verdict.get('verdict')}: nothing is packaged", "Run the `audit` step")
    if sensitivity_of(files["released"]) != "released":
        raise UserError(f"{files['released']} is not marked as released", "Run the `audit` step again")
    for which, path in {**files, "config": Path(verdict["config"])}.items():
        if not path.is_file() or verdict["hashes"].get(which) != sha256_of(path):
            raise UserError(f"{path} is not the file that was audited", "Run the `audit` step again")
    return verdict


def entities(nlp: "Language", notes: Sequence[Note]) -> list[list[tuple[int, int, str]]]:
    """What NLP finds in each of NOTES."""
    return [[(s.start, s.end, s.label) for s in note.spans or ()] for note in predict(nlp, notes)]


def describe(
    nlp: "Language", verdict: dict[str, Any], evaluation: dict[str, Any], generator: str, annotator: str
) -> dict[str, Any]:
    """What meta.json says for people: how the data were made, the gate's verdict, the scores, the limits."""
    try:
        scores = evaluation["systems"]["student"]["scores"]
        strict = {scope: scores[scope]["strict"] for scope in ("micro", *_labels(nlp)) if scope in scores}
        micro, n_gold = strict.pop("micro"), evaluation["n_notes"]
    except KeyError as e:
        raise UserError(f"the evaluation has no {e} of the student", "Run the `evaluate` step") from None
    notes = [
        f"- Data: {verdict['counts']['n_released']} synthetic notes written by generator `{generator}`, labelled by "
        f"annotator `{annotator}`. No real note is in the training data of this pipeline.",
        f"- Privacy gate: {verdict['verdict']} ({verdict['policy']}). Evidence for the person who decides, no proof. "
        f"Not shown: {verdict['shows_not']}.",
        *(f"- {label}: strict F1 {_score(score)} on {n_gold} gold notes." for label, score in strict.items()),
        "- Limits: scores are those of one source of notes; not a medical device, not for decisions about a patient.",
    ]
    return {
        "description": f"{', '.join(_labels(nlp))} in clinical notes; strict F1 {_score(micro)} on {n_gold} gold notes",
        "notes": "\n".join(notes),
        "sources": [{"name": f"synthetic notes ({generator}), labels ({annotator})"}],
        "performance": _performance(micro) | {"ents_per_type": {k: _performance(v, "") for k, v in strict.items()}},
    }


def write_manifest_of(wheel: Path, inputs: dict[str, Path], counts: dict[str, Any]) -> None:
    """Say in packages/manifest.json what WHEEL was made of, and that it may leave."""
    made = {"file": wheel.name, "sha256": sha256_of(wheel), "sensitivity": "released", "scan": counts | {"n_found": 0}}
    hashes = {which: sha256_of(path) for which, path in inputs.items()}
    write_json(wheel.parent / "manifest.json", made | {"inputs": hashes, "versions": versions()})


def _labels(nlp: "Language") -> list[str]:
    return sorted({label for _, pipe in nlp.pipeline for label in getattr(pipe, "labels", ())})


def _score(strict: dict[str, Any]) -> str:
    if strict["f1"] is None:
        return "undefined"
    low, high = strict["ci95"]
    return f"{strict['f1']:.3f} (95 % {low:.3f} to {high:.3f})" if low is not None else f"{strict['f1']:.3f}"


def _performance(strict: dict[str, Any], prefix: str = "ents_") -> dict[str, Any]:
    return {f"{prefix}{m[0]}": strict[m] for m in ("precision", "recall", "f1")}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path} does not exist", "Run the step that makes it")
    return json.loads(path.read_text(encoding="utf8"))


if __name__ == "__main__":
    run_step(main)
