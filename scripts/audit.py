"""Decide whether the synthetic notes may leave."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm
from wasabi import msg

from scripts.notes.errors import UserError
from scripts.notes.files import atomic_write, manifest_path, sha256_of, write_json, write_manifest
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.step import Arg, Opt, run_step
from scripts.privacy.check import Evidence
from scripts.privacy.collect import IdentifierPolicy, load_identifier_policy
from scripts.privacy.gate import CHECKS, Report, hash_of_files_named, load_policy, not_passed, run_gate
from scripts.privacy.provenance import hashes
from scripts.privacy.told import private_things_in
from scripts.scoring.pages import render_audit


def main(
    synthetic: Path = Arg(..., help="Notes that `generate` wrote (JSONL)"),
    released: Path = Arg(..., help="Where the notes go that may leave; only on a pass (JSONL)"),
    audit: Path = Arg(..., help="The verdict (JSON); always written"),
    private: Path = Opt(..., help="Notes that the generator was adapted on (JSONL)"),
    holdout: Path = Opt(..., help="Private notes of other patients (JSONL)"),
    gold: Path = Opt(..., help="Notes with human labels, of yet other patients (JSONL)"),
    generator: Path = Opt(..., help="Folder that `adapt` wrote"),
    canaries: Path = Opt(None, help="Invented notes, planted or not, that `prepare` wrote (JSONL)"),
    control: Path = Opt(None, help="Notes of a generator that saw the canaries many times, if there is one (JSONL)"),
    config: Path = Opt(..., help="The gate's policy: configs/audit*.cfg"),
    page: Path = Opt(..., help="The verdict for the person who signs (HTML); always written"),
    seed: int = Opt(0),
):
    """Run the gate on the SYNTHETIC notes and write those that pass to RELEASED; anything but a pass writes none."""
    # What an earlier pass left must not outlive this run, however it ends.
    for stale in (released, manifest_path(released), audit, page, manifest_path(page)):
        stale.unlink(missing_ok=True)
    files = {"synthetic": synthetic, "private": private, "holdout": holdout, "gold": gold}
    files |= {"canaries": canaries} if canaries else {}
    others = {"generator": generator, "config": config} | ({"control": control} if control else {})
    try:
        policy = load_policy(config)
        notes = {name: tuple(read_notes(path)) for name, path in files.items()}
        evidence = Evidence(**notes, files=files | others, seed=seed)
        with tqdm(unit=" checks", desc="audit") as bar:
            report = run_gate(policy, evidence, bar.update)
        verdict = report.to_json() | {"config": config.as_posix(), "hashes": hashes(evidence)}
        verdict["hashes"]["policy_files"] = hash_of_files_named(config)
        refuse_private(verdict, load_identifier_policy(config), evidence)
    except BaseException as e:
        reason = str(e) if isinstance(e, UserError) else type(e).__name__
        verdict = {"verdict": "INCONCLUSIVE", "policy": config.stem, "reason": reason, "checks": []}
        write_verdict(verdict, audit, page)
        raise
    if report.verdict == "PASS":
        write_notes(released, report.released)
        write_manifest(
            released,
            inputs={"synthetic": synthetic, "config": config},
            config={"policy": policy.name},
            sensitivity="released",
            counts=verdict["counts"],
            seed=seed,
        )
        verdict["hashes"]["released"] = sha256_of(released)
    write_verdict(verdict, audit, page)
    print_report(report)
    if report.verdict != "PASS":
        raise UserError(
            f"{report.verdict} ({policy.name}): no note is released",
            f"Not passed: {', '.join(not_passed(policy, report.results)) or 'too many broken'}; {page} says why, "
            "the README under 'When the gate fails' what helps",
        )
    msg.good(f"PASS ({policy.name}): {len(report.released)} of {report.n_synthetic} notes released", released)
    msg.text(f"{rate_of_leaks(report)}. Not shown: {policy.shows_not}")


def write_verdict(verdict: Mapping[str, Any], audit: Path, page: Path) -> None:
    """Write VERDICT to AUDIT, and to PAGE for the person who signs."""
    write_json(audit, verdict)
    with atomic_write(page) as stream:
        stream.write(render_audit(verdict))
    # Only the door says that a page may leave: packages/manifest.json.
    write_manifest(page, inputs={"audit": audit}, config={}, sensitivity="synthetic", counts={})


def refuse_private(verdict: Mapping[str, Any], policy: IdentifierPolicy, evidence: Evidence) -> None:
    """A UserError if VERDICT, which is to hold numbers and ids of synthetic notes, tells of a private note."""
    notes = (*evidence.private, *evidence.holdout, *evidence.gold)
    if found := private_things_in(verdict, policy, notes, {*CHECKS, *(note.id for note in evidence.synthetic)}):
        raise UserError(
            f"a check tells {', '.join(sorted(found))} of a private note: its report is not written",
            "This is a fault of the check",
        )


def rate_of_leaks(report: Report) -> str:
    """What the notes that had to be dropped or mended, or that there were none, prove of the generator."""
    broken = report.to_json()["counts"]["broken"]
    low, high = broken["ci95"]
    bounds = f"{low:.1%} to {high:.1%}" if broken["count"] else f"at most {high:.1%} (3/n)"
    return f"{broken['count']} of {broken['n']} notes broke a check: of all that it writes, {bounds} would (95 %)"


def print_report(report: Report) -> None:
    """Print each check's verdict and why notes were dropped or mended."""
    msg.table([(r.id, r.name, r.verdict.replace("_", " ").lower()) for r in report.results])
    for result in report.results:
        if result.verdict == "INCONCLUSIVE":
            msg.warn(f"{result.id} {result.meaning.split('. ')[0]}")
    for reason, count in report.replaced.most_common():
        msg.info(f"identifiers replaced in {count}: {reason}")
    for reason, count in report.dropped.most_common():
        msg.info(f"dropped {count}: {reason}")
    if report.too_many_broken:
        msg.warn(f"More than {report.policy.max_dropped:.0%} of the notes break a check: this generator remembers")


if __name__ == "__main__":
    run_step(main)
