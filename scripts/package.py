"""The only door: the wheel, without a trace of the notes that stay inside, and everything else that leaves with it."""

import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm
from wasabi import msg

from scripts.annotators.load import load_annotator, predict
from scripts.notes.errors import UserError
from scripts.notes.files import (
    atomic_write,
    manifest_path,
    read_manifest,
    sensitivity_of,
    sha256_of,
    versions,
    write_json,
)
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note
from scripts.notes.step import Arg, Opt, run_step
from scripts.privacy.check import Evidence
from scripts.privacy.collect import load_identifier_policy
from scripts.privacy.datasheet import make_datasheet
from scripts.privacy.documents import documents_in
from scripts.privacy.gate import hash_of_files_named, load_policy
from scripts.privacy.sbom import make_sbom
from scripts.privacy.scan import Finding, Scanner
from scripts.privacy.scrub import scrub_pipeline
from scripts.privacy.wheel import ask_wheel, build_wheel

if TYPE_CHECKING:
    from spacy.language import Language

SBOM, SUMS, MANIFEST = "sbom.cdx.json", "sha256sums.txt", "manifest.json"
N_TRIAL = 50  # released notes on which the scrubbed pipeline and the wheel must answer as the trained one does


def main(
    model: Path = Arg(..., help="The trained student (training/ner/model-best)", exists=True),
    packages: Path = Arg(..., help="Folder for the wheel, its bill of materials, and the hashes of all that may leave"),
    name: str = Opt(..., help="Name of the package, without the language"),
    version: str = Opt(...),
    audit: Path = Opt(..., help="What the gate said (metrics/audit.json)"),
    released: Path = Opt(..., help="Notes that passed the gate (JSONL)"),
    private: Path = Opt(..., help="Notes to look for (JSONL)"),
    holdout: Path = Opt(..., help="Notes to look for (JSONL)"),
    gold: Path = Opt(..., help="Notes to look for (JSONL)"),
    canaries: Path = Opt(..., help="Canaries to look for; empty where there are none (JSONL)"),
    synthetic: Path = Opt(..., help="Notes that the gate was given, for their manifest (JSONL)"),
    silver: Path = Opt(..., help="Folder of the released notes' labels"),
    evaluation: Path = Opt(..., help="The student's scores (metrics/evaluation.json)"),
    leaves: list[Path] = Opt([], help="What else leaves: files, or folders without those below; may be given often"),
    generator: str = Opt("unnamed", help="Name of the generator's config, for the description"),
    annotator: str = Opt("unnamed", help="Name of the annotator's config, for the description"),
    licence: str = Opt("MIT", "--license"),
):
    """Scrub MODEL, build its wheel, search all that leaves for private text, and try the wheel; or leave no wheel.

    Only what PACKAGES/manifest.json lists may leave. A refusal leaves no such list, and no file in which something was
    found goes on saying that it is released: its manifest is removed, and the step that made it must run again.
    """
    if not name.isidentifier():
        raise UserError(f"the name {name} cannot be imported", "Use letters, digits and underscores")
    for stale in (*packages.glob("*.whl"), *(packages / made for made in (SBOM, SUMS, MANIFEST))):
        stale.unlink(missing_ok=True)
    files = {"private": private, "holdout": holdout, "gold": gold, "released": released}
    verdict = check_audit(audit, files, synthetic, silver)
    documents = documents_in([released, silver, *leaves])
    notes = {which: tuple(read_notes(path)) for which, path in files.items()}
    look_again(Path(verdict["config"]), notes, released)
    nlp = load_annotator(model)
    scores = _read(evaluation)
    meta = describe(nlp, verdict, scores, generator, annotator)
    made = make_datasheet(verdict, scores, read_manifest(synthetic), read_manifest(silver), generator, annotator)
    meta |= {"name": name, "version": version, "license": licence, "datasheet": made}
    trial = notes.pop("released")
    policy, looked_for = load_identifier_policy(Path(verdict["config"])), chain(*notes.values())
    scanner = Scanner(policy, looked_for, trial, nlp.lang, read_notes(canaries))
    with tempfile.TemporaryDirectory() as scratch:
        wheel, counts = make_wheel(nlp, meta, scanner, trial[:N_TRIAL], Path(scratch))
        write_json(wheel.with_name(SBOM), make_sbom(wheel))
        beside = [wheel, wheel.with_name(SBOM)]
        inputs = {"model": model, "audit": audit, **files}
        n_texts = search([*documents, wheel.with_name(SBOM)], scanner, nlp)
        counts |= {"n_documents": len(documents) + 1, "n_texts": n_texts}
        manifest = describe_door(beside, documents, inputs, counts)
        write_json(wheel.with_name(MANIFEST), manifest)
        search([wheel.with_name(MANIFEST)], scanner, nlp)
        packages.mkdir(parents=True, exist_ok=True)
        with atomic_write(packages / SUMS) as stream:
            stream.writelines(f"{sha256_of(path)}  {path.name}\n" for path in (*beside, wheel.with_name(MANIFEST)))
        for path in (*beside, wheel.with_name(MANIFEST)):
            shutil.copy(path, packages)
    what = f"{counts['n_members']} members of the wheel and {counts['n_documents']} other files searched"
    msg.good(f"{what} for {counts['n_identifiers']} identifiers, 0 found", packages / wheel.name)


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
    _refuse(findings, "Find out how it came into the model before you train again")
    if ask_wheel(wheel, [note.text for note in trial]) != expected:
        raise UserError("the installed wheel answers otherwise than the pipeline", "This is a fault of ours")
    return wheel, counts


def search(documents: Sequence[Path], scanner: Scanner, nlp: "Language") -> int:
    """How many texts of DOCUMENTS were searched; a UserError if anything was found in them, which are `withdraw`n."""
    labels, n_texts = _labels(nlp), 0
    findings: dict[Path, list[Finding]] = {}
    for path in tqdm(documents, unit=" files", desc="scan"):
        findings[path], n = scanner.scan_documents([path], labels)
        n_texts += n
    for path in (path for path, found in findings.items() if found):
        withdraw(path)
    _refuse([*chain(*findings.values())], "Find out how it came there; the step that made it must run again")
    return n_texts


def withdraw(path: Path) -> None:
    """Remove the manifest that vouches for PATH, its own or its folder's: without one a file counts as private."""
    for manifest in (manifest_path(path), path.with_name("manifest.json")):
        manifest.unlink(missing_ok=True)


def _refuse(findings: Iterable[Finding], remedy: str) -> None:
    if findings:
        shown = "; ".join(sorted({f"{finding.what} in {finding.member}" for finding in findings})[:5])
        raise UserError(f"no wheel: {shown}", remedy)


def look_again(config: Path, notes: dict[str, tuple[Note, ...]], released: Path) -> None:
    """A UserError unless G1 of the policy CONFIG passes on the released of NOTES, whatever the verdict's file says.

    The file RELEASED is then `withdraw`n.
    """
    policy = load_policy(config)
    evidence = Evidence(notes["private"], notes["holdout"], notes["gold"], notes["released"])
    looked = [check(evidence) for check in policy.checks if check.id == "G1"]
    if not looked or any(result.verdict != "PASS" for result in looked):
        withdraw(released)
        said = looked[0].verdict if looked else "not in the policy"
        raise UserError(f"the released notes do not pass G1 ({said})", "Run the `audit` step again")


def check_audit(audit: Path, files: dict[str, Path], synthetic: Path, silver: Path) -> dict[str, Any]:
    """The verdict in AUDIT; a UserError unless it is a PASS on these very FILES, and SILVER their labels."""
    verdict = _read(audit)
    if verdict.get("verdict") != "PASS":
        raise UserError(f"the gate said {verdict.get('verdict')}: nothing is packaged", "Run the `audit` step")
    if sensitivity_of(files["released"]) != "released":
        raise UserError(f"{files['released']} is not marked as released", "Run the `audit` step again")
    for which, path in {**files, "synthetic": synthetic, "config": Path(verdict["config"])}.items():
        if not path.is_file() or verdict["hashes"].get(which) != sha256_of(path):
            raise UserError(f"{path} is not the file that was audited", "Run the `audit` step again")
    if verdict["hashes"].get("policy_files") != hash_of_files_named(Path(verdict["config"])):
        raise UserError("a file that the policy names is not the one of the audit", "Run the `audit` step again")
    if read_manifest(silver)["inputs"].get("released") != verdict["hashes"]["released"]:
        raise UserError(f"{silver} labels other notes than those that were released", "Run the `annotate` step again")
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


def describe_door(
    beside: Sequence[Path], documents: Sequence[Path], inputs: dict[str, Path], counts: dict[str, Any]
) -> dict[str, Any]:
    """What packages/manifest.json says: the wheel and what lies beside it, the other files that may leave, and how."""
    wheel = beside[0]
    return {
        "file": wheel.name,
        "sha256": sha256_of(wheel),
        "sensitivity": "released",
        "scan": counts | {"n_found": 0},
        "files": {path.name: sha256_of(path) for path in beside},
        "documents": {_shown(path): sha256_of(path) for path in documents},
        "inputs": {which: sha256_of(path) for which, path in inputs.items()},
        "versions": versions(),
    }


def _shown(path: Path) -> str:
    """PATH as a manifest may name it: no folder outside the project."""
    here = Path.cwd()
    inside = path.resolve().is_relative_to(here)
    return path.resolve().relative_to(here).as_posix() if inside else path.name


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
