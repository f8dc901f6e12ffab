"""The pages: what they show, and above all what the one that leaves does not."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scripts import visualize
from scripts.notes.docbins import make_docs, write_docbin
from scripts.notes.files import read_manifest, write_json, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank
from scripts.scoring.generation import describe_generation
from scripts.scoring.report import compare_systems
from scripts.scoring.spans import count_notes

CHROMIUM = shutil.which("chromium")
LABELS = ["DRUG", "PROCEDURE"]
PLANTED = "Zebulon"
GOLD = [
    Note("easy", f"{PLANTED} took aspirin.", (Span(13, 20, "DRUG"),), {"genre": "progress"}),
    Note("hard", "CT <b>head</b>\nand warfarin", (Span(0, 2, "PROCEDURE"), Span(19, 27, "DRUG"))),
    Note("rtl", "קיבל אקמול", (Span(5, 10, "DRUG"),)),
]
PREDICTED = [
    GOLD[0],
    GOLD[1].with_spans([Span(0, 14, "PROCEDURE"), Span(15, 18, "DRUG")]),
    GOLD[2].with_spans([]),
]
SILVER = Note("s1", "Metoprolol 5 & <i>ECG</i>", (Span(0, 10, "DRUG"), Span(18, 21, "PROCEDURE")))
PRIVATE = [Note(f"p{i}", f"{PLANTED}\nPlan: an ecg", None, {"patient": f"p{i}", "genre": "ward"}) for i in range(3)]
AUDIT = {
    "verdict": "INCONCLUSIVE",
    "policy": "small <corpus>",
    "shows_not": "what canaries would",
    "checks": [
        {
            "id": "G2",
            "name": "verbatim runs",
            "verdict": "FAIL",
            "figures": {
                "n_runs": 1234,
                "excess_ci95": [-0.002, 0.0098],
                "rejected": {"loop": 3},
                "p": None,
                "ids": ["s1"] * 7,
            },
            "meaning": "Runs & more.",
        },
        {"id": "G9", "verdict": "NOT_RUN"},
    ],
    "counts": {"n_synthetic": 100},
}


@pytest.fixture
def folder(tmp_path):
    nlp = blank("en")
    write_notes(tmp_path / "gold.jsonl", GOLD)
    write_notes(tmp_path / "predictions" / "student.jsonl", PREDICTED)
    counts = count_notes(GOLD, {n.id: n for n in PREDICTED}, LABELS, nlp)[None]
    report = {"task": "drugs_procedures"} | compare_systems({"student": counts, "annotator": counts}, LABELS, 50)
    write_json(tmp_path / "evaluation.json", report)
    write_json(tmp_path / "audit.json", AUDIT)
    write_docbin(tmp_path / "train.spacy", make_docs([SILVER], nlp, LABELS)[0])
    release(tmp_path, "released")
    write_notes(tmp_path / "private.jsonl", PRIVATE)
    written = [Note("s1", "Letter\nPlan: rest", None, {"genre": "ward"})]
    asked = [{"genre": "ward"}, {"genre": "ward"}]
    write_json(tmp_path / "generation.json", describe_generation(PRIVATE, PRIVATE, written, asked, {"loop": 1}, 0))
    return tmp_path


def release(folder, sensitivity):
    write_manifest(folder / "train.spacy", inputs={}, config={}, sensitivity=sensitivity, counts={})


def run(folder):
    visualize.main(
        folder / "reports",
        gold=folder / "gold.jsonl",
        predictions=folder / "predictions",
        evaluation=folder / "evaluation.json",
        audit=folder / "audit.json",
        synthetic=folder / "synthetic.jsonl",
        silver=folder / "train.spacy",
        generation=folder / "generation.json",
        private=folder / "private.jsonl",
        system="student",
        lang="en",
        title="Demo & more",
    )
    return (folder / "reports" / "index.html").read_text(), (folder / "reports" / "inside" / "gold.html").read_text()


@pytest.mark.slow
def test_nothing_of_the_gold_is_in_the_page_that_leaves(folder, capsys):
    index, gold = run(folder)
    assert PLANTED in gold
    printed = capsys.readouterr()
    for word in (PLANTED, "warfarin", "אקמול", "hard"):
        assert word not in index
        assert word not in printed.out + printed.err
    # That it may leave is for `package` to say.
    assert read_manifest(folder / "reports" / "index.html")["sensitivity"] == "synthetic"
    assert read_manifest(folder / "reports" / "inside" / "gold.html")["sensitivity"] == "private"


@pytest.mark.slow
def test_a_system_that_was_left_out_is_named_with_the_reason(folder):
    report = json.loads((folder / "evaluation.json").read_text())
    write_json(folder / "evaluation.json", report | {"not_scored": {"annotator": "it saw <no> gold"}})
    assert "Not scored: annotator (it saw &lt;no&gt; gold)." in run(folder)[0]


@pytest.mark.slow
@pytest.mark.parametrize("sensitivity", ["private", "synthetic", None])
def test_notes_that_were_not_released_are_not_shown(folder, sensitivity):
    if sensitivity:
        release(folder, sensitivity)
    else:
        (folder / "train.spacy.manifest.json").unlink()
    index, _ = run(folder)
    assert "Metoprolol" not in index
    assert "None are shown" in index


@pytest.mark.slow
def test_the_first_page_shows_scores_audit_and_released_notes(folder):
    index, _ = run(folder)
    assert "<h1>Demo &amp; more</h1>" in index
    for shown in (
        "0.333",
        "student − annotator",
        "INCONCLUSIVE",
        "small &lt;corpus&gt;",
        "Runs &amp; more.",
        "what canaries would",
    ):
        assert shown in index, shown
    figures = re.sub("<[^>]*>", "", index)
    for shown in ("runs 1,234", "excess ci95 −0.002 to 0.0098", "rejected loop 3", "p –", "ids 7 of them", "NOT RUN"):
        assert shown in figures, shown
    assert '>Metoprolol<span class="tag">DRUG</span></mark> 5 &amp; &lt;i&gt;<mark' in index


@pytest.mark.slow
def test_the_first_page_counts_rejections_without_reading_notes(folder):
    (folder / "synthetic.jsonl").write_text("never read")
    counts = {"n_notes": 40, "rejected": {"loop": 7}}
    write_manifest(folder / "synthetic.jsonl", inputs={}, config={}, sensitivity="synthetic", counts=counts)
    index, _ = run(folder)
    assert "<th>rejected</th><td>loop 7</td>" in index


@pytest.mark.slow
def test_the_first_page_shows_private_and_synthetic_notes_side_by_side(folder):
    index, _ = run(folder)
    figures = " ".join(re.sub("<[^>]*>", " ", index).split())
    for shown in (
        "1 synthetic notes beside 3 private ones",
        "Length in words 4 (4 to 4) 3 (3 to 3)",
        "loop 1 50.0 %",
        "Control: genre",
        "ward 100.0 % 100.0 % 100.0 % n 3 2 1",
        "requested delivered 0, private delivered 0",
        "plan 100.0 % 100.0 %",
        # "metoprolol" is in no private note, "ECG" is in three
        "all 1 of 2, 50.0 % DRUG 1 of 1, 100.0 % PROCEDURE 0 of 1, 0.0 %",
    ):
        assert shown in figures, shown
    assert index.count("<svg") == 2


@pytest.mark.slow
def test_without_a_report_on_the_generation_the_page_shows_the_rest(folder):
    (folder / "generation.json").unlink()
    index, _ = run(folder)
    assert "Length in words" not in index and "0.333" in index


@pytest.mark.slow
def test_without_an_audit_the_page_says_so(folder):
    (folder / "audit.json").unlink()
    assert "No audit was found" in run(folder)[0]
    write_json(
        folder / "audit.json", {"verdict": "INCONCLUSIVE", "policy": "small", "reason": "no holdout", "checks": []}
    )
    assert "could not be carried out: no holdout" in run(folder)[0]


@pytest.mark.slow
def test_the_inside_page_shows_the_worst_note_first_and_every_error(folder):
    _, gold = run(folder)
    assert "Stays inside." in gold
    assert re.findall(r'<h3 id="note\d+-title">(\w+)</h3>', gold) == ["hard", "rtl", "easy"]
    first = gold[gold.index('<article class="note" id="note2"') : gold.index('<article class="note" id="note3"')]
    assert '<mark class="label-1 different" id="note2-gold-0">CT<span' in first
    assert '<mark class="label-1 different" id="note2-predicted-0">CT &lt;b&gt;head&lt;/b&gt;<span' in first
    assert '<mark class="label-0 missed" id="note2-gold-19">warfarin<span' in first
    assert '<mark class="label-0 invented" id="note2-predicted-15">and<span' in first
    assert "&lt;/b&gt;<br>and" in first  # the line break, and the text escaped
    assert "2 in gold: 1 missed, 1 different, 1 not in gold" in first


class Links(HTMLParser):
    """Collects ids, links and addresses of a page."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.targets, self.addresses, self.tags = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            elif key in ("href", "xlink:href", "src") and value:
                (self.targets if value.startswith("#") else self.addresses).append(value)


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(folder):
    for page in run(folder):
        links = Links(page)
        assert links.targets and {t[1:] for t in links.targets} <= set(links.ids)
        assert not links.addresses
        assert not {"script", "link", "img", "iframe"} & set(links.tags)
        assert "default-src 'none'" in page
        addresses = set(re.findall(r"https?://[^\s\"'<)]+", page))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert "url(" not in re.sub(r"url\(#\w+\)", "", page)
        assert len(links.ids) == len(set(links.ids))
        assert page.count('dir="auto"') >= 1


@pytest.mark.slow
def test_the_same_inputs_make_the_same_pages(folder):
    assert run(folder) == run(folder)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("page", ["index.html", "inside/gold.html"])
def test_a_browser_opens_the_page_without_complaint(folder, page):
    run(folder)
    url = (folder / "reports" / page).as_uri()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--dump-dom"]
    opened = subprocess.run([CHROMIUM, *flags, url], capture_output=True, text=True, timeout=60)
    assert "Demo &amp; more" in opened.stdout
    assert "CONSOLE" not in opened.stderr  # what the page was refused, or got wrong


def test_the_pages_are_text_in_utf8(folder):
    run(folder)
    assert "אקמול" in Path(folder / "reports" / "inside" / "gold.html").read_text(encoding="utf8")
