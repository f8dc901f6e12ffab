"""The gate: runs the policy's checks, mends or drops what breaks them, runs them again, and never passes on a doubt."""

import hashlib
import inspect
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scripts.notes.errors import UserError
from scripts.notes.files import files_named_in, hashes_of
from scripts.notes.note import Note, Span
from scripts.notes.step import load_config

from .check import Check, Evidence, Result, Verdict
from .collect import load_identifier_policy
from .figures import holm, share
from .repair import Replacement

# Every check of the gate; those without a block in the policy are reported as not run.
CHECKS = {
    "G0": "provenance",
    "G1": "direct identifiers",
    "G2": "verbatim runs",
    "G3": "singling out, linkability, inference",
    "G4": "canaries and membership",
    "G5": "generator's loss and exposure",
    "G6": "the student wheel",
    "G7": "nearest-neighbour distance",
}
REPAIRS = ("drop", "replace")
AGAIN = " (again, after replacement)"


@dataclass(frozen=True)
class Policy:
    """CHECKS to run; REQUIRED are the ids that must pass. SHOWS_NOT says what a pass under this policy leaves open.

    A larger share of notes to mend or drop than MAX_DROPPED is a generator that remembers: repairing would hide it.
    ALPHA is the chance that a gate through which nothing leaks fails by one of its statistical tests. REPLACEMENT mends
    notes; without it they are dropped.
    """

    name: str
    shows_not: str
    max_dropped: float
    alpha: float
    required: tuple[str, ...]
    checks: tuple[Check, ...]
    replacement: Replacement | None = None


@dataclass(frozen=True)
class Report:
    """The gate's answer: the verdict, each check on the notes that are left, how many were dropped or mended for what.

    Of these N_BY_CHANCE broke a check as notes of a generator do that remembers nothing.
    """

    verdict: Verdict
    policy: Policy
    results: tuple[Result, ...]
    first: tuple[Result, ...]
    n_synthetic: int
    dropped: Counter[str]
    released: tuple[Note, ...]
    replaced: Counter[str] = field(default_factory=Counter)
    n_by_chance: int = 0

    @property
    def n_broken(self) -> int:
        """How many notes broke a check and were mended or dropped."""
        return self.dropped.total() + self.replaced.total()

    @property
    def too_many_broken(self) -> bool:
        """Whether more notes broke a check, chance apart, than the policy lets be repaired."""
        return self.n_broken - self.n_by_chance > self.policy.max_dropped * self.n_synthetic

    def to_json(self) -> dict[str, Any]:
        """What metrics/audit.json holds, less the hashes."""
        n_dropped = self.dropped.total()
        scenarios = {check.id: scenario_of(check) for check in self.policy.checks}
        return {
            "verdict": self.verdict,
            "policy": self.policy.name,
            "shows_not": self.policy.shows_not,
            "counts": {
                "n_synthetic": self.n_synthetic,
                "n_dropped": n_dropped,
                "n_dropped_by_reason": dict(self.dropped),
                "n_replaced": self.replaced.total(),
                "n_replaced_by_reason": dict(self.replaced),
                "n_by_chance": self.n_by_chance,
                "dropped": share(n_dropped, self.n_synthetic),
                "broken": share(self.n_broken, self.n_synthetic) | {"max_share": self.policy.max_dropped},
                "n_released": len(self.released) if self.verdict == "PASS" else 0,
            },
            "checks": [{**result.to_json(), "scenario": scenarios.get(result.id, "")} for result in self.results],
            "before_dropping": {result.id: result.verdict for result in self.first},
        }


def load_policy(path: Path) -> Policy:
    """The policy that the config PATH describes; a UserError where it is broken or names no check."""
    import spacy

    from . import (  # noqa: F401  registers the checks and their policies
        attributes,
        collect,
        combinations,
        distance,
        exposure,
        identifiers,
        membership,
        provenance,
        verbatim,
    )

    config = load_config(path)
    try:
        gate = dict(config["gate"])
        repair, locale = gate.pop("repair", "drop"), gate.pop("locale", None)
        checks = spacy.registry.resolve({"checks": config["checks"]})["checks"]
        policy = Policy(required=tuple(gate.pop("required")), checks=tuple(checks.values()), **gate)
    except (KeyError, TypeError, ValueError) as e:
        raise UserError(f"{path}: {type(e).__name__}: {e}", "Compare it with configs/audit_small.cfg") from None
    if not policy.required or not set(policy.required) <= set(CHECKS):
        raise UserError(f"{path}: 'required' names no check of {', '.join(CHECKS)}", "Name the checks that must pass")
    if repair not in REPAIRS or (repair == "replace" and not locale):
        raise UserError(
            f"{path}: 'repair' is none of {', '.join(REPAIRS)}, or 'locale' is missing",
            "To replace, name the locale of Faker whose names are written: es_ES, sv_SE, ...",
        )
    if repair == "replace":
        return replace(policy, replacement=Replacement(load_identifier_policy(path), locale))
    return policy


def hash_of_files_named(path: Path) -> str:
    """One sha256 over all files that the policy at PATH names: number formats, an index, public names."""
    found = hashes_of(files_named_in(load_config(path)))
    return hashlib.sha256("".join(sorted(found.values())).encode()).hexdigest()


def run_gate(policy: Policy, evidence: Evidence, on_check: Callable[[], object] = lambda: None) -> Report:
    """The report on EVIDENCE under POLICY; only a report whose verdict is PASS may lead to released notes.

    Notes that break a check are mended, where the policy replaces and all that breaks it is marked, or else dropped.
    All checks then run again. If any note was mended, those that break one now are dropped, and the checks run for the
    last time. ON_CHECK is called after each check, of which there may be three rounds.
    """

    def look(at: Evidence) -> tuple[Result, ...]:
        return correct(run_checks(policy.checks, at, on_check), policy.alpha)

    results = first = look(evidence)
    broken = reasons = reasons_of(first)
    left, by_chance, dropped, mended = evidence, chance_in(first), {}, {}
    if policy.replacement and (mended := policy.replacement(evidence, marks_of(first))):
        dropped = {id: reason for id, reason in broken.items() if id not in mended}
        left = _with_synthetic(left, (mended.get(n.id, n) for n in left.synthetic if n.id not in dropped))
        results = look(left)
        reasons = {id: f"{why}{AGAIN}" if id in mended else why for id, why in reasons_of(results).items()}
        by_chance = by_chance.difference(reasons)
    if reasons:
        dropped |= reasons
        left = _with_synthetic(left, (note for note in left.synthetic if note.id not in reasons))
        results = look(left)
    report = Report(
        judge(policy, results),
        policy,
        results,
        first,
        n_synthetic=len(evidence.synthetic),
        dropped=Counter(dropped.values()),
        released=left.synthetic,
        replaced=Counter(broken[id] for id in mended if id not in dropped),
        n_by_chance=len(by_chance),
    )
    return replace(report, verdict="FAIL") if report.too_many_broken else report


def _with_synthetic(evidence: Evidence, notes: Iterable[Note]) -> Evidence:
    return replace(evidence, synthetic=tuple(notes))


def reasons_of(results: Sequence[Result]) -> dict[str, str]:
    """The notes that break a check of RESULTS, each with the reason of the first one."""
    return {id: reason for result in reversed(results) for id, reason in result.offenders.items()}


def chance_in(results: Sequence[Result]) -> set[str]:
    """The notes that break checks of RESULTS by chance alone."""
    beyond = {id for result in results for id in result.offenders if id not in result.by_chance}
    return {id for result in results for id in result.by_chance} - beyond


def marks_of(results: Sequence[Result]) -> dict[str, list[Span]]:
    """The marks in the notes that break checks of RESULTS, where every check has some: nothing else can be mended."""
    marks: dict[str, list[Span]] = defaultdict(list)
    for result in results:
        for id in result.offenders:
            marks[id] += result.marks.get(id, ())
    unmarked = {id for result in results for id in result.offenders if id not in result.marks}
    return {id: found for id, found in marks.items() if id not in unmarked}


def run_checks(
    checks: Sequence[Check], evidence: Evidence, on_check: Callable[[], object] = lambda: None
) -> tuple[Result, ...]:
    """Each check's result in the order of CHECKS, NOT_RUN for those that have none; an exception is INCONCLUSIVE."""
    empty = [side for side in ("private", "holdout", "synthetic") if not getattr(evidence, side)]
    results = {}
    for check in checks:
        if empty:
            meaning = f"Not decided: there are no {' and no '.join(empty)} notes."
            results[check.id] = Result(check.id, check.name, "INCONCLUSIVE", {}, meaning)
            continue
        try:
            results[check.id] = check(evidence)
        except Exception as e:  # a check that breaks has not passed, whatever broke it
            results[check.id] = Result(check.id, check.name, "INCONCLUSIVE", {}, f"Not decided: {_where(e)}")
        on_check()
    return tuple(results.get(id) or Result(id, name, "NOT_RUN", {}, "Not run.") for id, name in CHECKS.items())


def correct(results: Sequence[Result], alpha: float) -> tuple[Result, ...]:
    """RESULTS, failed where one of their p-values is below ALPHA after Holm's correction over all of them."""
    adjusted = iter(holm([p for result in results for p in result.p_values.values()]))
    is_significant = [any([next(adjusted) < alpha for _ in result.p_values]) for result in results]
    return tuple(replace(r, verdict="FAIL") if s else r for r, s in zip(results, is_significant, strict=True))


def judge(policy: Policy, results: Sequence[Result]) -> Verdict:
    """FAIL if any check failed; PASS if none stands in the way; else INCONCLUSIVE."""
    if any(result.verdict == "FAIL" for result in results):
        return "FAIL"
    return "INCONCLUSIVE" if not_passed(policy, results) else "PASS"


def not_passed(policy: Policy, results: Sequence[Result]) -> list[str]:
    """The checks that stand in the way: required ones that did not pass, and others that failed or could not decide."""
    return [r.id for r in results if r.verdict != "PASS" and (r.id in policy.required or r.verdict != "NOT_RUN")]


def scenario_of(check: Check) -> str:
    """What the attacker of CHECK says: the first paragraph of its class docstring."""
    return " ".join((inspect.getdoc(type(check)) or "").split("\n\n")[0].split()).strip('" ')


def _where(error: Exception) -> str:
    """What broke, without the message of an error that is not ours: it could hold text."""
    if isinstance(error, UserError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
