"""Decide whether the synthetic notes may leave."""

from pathlib import Path

from tqdm import tqdm
from wasabi import msg

from scripts.notes.errors import UserError
from scripts.notes.files import manifest_path, sha256_of, write_json, write_manifest
from scripts.notes.jsonl import read_notes, write_notes
from scripts.notes.step import Arg, Opt, run_step
from scripts.privacy.check import Evidence
from scripts.privacy.gate import Report, load_policy, not_passed, run_gate
from scripts.privacy.provenance import hashes


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
    seed: int = Opt(0),
):
    """Run the gate on the SYNTHETIC notes and write those that pass to RELEASED; anything but a pass writes none."""
    # What an earlier pass left must not outlive this run, however it ends.
    for stale in (released, manifest_path(released), audit):
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
    except BaseException as e:
        reason = str(e) if isinstance(e, UserError) else type(e).__name__
        write_json(audit, {"verdict": "INCONCLUSIVE", "policy": config.stem, "reason": reason, "checks": []})
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
    write_json(audit, verdict)
    print_report(report)
    if report.verdict != "PASS":
        raise UserError(
            f"{report.verdict} ({policy.name}): no note is released",
            f"Not passed: {', '.join(not_passed(policy, report.results)) or 'too many dropped'}; {audit} says why",
        )
    msg.good(f"PASS ({policy.name}): {len(report.released)} of {report.n_synthetic} notes released", released)
    msg.text(f"{rate_of_leaks(report)}. Not shown: {policy.shows_not}")


def rate_of_leaks(report: Report) -> str:
    """What the notes that had to be dropped, or that there were none, prove of the generator."""
    dropped = report.to_json()["counts"]["dropped"]
    low, high = dropped["ci95"]
    bounds = f"{low:.1%} to {high:.1%}" if dropped["count"] else f"at most {high:.1%} (3/n)"
    return f"{dropped['count']} of {dropped['n']} notes broke a check: of all that it writes, {bounds} would (95 %)"


def print_report(report: Report) -> None:
    """Print each check's verdict and why notes were dropped."""
    msg.table([(r.id, r.name, r.verdict.replace("_", " ").lower()) for r in report.results])
    for result in report.results:
        if result.verdict == "INCONCLUSIVE":
            msg.warn(f"{result.id} {result.meaning.split('. ')[0]}")
    for reason, count in report.dropped.most_common():
        msg.info(f"dropped {count}: {reason}")
    if report.too_many_dropped:
        msg.warn(f"More than {report.policy.max_dropped:.0%} of the notes would have to be dropped")


if __name__ == "__main__":
    run_step(main)
