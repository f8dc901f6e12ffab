"""The gate: runs the policy's checks, drops the notes that break them, runs once more, and never passes on a doubt."""

import hashlib
import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.notes.errors import UserError
from scripts.notes.files import files_named_in, hashes_of
from scripts.notes.note import Note
from scripts.notes.step import load_config

from .check import Check, Evidence, Result, Verdict
from .figures import holm, share

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


@dataclass(frozen=True)
class Policy:
    """CHECKS to run; REQUIRED are the ids that must pass. SHOWS_NOT says what a pass under this policy leaves open.

    A larger share of notes to drop than MAX_DROPPED is a generator that remembers: repairing would hide it. ALPHA is
    the chance that a gate through which nothing leaks fails by one of its statistical tests.
    """

    name: str
    shows_not: str
    max_dropped: float
    alpha: float
    required: tuple[str, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Report:
    """The gate's answer: the verdict, each check on the notes that are left, and how many were dropped for what."""

    verdict: Verdict
    policy: Policy
    results: tuple[Result, ...]
    first: tuple[Result, ...]
    n_synthetic: int
    dropped: Counter[str]
    released: tuple[Note, ...]

    @property
    def too_many_dropped(self) -> bool:
        """Whether more notes broke a check than the policy lets be repaired."""
        return self.dropped.total() > self.policy.max_dropped * self.n_synthetic

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
                "dropped": share(n_dropped, self.n_synthetic) | {"max_share": self.policy.max_dropped},
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
        checks = spacy.registry.resolve({"checks": config["checks"]})["checks"]
        policy = Policy(required=tuple(gate.pop("required")), checks=tuple(checks.values()), **gate)
    except (KeyError, TypeError, ValueError) as e:
        raise UserError(f"{path}: {type(e).__name__}: {e}", "Compare it with configs/audit_small.cfg") from None
    if not policy.required or not set(policy.required) <= set(CHECKS):
        raise UserError(f"{path}: 'required' names no check of {', '.join(CHECKS)}", "Name the checks that must pass")
    return policy


def hash_of_files_named(path: Path) -> str:
    """One sha256 over all files that the policy at PATH names: number formats, an index, public names."""
    found = hashes_of(files_named_in(load_config(path)))
    return hashlib.sha256("".join(sorted(found.values())).encode()).hexdigest()


def run_gate(policy: Policy, evidence: Evidence, on_check: Callable[[], object] = lambda: None) -> Report:
    """The report on EVIDENCE under POLICY; only a report whose verdict is PASS may lead to released notes.

    ON_CHECK is called after each check, of which there may be two rounds.
    """
    first = correct(run_checks(policy.checks, evidence, on_check), policy.alpha)
    reasons = {id: reason for result in reversed(first) for id, reason in result.offenders.items()}
    rest = replace(evidence, synthetic=tuple(n for n in evidence.synthetic if n.id not in reasons))
    results = correct(run_checks(policy.checks, rest, on_check), policy.alpha) if reasons else first
    n_synthetic, dropped = len(evidence.synthetic), Counter(reasons.values())
    report = Report(judge(policy, results), policy, results, first, n_synthetic, dropped, rest.synthetic)
    return replace(report, verdict="FAIL") if report.too_many_dropped else report


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
