from dataclasses import dataclass, replace

import pytest

from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.privacy.check import Evidence, Result
from scripts.privacy.gate import CHECKS, Policy, correct, judge, load_policy, run_checks, run_gate

NOTES = tuple(Note(f"s{i}", "text") for i in range(10))
EVIDENCE = Evidence(NOTES, NOTES, NOTES, NOTES)


@dataclass(frozen=True)
class Canned:
    """Fails on the notes named BAD; a verdict of its own where none of them is there."""

    id: str = "G1"
    name: str = "canned"
    bad: tuple[str, ...] = ()
    otherwise: str = "PASS"

    def __call__(self, evidence: Evidence) -> Result:
        offenders = {note.id: f"{self.id} reason" for note in evidence.synthetic if note.id in self.bad}
        return Result(self.id, self.name, "FAIL" if offenders else self.otherwise, {}, "", offenders)


class Broken(Canned):
    def __call__(self, evidence: Evidence) -> Result:
        raise KeyError("Margaret Halloran")


def policy(*checks, required=("G1",), max_dropped=0.5) -> Policy:
    return Policy("test", "anything", max_dropped, 0.01, required, checks)


def test_a_pass_releases_all():
    report = run_gate(policy(Canned()), EVIDENCE)
    assert (report.verdict, report.released, report.dropped.total()) == ("PASS", NOTES, 0)
    assert report.to_json()["counts"]["n_released"] == 10


def test_offenders_are_dropped_counted_by_the_first_check_that_names_them_and_the_rest_runs_again():
    report = run_gate(policy(Canned(bad=("s1", "s2")), Canned("G2", bad=("s2", "s3"))), EVIDENCE)
    assert report.verdict == "PASS" and len(report.released) == 7
    assert report.dropped == {"G1 reason": 2, "G2 reason": 1}
    assert report.to_json()["before_dropping"]["G1"] == "FAIL"
    assert report.to_json()["counts"]["dropped"]["count"] == 3


def test_too_many_to_drop_is_a_failure():
    assert run_gate(policy(Canned(bad=("s1", "s2")), max_dropped=0.2), EVIDENCE).verdict == "PASS"
    report = run_gate(policy(Canned(bad=("s1", "s2", "s3")), max_dropped=0.2), EVIDENCE)
    assert report.verdict == "FAIL" and report.too_many_dropped and report.to_json()["counts"]["n_released"] == 0


def test_a_failure_without_offenders_stays():
    assert run_gate(policy(Canned(otherwise="FAIL")), EVIDENCE).verdict == "FAIL"


def test_a_check_fails_by_a_test_that_is_significant_among_all_tests():
    def tested(p, others):
        results = [Result("G1", "", "PASS", {}, "", p_values={"a": p}), Result("G2", "", "PASS", {}, "")]
        return [*results, Result("G3", "", "INCONCLUSIVE", {}, "", p_values=others)]

    def verdicts(*how):
        return [result.verdict for result in correct(tested(*how), 0.01)]

    assert verdicts(0.009, {}) == ["FAIL", "PASS", "INCONCLUSIVE"]
    assert verdicts(0.009, {"b": 0.5}) == ["PASS", "PASS", "INCONCLUSIVE"]  # two tests: 2 * .009
    assert verdicts(0.009, {"b": 0.001}) == ["FAIL", "PASS", "FAIL"]  # the smaller one goes first


def test_nothing_left_decides_nothing():
    report = run_gate(policy(Canned(bad=tuple(n.id for n in NOTES)), max_dropped=1.0), EVIDENCE)
    assert report.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("side", ["private", "holdout", "synthetic"])
def test_an_empty_side_never_passes(side):
    report = run_gate(policy(Canned()), replace(EVIDENCE, **{side: ()}))
    assert report.verdict == "INCONCLUSIVE" and side in report.results[1].meaning


def test_a_check_that_breaks_never_passes_and_its_message_is_not_told():
    report = run_gate(policy(Canned(), Broken("G2")), EVIDENCE)
    assert report.verdict == "INCONCLUSIVE"
    assert "KeyError at test_gate.py" in report.results[2].meaning and "Halloran" not in str(report.to_json())


def test_a_required_check_that_is_not_run_never_passes():
    assert run_gate(policy(Canned(), required=("G1", "G4")), EVIDENCE).verdict == "INCONCLUSIVE"


def test_checks_that_are_not_run_are_listed():
    results = run_checks((Canned(),), EVIDENCE)
    assert {r.id: r.verdict for r in results} == dict.fromkeys(CHECKS, "NOT_RUN") | {"G1": "PASS"}


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("PASS", "PASS"), "PASS"),
        (("PASS", "INCONCLUSIVE"), "INCONCLUSIVE"),
        (("FAIL", "INCONCLUSIVE"), "FAIL"),
        (("NOT_RUN", "PASS"), "INCONCLUSIVE"),
    ],
)
def test_the_verdict_of_two_checks(verdicts, expected):
    results = [Result(id, id, verdict, {}, "") for id, verdict in zip(("G1", "G2"), verdicts, strict=True)]
    assert judge(policy(), results) == expected


@pytest.mark.parametrize(
    "change",
    [
        ("[gate]", "[door]"),
        ("max_run = 50", "max_runs = 50"),
        ("clinical.g2_verbatim.v1", "clinical.g9.v1"),
        ("[gate]\n", "[gate]\nx = 1\n"),
    ],
)
def test_a_broken_policy_is_an_error_of_the_file(tmp_path, pytestconfig, change):
    text = (pytestconfig.rootpath / "configs/audit_small.cfg").read_text(encoding="utf8")
    path = tmp_path / "audit.cfg"
    path.write_text(text.replace(*change), encoding="utf8")
    with pytest.raises(UserError, match=r"audit\.cfg"):
        load_policy(path)


def test_the_full_policy_runs_every_check_that_it_requires(pytestconfig):
    full = load_policy(pytestconfig.rootpath / "configs/audit.cfg")
    assert set(full.required) <= {check.id for check in full.checks}
