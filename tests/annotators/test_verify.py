import pytest

from scripts.annotators.verify import make_verify_task, verdict
from scripts.annotators.vote import Vote
from scripts.llm.prompt import Answer
from scripts.notes.tokenizer import blank

TEXT = "Heparin stopped, CT head done, no bleed seen"


def doc_with(**groups):
    doc = blank("en")(TEXT)
    for name, mentions in groups.items():
        starts = [(TEXT.index(mention), mention, label) for mention, label in mentions]
        doc.spans[name] = [doc.char_span(start, start + len(m), label=label) for start, m, label in starts]
    return doc


@pytest.fixture
def task():
    return make_verify_task(
        "configs/task/drugs_procedures.yml", "configs/prompts/verify.jinja", ["llm", "generator"], 2
    )


def test_only_what_is_in_doubt_is_asked_about(task):
    agreed, doubted = ("Heparin", "DRUG"), ("CT head", "PROCEDURE")
    doc = doc_with(llm=[agreed, doubted], generator=[agreed])
    ((span, prompt),) = task.prompts(doc)
    assert span.text == "CT head"
    assert "stopped, [[CT head]] done,\n" in prompt  # two words on either side
    assert "a mention of PROCEDURE (an operation" in prompt
    assert [span.text for span, _ in task.prompts(doc_with(llm=[agreed, doubted]))] == ["Heparin", "CT head"]


@pytest.mark.parametrize(("answer", "texts"), [("Yes.", ["Heparin", "CT head"]), ("no", ["Heparin"])])
def test_the_answer_decides_in_a_vote(task, answer, texts):
    doc = doc_with(llm=[("Heparin", "DRUG"), ("CT head", "PROCEDURE")], generator=[("Heparin", "DRUG")])
    (doc,) = task.parse_responses([[doc]], [[answer]])
    doc = Vote(["llm", "generator", "verify"], "majority")(doc)
    assert [e.text for e in doc.ents] == texts
    assert not any(t.ent_iob == 0 for t in doc)


def test_no_answer_leaves_the_doubt(task):
    doc = doc_with(llm=[("CT head", "PROCEDURE")], generator=[])
    (doc,) = task.parse_responses([[doc]], [[Answer("", "refused")]])
    assert doc.user_data["annotation"] == {"verified: refused": 1}
    doc = Vote(["llm", "generator", "verify"], "majority")(doc)
    assert not doc.ents
    assert [t.text for t in doc if t.ent_iob == 0] == ["CT", "head"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("yes", "yes"),
        (" No, it is", "no"),
        ("**Yes**", "yes"),
        ("Nothing", "unreadable"),
        (Answer("", "failed"), "failed"),
    ],
)
def test_verdicts(answer, said):
    assert verdict(answer) == said
