from dataclasses import dataclass, field, replace

import pytest

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.privacy.check import Evidence, Result
from scripts.privacy.gate import AGAIN, CHECKS, Policy, correct, judge, load_policy, run_checks, run_gate

NOTES = tuple(Note(f"s{i}", "text") for i in range(10))
EVIDENCE = Evidence(NOTES, NOTES, NOTES, NOTES)


@dataclass(frozen=True)
class Canned:
    """Fails on the notes named BAD; a verdict of its own where none of them is there."""

    id: str = "G1"
    name: str = "canned"
    bad: tuple[str, ...] = ()
    otherwise: str = "PASS"
    chance: frozenset[str] = frozenset()

    def __call__(self, evidence: Evidence) -> Result:
        offenders = {note.id: f"{self.id} reason" for note in evidence.synthetic if note.id in self.bad}
        verdict = "FAIL" if offenders else self.otherwise
        return Result(self.id, self.name, verdict, {}, "", offenders, by_chance=self.chance & offenders.keys())


@dataclass(frozen=True)
class Word(Canned):
    """Fails on the notes that hold WORD, and marks it as a name."""

    word: str = ""

    def __call__(self, evidence: Evidence) -> Result:
        found = [(note.id, note.text.index(self.word)) for note in evidence.synthetic if self.word in note.text]
        marks = {id: (Span(at, at + len(self.word), "name"),) for id, at in found}
        offenders = dict.fromkeys(marks, f"{self.id} word")
        return Result(self.id, self.name, "FAIL" if marks else "PASS", {}, "", offenders, marks=marks)


@dataclass(frozen=True)
class Rewrite:
    """In the place of `repair.Replacement`: what is marked becomes AFTER; notes in HOPELESS cannot be mended."""

    after: str
    hopeless: tuple[str, ...] = ()
    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, evidence: Evidence, marks) -> dict[str, Note]:
        self.asked.append(sorted(marks))
        return {
            note.id: replace(note, text=note.text[: mark.start] + self.after + note.text[mark.end :])
            for note in evidence.synthetic
            if note.id in marks and note.id not in self.hopeless
            for mark in marks[note.id]
        }


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
    assert report.verdict == "FAIL" and report.too_many_broken and report.to_json()["counts"]["n_released"] == 0


def test_offenders_that_chance_explains_are_dropped_and_do_not_count_towards_too_many():
    check = Canned(bad=("s1", "s2", "s3"), chance=frozenset(("s1", "s2")))
    report = run_gate(policy(check, max_dropped=0.1), EVIDENCE)
    assert (report.verdict, len(report.released), report.n_by_chance) == ("PASS", 7, 2)
    assert report.to_json()["counts"]["n_by_chance"] == 2 and report.to_json()["counts"]["broken"]["count"] == 3
    # To another check the note is no chance.
    report = run_gate(policy(check, Canned("G2", bad=("s2",)), max_dropped=0.1), EVIDENCE)
    assert (report.verdict, report.n_by_chance) == ("FAIL", 1)


# Repair by replacement

NAMED = replace(EVIDENCE, synthetic=(Note("a", "seen by Ann"), Note("b", "Ann again"), *NOTES))


def mending(rewrite: Rewrite, *checks, **more) -> Policy:
    return replace(policy(*checks, **more), replacement=rewrite)


def test_what_is_marked_is_replaced_the_checks_run_again_and_it_is_counted():
    rounds = []
    report = run_gate(mending(Rewrite("Eve"), Word(word="Ann")), NAMED, lambda: rounds.append(1))
    assert (report.verdict, report.replaced, report.dropped, len(rounds)) == ("PASS", {"G1 word": 2}, {}, 2)
    assert [note.text for note in report.released][:2] == ["seen by Eve", "Eve again"] and len(report.released) == 12
    counts = report.to_json()["counts"]
    assert (counts["n_replaced"], counts["n_replaced_by_reason"], counts["n_dropped"]) == (2, {"G1 word": 2}, 0)
    assert counts["broken"]["count"] == 2 and report.to_json()["before_dropping"]["G1"] == "FAIL"


def test_what_is_found_again_is_dropped_after_three_rounds_at_most():
    rounds, rewrite = [], Rewrite("Ann")
    report = run_gate(mending(rewrite, Word(word="Ann")), NAMED, lambda: rounds.append(1))
    assert (report.verdict, report.replaced) == ("PASS", {}) and report.dropped == {f"G1 word{AGAIN}": 2}
    assert report.released == NOTES and len(rounds) == 3 and rewrite.asked == [["a", "b"]]


def test_notes_that_a_surrogate_cannot_mend_are_dropped():
    rewrite = Rewrite("Eve", hopeless=("a",))
    report = run_gate(mending(rewrite, Word(word="Ann"), Canned("G2", bad=("s1",))), NAMED)
    assert (report.replaced, report.dropped) == ({"G1 word": 1}, {"G1 word": 1, "G2 reason": 1})
    assert rewrite.asked == [["a", "b"]]  # no check has marked s1
    # Another check names the note and marks nothing in it.
    report = run_gate(mending(Rewrite("Eve"), Word(word="Ann"), Canned("G2", bad=("a",))), NAMED)
    assert (report.replaced, report.dropped) == ({"G1 word": 1}, {"G1 word": 1})
    assert [note.id for note in report.released][:2] == ["b", "s0"]


def test_a_note_that_breaks_a_check_only_after_others_were_mended_is_dropped():
    report = run_gate(mending(Rewrite("Eve"), Word(word="Ann"), Word("G2", word="Eve again")), NAMED)
    assert (report.verdict, report.replaced) == ("PASS", {"G1 word": 1})
    assert report.dropped == {f"G2 word{AGAIN}": 1}


def test_mended_notes_count_towards_too_many():
    report = run_gate(mending(Rewrite("Eve"), Word(word="Ann"), max_dropped=0.1), NAMED)
    assert report.verdict == "FAIL" and report.too_many_broken and report.to_json()["counts"]["n_released"] == 0


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
        ('repair = "drop"', 'repair = "mend"'),
        ('locale = "en_GB"', "locale = null"),
    ],
)
def test_a_broken_policy_is_an_error_of_the_file(tmp_path, pytestconfig, change):
    text = (pytestconfig.rootpath / "configs/audit_small.cfg").read_text(encoding="utf8")
    path = tmp_path / "audit.cfg"
    assert change[0] in text
    if change[0].startswith("locale"):
        text = text.replace('repair = "drop"', 'repair = "replace"')
    path.write_text(text.replace(*change), encoding="utf8")
    with pytest.raises(UserError, match=r"audit\.cfg"):
        load_policy(path)


def test_the_full_policy_runs_every_check_that_it_requires(pytestconfig):
    full = load_policy(pytestconfig.rootpath / "configs/audit.cfg")
    assert set(full.required) <= {check.id for check in full.checks}
