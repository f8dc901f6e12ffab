"""Put the gate on trial with planted faults and with clean notes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm
from wasabi import msg

from scripts.corpora.read import read_corpus
from scripts.notes.errors import UserError
from scripts.notes.files import write_json
from scripts.notes.step import Arg, Opt, load_config, run_step
from scripts.privacy.collect import load_identifier_policy
from scripts.privacy.faults import DOOR, all_faults
from scripts.privacy.gate import load_policy
from scripts.privacy.proof import Alarms, Curve, Setting, Tally, count_alarms, curves, listed, quick, try_faults

SIGNIFICANT = 0.05  # more false alarms than alpha explains


def main(
    proof: Path = Arg(..., help="What was caught, and how often clean notes failed (JSON); always written"),
    corpus: Path = Opt(Path("configs/corpus/shipped.cfg"), help="configs/corpus/*.cfg: notes that may be seen"),
    policy: Path = Opt(Path("configs/audit_small.cfg"), help="The gate's policy: configs/audit*.cfg"),
    n_faults: int = Opt(5, help="Private patients for each of whom every fault is planted"),
    n_clean: int = Opt(20, help="Clean resamples; 0 leaves them out"),
    seed: int = Opt(0),
):
    """Plant every fault of the policy into clean notes of CORPUS, and let the gate judge clean ones; fail on a miss.

    G4's neural model is left out: it would take most of the time.
    """
    setting = read_setting(corpus, policy)
    with tqdm(total=n_faults, unit=" patients", desc="faults") as bar:
        tallies = try_faults(setting, all_faults(), n_faults, seed, bar.update)
    with tqdm(total=n_clean, unit=" resamples", desc="clean") as bar:
        alarms = count_alarms(setting, n_clean, seed, bar.update)
    write_json(proof, report(setting, tallies, alarms) | {"corpus": corpus.as_posix(), "seed": seed})
    print_matrix(listed(tallies))
    print_sizes(curves(tallies))
    print_alarms(alarms)
    if missed := [tally.fault for tally in listed(tallies) if tally.is_missed]:
        raise UserError(
            f"{len(missed)} planted faults were missed: {', '.join(missed)}", f"{proof} says by which check"
        )
    if (p := alarms.p_above(setting.policy.alpha)) < SIGNIFICANT:
        raise UserError(
            f"{alarms.verdicts['FAIL']} of {alarms.n} clean resamples fail, more than alpha explains (p {p:.2g})",
            f"{proof} says by which checks",
        )
    msg.good(
        f"{len(listed(tallies))} faults of {n_faults} patients: all that a check must catch are caught by it", proof
    )


def read_setting(corpus: Path, policy: Path) -> Setting:
    """The notes that the config CORPUS names, all of them, and the POLICY that is put on trial."""
    settings = load_config(corpus)
    try:
        source, lang = settings["notes"], settings["vars"]["lang"]
        notes = list(read_corpus(Path(source["path"]), source["format"]))
    except KeyError as e:
        raise UserError(f"{corpus} has no {e}", "Compare it with configs/corpus/shipped.cfg") from None
    return Setting(notes, lang, quick(load_policy(policy)), load_identifier_policy(policy), policy)


def report(setting: Setting, tallies: Sequence[Tally], alarms: Alarms) -> dict[str, Any]:
    """What metrics/gate_proof.json holds: numbers and the names of faults."""
    return {
        "policy": setting.policy.name,
        "config": setting.config.as_posix(),
        "n_notes": len(setting.notes),
        "faults": [tally.to_json() for tally in listed(tallies)],
        "sizes": [curve.to_json() for curve in curves(tallies)],
        "clean": alarms.to_json(),
    }


def print_matrix(tallies: Sequence[Tally]) -> None:
    """Print how often each check caught each fault; the one that must in brackets."""
    ids = sorted({id for tally in tallies for id in (*tally.caught, tally.expected) if id not in (None, DOOR)})
    rows = [[tally.fault, *(_cell(tally, id) for id in (*ids, DOOR)), _said(tally)] for tally in tallies]
    header = [f"caught, of {tallies[0].n}", *ids, DOOR, ""]
    msg.table(rows, header=header, divider=True, max_col=60, aligns=["l", *"r" * (len(ids) + 1), "l"])


def print_sizes(found: Sequence[Curve]) -> None:
    """Print the smallest size of each fault that is found in 95 % of the tries, with the interval there."""
    rows = []
    for curve in found:
        if curve.smallest is None:
            rows.append([curve.fault, "none", curve.unit, "", ""])
            continue
        there = curve.to_json()["sizes"][list(curve.tallies).index(curve.smallest)]
        low, high = there["ci95"]
        rows.append(
            [curve.fault, curve.smallest, curve.unit, f"{there['count']} of {there['n']}", f"{low:.2f}–{high:.2f}"]
        )
    header = ["smallest found in 95 %", "size", "unit", "found", "95 %"]
    msg.table(rows, header=header, divider=True, max_col=60, aligns=["l", "r", "l", "r", "r"])


def print_alarms(alarms: Alarms) -> None:
    """Print how many clean resamples failed or were not decided, with upper bounds, and by which checks."""
    counted = alarms.to_json()
    for verdict in ("FAIL", "INCONCLUSIVE"):
        most = counted[verdict]["ci95"][1]
        msg.info(f"clean: {alarms.verdicts[verdict]} of {alarms.n} {verdict}, at most {most:.1%} (95 %)")
    if alarms.checks:
        msg.text(", ".join(f"{check} {n}" for check, n in sorted(alarms.checks.items())))
    msg.text(f"Of {alarms.n_notes} clean notes {alarms.n_dropped} were dropped before that")


def _cell(tally: Tally, id: str) -> str:
    n = tally.caught.get(id, 0)
    return f"[{n}]" if id == tally.expected else f" {n} " if n else " · "


def _said(tally: Tally) -> str:
    if tally.expected is None:
        return "not seen, by design" if not tally.n_caught else "seen by chance"
    return "MISSED" if tally.is_missed else ""


if __name__ == "__main__":
    run_step(main)
