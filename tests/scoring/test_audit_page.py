"""The page of the person who signs: what it says in words, and what can never come onto it."""

from html.parser import HTMLParser

import pytest

from scripts.privacy.figures import share
from scripts.scoring.audit_page import describe_audit, in_words, rows_of
from scripts.scoring.pages import render_audit

SECRET = "Zebulon Quackenbush"


def a_check(id: str, verdict: str, figures: dict | None = None, **more) -> dict:
    return {"id": id, "name": f"name of {id}", "verdict": verdict, "figures": figures or {}, "meaning": "M."} | more


AUDIT = {
    "verdict": "PASS",
    "policy": "small <policy>",
    "shows_not": "what canaries would",
    "counts": {
        "n_synthetic": 120,
        "n_dropped": 6,
        "n_dropped_by_reason": {"identifier: name": 2, "verbatim: a long run": 4},
        "dropped": share(6, 120) | {"max_share": 0.5},
        "n_released": 114,
    },
    "checks": [
        a_check("G0", "PASS", {"n_notes": {"private": 1234, "holdout": 40}, "faults": []}),
        a_check("G1", "PASS", {"notes_with_identifier": share(0, 114), "what": SECRET, "offending_notes": ["s7", "s9"]},
                scenario="Is my neighbour in it?"),
        a_check("G2", "PASS", {"recall": {"excess": 0.001, "excess_ci95": [-0.01, 0.02], "n_patients": [78, 32]}}),
        a_check("G3", "INCONCLUSIVE", {"singling_out": {"risk": share(3, 40)}, "linkability": {"risk": share(0, 40)}},
                p_values={"singling_out": 0.04, "inference_of_sex": 0.5}),
        a_check("G4", "NOT_RUN", meaning="Not run."),
    ],
    "before_dropping": {"G1": "FAIL", "G2": "PASS"},
    "hashes": {"released": "ab" * 32, "gold": None},
}  # fmt: skip


class Page(HTMLParser):
    """The text of each section, and what the page is made of."""

    VOID = frozenset(("meta", "br"))

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.targets, self.tags = [], [], [], set()
        self.sections: dict[str, str] = {}
        self.section = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            if key == "href":
                self.targets.append(value)
            if key == "aria-labelledby" and tag == "section":
                self.section = value

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.sections[self.section] = " ".join(f"{self.sections.get(self.section, '')} {data}".split())


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_audit(AUDIT))


def test_the_page_is_whole_and_loads_nothing(page):
    assert len(page.ids) == len(set(page.ids))
    assert {target.removeprefix("#") for target in page.targets} <= set(page.ids)
    assert all(target.startswith("#") for target in page.targets)
    assert not {"script", "link", "img", "iframe"} & page.tags


def test_the_verdict_comes_first(page):
    assert list(page.sections)[1:] == ["verdict", "questions", "checks", "dropped", "hashes"]
    said = page.sections["verdict"]
    assert "small <policy> PASS notes written 120 dropped 6 released 114" in said
    assert "what canaries would" in said and "nothing stands in the way" in said
    assert "evidence for a decision that only a person can take" in said


def test_the_regulators_questions_are_answered_from_what_ran(page):
    said = page.sections["questions"]
    singling, linking, inferring = (said.split(name)[1] for name in ("Singling out", "Linkability", "Inference"))
    singling, linking = singling.split("Linkability")[0], linking.split("Inference")[0]
    assert "Opinion 05/2014" in said
    assert "Not decided" in singling and "singling out, risk: 3 of 40, 7.5 % (95 %: 2.6 % to 19.9 %)" in singling
    assert "singling out, p: 0.04" in singling and "G1: PASS" in singling and "G2: PASS" in singling
    assert "linkability, risk: none of 40 (95 %: at most 7.5 % of all such cases, 3 in n)" in linking
    assert "singling" not in linking
    assert "inference of sex, p: 0.5" in inferring and "G4: not examined" in inferring


@pytest.mark.parametrize(
    ("verdicts", "answer"),
    [
        ({}, "Not examined."),
        ({"G1": "PASS"}, "Examined in part, and not found there."),
        ({"G1": "FAIL"}, "Found: a check that bears on it failed."),
        ({"G1": "PASS", "G3": "PASS"}, "Tried, and not found."),
        ({"G1": "PASS", "G3": "FAIL"}, "Found: a check that bears on it failed."),
        ({"G1": "INCONCLUSIVE", "G3": "PASS"}, "Not decided: a check that bears on it had too little evidence."),
    ],
)
def test_answers(verdicts, answer):
    checks = [a_check(id, verdict, {"linkability": share(0, 9)}) for id, verdict in verdicts.items()]
    assert describe_audit({"verdict": "PASS", "checks": checks})["questions"][1]["answer"] == answer


def test_an_attack_that_reports_nothing_about_a_question_has_not_examined_it():
    checks = [a_check("G1", "PASS"), a_check("G3", "PASS", {"singling_out": share(0, 9)})]
    asked = {q["name"]: q for q in describe_audit({"checks": checks})["questions"]}
    assert asked["Linkability"]["attack"] == "NOT_RUN" and asked["Singling out"]["attack"] == "PASS"


def test_checks_say_what_an_attacker_could_do_and_figures_have_their_n(page):
    said = page.sections["checks"]
    assert "In the attacker’s words: “Is my neighbour in it?” M." in said
    assert "notes, private 1,234" in said
    assert "recall, excess (95 %) −0.01 to 0.02" in said and "recall, patients 78, 32" in said
    assert "Synthetic notes that break it: s7, s9" in said
    # Dropping chose these notes: their zero is no evidence about the generator.
    assert "It failed before notes were dropped" in said and "none of 114, after repair" in said
    assert "G4 name of G4 NOT RUN Not examined." in said


def test_dropped_notes_by_reason_and_hashes(page):
    dropped = page.sections["dropped"]
    assert dropped.index("verbatim: a long run 4") < dropped.index("identifier: name 2")
    assert "6 of 120, 5 % (95 %: 2.3 % to 10.5 %)" in dropped
    assert "ab" * 32 in page.sections["hashes"] and "gold missing" in page.sections["hashes"]


def test_mended_notes_by_reason_and_those_that_chance_explains():
    counts = AUDIT["counts"] | {"n_replaced": 3, "n_replaced_by_reason": {"identifier: number": 3}, "n_by_chance": 2}
    sections = Page(render_audit(AUDIT | {"counts": counts})).sections
    assert "dropped 6 mended 3 released 114" in sections["verdict"]
    assert "It failed before notes were mended or dropped" in sections["checks"]
    dropped = sections["dropped"]
    assert "In 3 notes the identifiers that were found became invented ones" in dropped
    assert dropped.index("identifier: number 3") < dropped.index("verbatim: a long run 4")
    assert "2 of the dropped or mended notes broke a check as notes of strangers do" in dropped
    assert "mended" not in Page(render_audit(AUDIT)).sections["verdict"]


def test_words_of_a_figure_are_not_shown_and_all_else_is_escaped():
    html = render_audit(AUDIT)
    assert SECRET not in html and "in words, not shown here" in html
    assert "small <policy>" not in html and "small &lt;policy&gt;" in html
    for word in ("anonym", "complian"):
        assert word not in html.lower()


def test_an_audit_that_could_not_be_carried_out():
    page = Page(render_audit({"verdict": "INCONCLUSIVE", "policy": "small", "reason": "no holdout", "checks": []}))
    assert "could not be carried out: no holdout" in page.sections["verdict"]
    assert page.sections["questions"].count("Not examined.") == 3
    assert "No check was run." in page.sections["checks"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (share(2, 40), "2 of 40, 5 % (95 %: 1.4 % to 16.5 %)"),
        (share(0, 0), "none examined"),
        ({"n": 5, "median": 3.0, "q95": 4.5, "max": 7}, "median 3, 95th percentile 4.5, largest 7 (n = 5)"),
        ([1, 2, 3], "1, 2, 3"),
        ([], "none"),
        ({}, "none"),
        (True, "yes"),
        (None, "–"),
        ("words", "in words, not shown here"),
        ([SECRET], "in words, not shown here"),
    ],
)
def test_figures_in_words(value, words):
    assert in_words(value) == words


def test_nested_figures_are_named_after_all_that_hold_them():
    figures = {"a": {"b": {"rate": 0.5, "rate_ci95": [0.25, 0.75]}}, "n_x": 1}
    assert list(rows_of(figures)) == [("a, b, rate", "0.5"), ("a, b, rate (95 %)", "0.25 to 0.75"), ("x", "1")]
