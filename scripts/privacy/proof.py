"""The gate on trial: whether planted faults are caught, the smallest that are, and how often clean notes fail."""

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path
from typing import Any

from scripts.notes.note import Note

from .check import Result
from .collect import IdentifierPolicy
from .distance import NeighbourDistance
from .faults import DOOR, SIZED, Breach, Fault, Leak, Trace
from .figures import share
from .gate import Policy, Report, correct, run_checks, run_gate
from .membership import Membership
from .scan import Scanner
from .stand_in import Case, draw_evidence, make_case, settle, sizes_of
from .verbatim import VerbatimRuns

FOUND = 0.95  # of the tries: what counts as the smallest fault that is found
UNLISTED = frozenset(s.make(size).name for s in SIZED for size in s.sizes if size not in s.listed)
HARMLESS = "Xqvw Wqzk"  # nobody's name


@dataclass(frozen=True)
class Setting:
    """What every try needs: the stand-in's NOTES in LANG, the POLICY read from CONFIG, its list of IDENTIFIERS."""

    notes: Sequence[Note]
    lang: str
    policy: Policy
    identifiers: IdentifierPolicy
    config: Path


@dataclass(frozen=True)
class Tally:
    """In how many of N tries each check caught FAULT; EXPECTED must in all of them, None: no check sees it."""

    fault: str
    expected: str | None
    n: int
    caught: Mapping[str, int]

    @property
    def n_caught(self) -> int:
        """By the check that is expected to, or by any where none is."""
        return self.caught.get(self.expected, 0) if self.expected else max(self.caught.values(), default=0)

    @property
    def is_missed(self) -> bool:
        """Whether the check that must catch the fault let it pass at least once."""
        return self.expected is not None and self.n_caught < self.n

    def to_json(self) -> dict[str, Any]:
        """The row as it stands in metrics/gate_proof.json."""
        return {
            "fault": self.fault,
            "expected": self.expected,
            "caught_by": dict(self.caught),
            "caught": share(self.n_caught, self.n),
            "missed": self.is_missed,
        }


@dataclass(frozen=True)
class Curve:
    """How often a fault of each size was caught by the check that must, from the smallest size to the largest."""

    fault: str
    unit: str
    tallies: Mapping[float, Tally]

    @property
    def smallest(self) -> float | None:
        """The smallest size that is found, as all larger ones are, in 95 % of the tries; None if the largest is not."""
        found = None
        for size, tally in reversed(self.tallies.items()):
            if tally.n_caught < FOUND * tally.n:
                break
            found = size
        return found

    def to_json(self) -> dict[str, Any]:
        """The fault as it stands in metrics/gate_proof.json."""
        sizes = [{"size": size, **share(tally.n_caught, tally.n)} for size, tally in self.tallies.items()]
        return {"fault": self.fault, "unit": self.unit, "smallest_found": self.smallest, "sizes": sizes}


@dataclass(frozen=True)
class Alarms:
    """The gate's verdicts on N clean resamples, and which checks failed or could not decide, after dropping."""

    n: int
    verdicts: Counter[str]
    checks: Counter[str]
    n_dropped: int
    n_notes: int

    def p_above(self, alpha: float) -> float:
        """The chance of so many FAILs or more if a clean gate fails with probability ALPHA (exact binomial test)."""
        fails = range(self.verdicts["FAIL"], self.n + 1)
        return sum(comb(self.n, k) * alpha**k * (1 - alpha) ** (self.n - k) for k in fails)

    def to_json(self) -> dict[str, Any]:
        """The false alarms as they stand in metrics/gate_proof.json."""
        shares = {verdict: share(self.verdicts[verdict], self.n) for verdict in ("FAIL", "INCONCLUSIVE")}
        return {**shares, "checks": dict(self.checks), "notes_dropped": share(self.n_dropped, self.n_notes)}


def quick(policy: Policy) -> Policy:
    """POLICY without what decides nothing (G7, a figure of G2), and without G4's neural model, which takes longest."""
    checks = []
    for check in policy.checks:
        if isinstance(check, Membership):
            check = replace(check, neural_tokens=None)
        elif isinstance(check, VerbatimRuns):
            check = replace(check, n_lcs_notes=0)
        if not isinstance(check, NeighbourDistance):
            checks.append(check)
    required = tuple(id for id in policy.required if id != NeighbourDistance.id)
    return replace(policy, checks=tuple(checks), required=required)


def try_faults(
    setting: Setting, faults: Sequence[Fault], n: int, seed: int, on_try: Callable[[], object] = lambda: None
) -> list[Tally]:
    """What each check caught of each of FAULTS, planted for N private patients of as many draws of the stand-in.

    ON_TRY is called after each of them.
    """
    caught: dict[str, Counter[str]] = {fault.name: Counter() for fault in faults}
    kinds = {kind: [fault for fault in faults if isinstance(fault, kind)] for kind in (Leak, Breach, Trace)}
    for number in range(n):
        draw = random.Random(f"{seed} {number}")
        evidence = draw_evidence(setting.notes, draw.getrandbits(32), sizes_of(setting.notes))
        with tempfile.TemporaryDirectory() as folder:
            case = make_case(evidence, setting.identifiers.meta, draw.getrandbits(32))
            case = replace(case, evidence=settle(case.evidence, Path(folder), setting.config))
            for name, checks in (
                *_try_leaks(setting.policy, case, [leak for leak in kinds[Leak] if not leak.is_copy], draw),
                *_try_leaks(setting.policy, case, [leak for leak in kinds[Leak] if leak.is_copy], draw),
                *_try_traces(setting, case, kinds[Trace], Path(folder)),
                *_try_breaches(setting.policy, case, kinds[Breach], draw),
            ):
                caught[name].update(checks)
        on_try()
    return [Tally(fault.name, fault.check, n, caught[fault.name]) for fault in faults]


def listed(tallies: Iterable[Tally]) -> list[Tally]:
    """Those of the faults that the policy lists: of the sized ones, its sizes alone."""
    return [tally for tally in tallies if tally.fault not in UNLISTED]


def curves(tallies: Iterable[Tally]) -> list[Curve]:
    """The faults among TALLIES that have sizes."""
    by_name = {tally.fault: tally for tally in tallies}
    sized = [(s, {size: by_name.get(s.make(size).name) for size in s.sizes}) for s in SIZED]
    return [Curve(s.name, s.unit, found) for s, found in sized if None not in found.values()]


def count_alarms(setting: Setting, n: int, seed: int, on_try: Callable[[], object] = lambda: None) -> Alarms:
    """The whole gate on N clean resamples, dropping included; ON_TRY is called after each."""
    verdicts, checks, n_dropped, n_notes = Counter(), Counter(), 0, 0
    for number in range(n):
        report = judge_clean(setting, random.Random(f"clean {seed} {number}").getrandbits(32))
        verdicts[report.verdict] += 1
        checks.update(f"{r.id} {r.verdict}" for r in report.results if r.verdict in ("FAIL", "INCONCLUSIVE"))
        checks.update(["too many broken"] if report.too_many_broken else [])
        n_dropped, n_notes = n_dropped + report.dropped.total(), n_notes + report.n_synthetic
        on_try()
    return Alarms(n, verdicts, checks, n_dropped, n_notes)


def judge_clean(setting: Setting, seed: int) -> Report:
    """The gate's report on one clean resample: other patients of one pool as private, holdout and synthetic."""
    evidence = draw_evidence(setting.notes, seed, sizes_of(setting.notes))
    with tempfile.TemporaryDirectory() as folder:
        return run_gate(setting.policy, settle(evidence, Path(folder), setting.config))


def _try_leaks(
    policy: Policy, case: Case, leaks: Sequence[Leak], draw: random.Random
) -> Iterable[tuple[str, set[str]]]:
    """Each of LEAKS with the checks that name its note, all of them planted at once."""
    if not leaks:
        return
    notes = [leak.plant(case, draw, f"leak-{i}") for i, leak in enumerate(leaks)]
    evidence = replace(case.evidence, synthetic=(*case.evidence.synthetic, *notes))
    results = _results(policy, replace(case, evidence=evidence))
    for leak, note in zip(leaks, notes, strict=True):
        yield leak.name, {result.id for result in results if note.id in result.offenders}


def _try_breaches(
    policy: Policy, case: Case, breaches: Sequence[Breach], draw: random.Random
) -> Iterable[tuple[str, set[str]]]:
    """Each of BREACHES with the checks that do not pass on it and said otherwise of the clean evidence."""
    clean = {result.id: result for result in _results(policy, case)} if breaches else {}
    for breach in breaches:
        # Of the sizes that are not on the policy's list nothing is asked but whether the check sees them that must; the
        # tests of others have a part in Holm's correction.
        asked = [
            c for c in policy.checks if breach.name not in UNLISTED or c.id == breach.check or clean[c.id].p_values
        ]
        results = _results(replace(policy, checks=tuple(asked)), breach.make(case, draw))
        yield breach.name, {r.id for r in results if r.verdict not in ("PASS", "NOT_RUN", clean[r.id].verdict)}
        # The files of the breach must not stay for the next one.
        settle(case.evidence, case.evidence.files["synthetic"].parent, case.evidence.files["config"])


def _try_traces(setting: Setting, case: Case, traces: Sequence[Trace], folder: Path) -> Iterable[tuple[str, set[str]]]:
    """Each of TRACES, and the door if it finds the victim's name there and nothing where nobody's stands."""
    if not traces:
        return
    inside = [*case.evidence.private, *case.evidence.holdout]
    scanner = Scanner(setting.identifiers, inside, case.evidence.synthetic, setting.lang)
    for trace in traces:
        found, harmless = (_scan(scanner, trace, folder, text, case) for text in (case.victim.identity.name, HARMLESS))
        yield trace.name, {DOOR} if found and not harmless else set()


def _scan(scanner: Scanner, trace: Trace, folder: Path, text: str, case: Case) -> bool:
    """Whether the door finds anything in the file of TRACE around TEXT."""
    path = trace.write(folder, text, case)
    findings, _ = scanner.scan(path) if path.suffix == ".whl" else scanner.scan_documents([path])
    return bool(findings)


def _results(policy: Policy, case: Case) -> Sequence[Result]:
    return correct(run_checks(policy.checks, case.evidence), policy.alpha)
