import re

import pytest

from scripts.llm.finetune import Schedule, finetune
from scripts.llm.local import LocalModel
from scripts.llm.prompt import Prompt
from scripts.llm.tagger import LocalTagger, decode, label_tokens, make_echo, make_example
from scripts.notes.note import Span

LABELS = ("DRUG", "PROCEDURE")


def prompt_of(text: str) -> Prompt:
    words, start = [], 0
    for word in text.split(" "):
        words.append((start, start + len(word)))
        start += len(word) + 1
    return Prompt(f"Text:\n{text}\nLabels:\n", text, tuple(words), LABELS)


@pytest.fixture(scope="module")
def tokenizer(toy_lm):
    return LocalModel(toy_lm).tokenizer


def test_a_word_is_decided_where_the_echo_has_read_all_of_it_and_nothing_more(tokenizer):
    prompt = prompt_of("Given metformin 500 mg")
    echo = make_echo(prompt, tokenizer)
    for (start, end), position in zip(prompt.words, echo.positions, strict=True):
        read = tokenizer.decode(echo.ids[: position + 1], clean_up_tokenization_spaces=False)
        assert read.endswith(prompt.text[:end])
        assert len(read) == len(prompt) + end
        assert start < end


def test_targets_are_label_then_same_then_outside(tokenizer):
    outside, same, drug, procedure = label_tokens(tokenizer, LABELS)
    prompt = prompt_of("Had CT head and aspirin")
    example = make_example(prompt, [Span(4, 11, "PROCEDURE"), Span(16, 23, "DRUG")], tokenizer)
    asked = [t for t in example.targets if t != -100]
    assert asked == [outside, procedure, same, outside, drug]
    assert len({outside, same, drug, procedure}) == 4


def test_decoding_takes_the_likeliest_and_never_goes_on_with_nothing():
    prompt = prompt_of("Had CT head and aspirin")
    # columns: other, same, DRUG, PROCEDURE
    scores = [[0.2, 0.9, 0.1, 0.1], [0.1, 0.2, 0.1, 0.8], [0.1, 0.9, 0.2, 0.3], [0.9, 0.1, 0.1, 0.1], [0, 0, 1, 0]]
    assert decode(scores, prompt) == [Span(4, 11, "PROCEDURE"), Span(16, 23, "DRUG")]


@pytest.mark.parametrize(
    ("text", "labels", "found"),
    [
        ("low dose  aspirin", "D D D", ["low dose  aspirin"]),
        ("low dose aspirin", "D s D", ["low dose aspirin"]),
        ("aspirin, heparin", "D D", ["aspirin", "heparin"]),
        ("aspirin-heparin", "D D", ["aspirin", "heparin"]),
        ("aspirin\nheparin", "D D", ["aspirin", "heparin"]),
        ("aspirin \n heparin", "D D", ["aspirin", "heparin"]),
        ("aspirin heparin echo", "D D P", ["aspirin heparin", "echo"]),
        ("echo aspirin CT head", "P D P P", ["echo", "aspirin", "CT head"]),
        ("aspirin then heparin", "D o D", ["aspirin", "heparin"]),
    ],
)
def test_a_word_goes_on_with_the_entity_of_its_label_if_only_blanks_lie_between(text, labels, found):
    prompt = Prompt("", text, tuple(match.span() for match in re.finditer(r"\w+", text)), LABELS)
    # columns: other, same, DRUG, PROCEDURE
    scores = [[float(column == label) for column in "osDP"] for label in labels.split()]
    spans = decode(scores, prompt)
    assert [text[s.start : s.end] for s in spans] == found
    assert [s.label[0] for s in spans] == [{"echo": "P", "CT head": "P"}.get(mention, "D") for mention in found]


@pytest.mark.slow
def test_it_learns_and_answers_with_tagged_copies_of_the_passage(toy_lm, toy_notes, tmp_path):
    local = LocalModel(toy_lm)
    texts = [n.text.replace(".", " .").replace(",", " ,") for n in toy_notes]
    prompts = [prompt_of(t) for t in texts]

    def gold(text: str) -> list[Span]:
        spans = []
        for word, label in (
            ("aspirin", "DRUG"),
            ("etformin", "DRUG"),
            ("CT head", "PROCEDURE"),
            ("colonoscopy", "PROCEDURE"),
        ):
            start = text.find(word)
            while start >= 0:
                first = start - (word == "etformin")
                spans.append(Span(first, start + len(word), label))
                start = text.find(word, start + 1)
        return sorted(spans)

    examples = [make_example(p, gold(p.text), local.tokenizer) for p in prompts]
    choices = label_tokens(local.tokenizer, LABELS)
    schedule = Schedule(learning_rate=3e-3, n_epochs=40, batch_size=4, patience=40)
    report = finetune(local.model, examples, examples, schedule, tmp_path / "work", seed=0, choices=choices)
    assert report["best_dev_loss"] < 0.2
    local.model.save_pretrained(tmp_path / "m")
    local.tokenizer.save_pretrained(tmp_path / "m")
    tagger = LocalTagger(str(tmp_path / "m"), None, batch_size=3, gpu_id=-1, outside_bias=0.0)
    ((first, second), (third,)) = tagger([prompts[:2], prompts[2:3]])
    assert "<DRUG>aspirin</DRUG>" in first
    for prompt, answer in zip(prompts, (first, second, third), strict=False):
        for label in LABELS:
            answer = answer.replace(f"<{label}>", "").replace(f"</{label}>", "")
        assert answer == prompt.text
