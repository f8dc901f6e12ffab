"""The gate on trial on the shipped notes: every planted fault, the smallest that is found, and false alarms.

`make bench NAME=gate`; `python -m benchmarks.gate --n-faults 5 --n-clean 20` for a short one. As `prove-gate`, with
more patients and resamples. G4's neural model is left out of the policy: it would take most of the time.
"""

import time
from pathlib import Path

import typer
from tqdm import tqdm

from benchmarks.table import Row, write_table
from scripts.privacy.faults import all_faults
from scripts.privacy.proof import FOUND, Alarms, Curve, Tally, count_alarms, curves, listed, try_faults
from scripts.prove_gate import read_setting

CORPUS, POLICY = Path("configs/corpus/shipped.cfg"), Path("configs/audit_small.cfg")
N_FAULTS, N_CLEAN = 20, 200
SEED = 0
MAX_FAILS = 0.01  # of the clean resamples
WHERE = "(G4 without its neural model)"


def main(n_faults: int = N_FAULTS, n_clean: int = N_CLEAN) -> None:
    """Plant every fault for N_FAULTS patients, judge N_CLEAN clean resamples, and write metrics/bench/gate.json."""
    setting = read_setting(CORPUS, POLICY)
    start = time.process_time()
    with tqdm(total=n_faults, unit=" patients", desc="faults") as bar:
        tallies = try_faults(setting, all_faults(), n_faults, SEED, bar.update)
    middle = time.process_time()
    with tqdm(total=n_clean, unit=" resamples", desc="clean") as bar:
        alarms = count_alarms(setting, n_clean, SEED, bar.update)
    times = [("faults", middle - start, n_faults), ("clean resamples", time.process_time() - middle, n_clean)]
    rows = [*rows_of_faults(listed(tallies)), *map(row_of_sizes, curves(tallies)), *rows_of_alarms(alarms)]
    rows += [Row(f"CPU time, {what} {WHERE}", round(seconds, 1), "s", n, SEED) for what, seconds, n in times]
    write_table("gate", rows)


def rows_of_faults(tallies: list[Tally]) -> list[Row]:
    """All faults together, and each: how often the check that must catch it did, and which others."""
    must = [tally for tally in tallies if tally.expected]
    n_caught = sum(not tally.is_missed for tally in must)
    name = "planted faults caught by the right check, in every try"
    rows = [Row(name, n_caught, "faults", len(must), SEED, None, len(must), n_caught == len(must))]
    for tally in tallies:
        others = ", ".join(f"{id} {n}" for id, n in sorted(tally.caught.items()) if n and id != tally.expected)
        measure = f"{tally.fault}: {tally.expected or 'not seen, by design'}" + (f" (also {others})" if others else "")
        target = (tally.n, not tally.is_missed) if tally.expected else (None, None)
        ci95 = tuple(tally.to_json()["caught"]["ci95"])
        rows.append(Row(measure, tally.n_caught, "caught", tally.n, SEED, ci95, *target))
    return rows


def row_of_sizes(curve: Curve) -> Row:
    """The smallest size that is found, and the interval of the share that was found at it."""
    measure = f"smallest found in {FOUND:.0%} of tries: {curve.fault}"
    if curve.smallest is None:
        return Row(measure, "none", curve.unit, None, SEED)
    tally = curve.tallies[curve.smallest]
    return Row(measure, curve.smallest, curve.unit, tally.n, SEED, tuple(tally.to_json()["caught"]["ci95"]))


def rows_of_alarms(alarms: Alarms) -> list[Row]:
    """Clean resamples that failed and that were not decided, of the whole gate."""
    rows = []
    most = round(MAX_FAILS * alarms.n)
    for verdict, target in (("FAIL", most), ("INCONCLUSIVE", None)):
        count = alarms.verdicts[verdict]
        ci95 = tuple(alarms.to_json()[verdict]["ci95"])
        reached = count <= target if target is not None else None
        said = f"at most {target}" if target is not None else None
        rows.append(Row(f"clean resamples: {verdict} {WHERE}", count, "resamples", alarms.n, SEED, ci95, said, reached))
    return rows


if __name__ == "__main__":
    typer.run(main)
