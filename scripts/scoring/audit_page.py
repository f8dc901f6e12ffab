"""What metrics/audit.json says, in the words and the order of the person who signs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .words import show_figure, show_words

SAID = {
    "PASS": "Under this policy nothing stands in the way of releasing these notes.",
    "FAIL": "At least one check found a leak, or more notes broke one than may be repaired. Nothing is released.",
    "INCONCLUSIVE": "At least one check that the policy requires could not decide. Nothing is released.",
}
N_IDS = 50  # ids of synthetic notes shown of a check
ATTACKS = "G3"  # the check that tries all three of the regulator's risks, in figures named after them


@dataclass(frozen=True)
class Question:
    """One of the three risks of Art. 29 WP Opinion 05/2014, section 2.2.

    Figures of the check ATTACKS that bear on it have one of STEMS in their name; BEARING maps other checks to why they
    bear on it.
    """

    name: str
    asks: str
    stems: tuple[str, ...]
    bearing: Mapping[str, str]


QUESTIONS = (
    Question(
        "Singling out",
        "Can some or all of the records that identify one person be isolated in what is released?",
        ("singl",),
        {
            "G1": "a name, number, address or birth date by itself isolates a person",
            "G2": "a passage that was copied from one record isolates this record",
        },
    ),
    Question(
        "Linkability",
        "Can two records about the same person or group be brought together, here or with another source?",
        ("link",),
        {"G1": "a number or name that stands in both sources brings them together"},
    ),
    Question(
        "Inference",
        "Can the value of an attribute be deduced from others, with a probability that matters?",
        ("infer", "attribut"),
        {"G4": "that somebody was among the private patients is itself a deduction about them"},
    ),
)


def describe_audit(audit: Mapping[str, Any]) -> dict[str, Any]:
    """What the template needs of AUDIT, whatever is missing in it; strings of figures are left out, ids apart."""
    before = audit.get("before_dropping") or {}
    checks = [_describe_check(check, before.get(check.get("id"))) for check in audit.get("checks", ())]
    counts = audit.get("counts") or {}
    verdict = str(audit.get("verdict", "INCONCLUSIVE"))
    return {
        "verdict": verdict,
        "said": SAID.get(verdict, SAID["INCONCLUSIVE"]),
        "policy": audit.get("policy", ""),
        "shows_not": audit.get("shows_not", ""),
        "reason": audit.get("reason", ""),
        "n": {key: counts.get(f"n_{key}") for key in ("synthetic", "dropped", "replaced", "by_chance", "released")},
        "dropped": in_words(counts["dropped"]) if "dropped" in counts else "",
        "reasons": _most_first(counts.get("n_dropped_by_reason", {})),
        "replaced": _most_first(counts.get("n_replaced_by_reason", {})),
        "checks": checks,
        "questions": [_answer(question, audit.get("checks", ())) for question in QUESTIONS],
        "hashes": audit.get("hashes") or {},
    }


def in_words(value: Any, repaired: bool = False) -> str:
    """One figure as a clause: a share with its n and interval, a spread, a number; strings are not shown.

    None in n proves a bound, but not of REPAIRED notes: they were chosen, or mended, to have none.
    """
    match value:
        case {"count": count, "n": n, "ci95": [low, high]}:
            if not n:
                return "none examined"
            if not count and repaired:
                return f"none of {show_figure(n)}, after repair"
            if not count:
                return f"none of {show_figure(n)} (95 %: at most {_percent(high)} of all such cases, 3 in n)"
            bounds = f"95 %: {_percent(low)} to {_percent(high)}"
            return f"{show_figure(count)} of {show_figure(n)}, {_percent(count / n)} ({bounds})"
        case {"n": n, "median": median, "q95": q95, "max": largest}:
            parts = f"median {show_figure(median)}, 95th percentile {show_figure(q95)}, largest {show_figure(largest)}"
            return f"{parts} (n = {show_figure(n)})"
        case Mapping():
            return "; ".join(f"{name}: {said}" for name, said in rows_of(value, repaired=repaired)) or "none"
        case str():
            return "in words, not shown here"
        case list() | tuple():
            return ", ".join(map(in_words, value)) or "none"
        case _:
            return show_figure(value)


def rows_of(figures: Mapping[str, Any], above: str = "", repaired: bool = False) -> Iterator[tuple[str, str]]:
    """(name, words) for each of FIGURES; those of a figure that holds others are named after both."""
    for key, value in figures.items():
        name = f"{above}, {_name(key)}" if above else _name(key)
        if isinstance(value, Mapping) and value and not _is_clause(value):
            yield from rows_of(value, name, repaired)
        else:
            # Two numbers by any other name are no interval.
            is_of_notes = repaired and str(key).startswith("notes")  # others are not changed by repair
            yield name, show_figure(value) if str(key).endswith("ci95") else in_words(value, is_of_notes)


def _describe_check(check: Mapping[str, Any], before: str | None) -> dict[str, Any]:
    """CHECK, whose verdict BEFORE notes were dropped or mended may have been another."""
    figures = dict(check.get("figures") or {})
    ids = [str(id) for id in figures.pop("offending_notes", ())]
    faults = [str(fault) for fault in figures.pop("faults", ())]
    repaired = before == "FAIL" and check.get("verdict") != "FAIL"
    return {
        "id": check.get("id", ""),
        "name": check.get("name", ""),
        "verdict": str(check.get("verdict", "INCONCLUSIVE")),
        "scenario": check.get("scenario", ""),
        "meaning": check.get("meaning", ""),
        "repaired": repaired,
        "rows": list(rows_of(figures, repaired=repaired)),
        "p_values": [(_name(key), show_figure(p)) for key, p in (check.get("p_values") or {}).items()],
        "faults": faults,
        "ids": ids[:N_IDS],
        "n_more_ids": max(0, len(ids) - N_IDS),
    }


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda row: -row[1])


def _answer(question: Question, checks: Any) -> dict[str, Any]:
    """The answer to QUESTION from those CHECKS that ran."""
    by_id = {check.get("id"): check for check in checks}
    attack = by_id.get(ATTACKS, {})
    verdict = str(attack.get("verdict", "NOT_RUN"))
    rows = _rows_about(question, attack) if verdict != "NOT_RUN" else []
    others = [
        {"id": id, "verdict": str(by_id.get(id, {}).get("verdict", "NOT_RUN")), "why": why}
        for id, why in question.bearing.items()
    ]
    verdicts = [verdict if rows else "NOT_RUN", *(other["verdict"] for other in others)]
    return {
        "name": question.name,
        "asks": question.asks,
        "answer": _summary(verdicts),
        "verdict": _worst(verdicts),
        "attack": verdict if rows else "NOT_RUN",
        "rows": rows,
        "others": others,
    }


def _rows_about(question: Question, check: Mapping[str, Any]) -> list[tuple[str, str]]:
    figures = rows_of({k: v for k, v in (check.get("figures") or {}).items() if k != "offending_notes"})
    p_values = [(f"{_name(key)}, p", show_figure(p)) for key, p in (check.get("p_values") or {}).items()]
    return [row for row in (*figures, *p_values) if any(stem in row[0].lower() for stem in question.stems)]


def _summary(verdicts: list[str]) -> str:
    if "FAIL" in verdicts:
        return "Found: a check that bears on it failed."
    if all(verdict == "NOT_RUN" for verdict in verdicts):
        return "Not examined."
    if "INCONCLUSIVE" in verdicts:
        return "Not decided: a check that bears on it had too little evidence."
    if "NOT_RUN" in verdicts:
        return "Examined in part, and not found there."
    return "Tried, and not found."


def _worst(verdicts: list[str]) -> str:
    return next((v for v in ("FAIL", "INCONCLUSIVE", "NOT_RUN") if v in verdicts), "PASS")


def _is_clause(value: Mapping[str, Any]) -> bool:
    return {"count", "n", "ci95"} <= set(value) or {"n", "median", "q95", "max"} <= set(value)


def _name(key: str) -> str:
    """A figure's name as words."""
    words = show_words(key)
    return f"{words.removesuffix(' ci95')} (95 %)".strip() if words.endswith("ci95") else words


def _percent(part: float) -> str:
    return f"{100 * part:.2g} %" if part < 0.1 else f"{100 * part:.1f} %"
