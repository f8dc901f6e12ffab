"""A generator behind a real server on loopback."""

import json
import random
import re
from pathlib import Path

import pytest

from benchmarks.server import Fault, Server, completion
from scripts.generators.control import with_shared_values
from scripts.generators.endpoint_writer import make_endpoint_writer
from scripts.generators.examples import in_turn
from scripts.generators.load import load_generator
from scripts.llm.cost import Price
from scripts.llm.endpoint import Endpoint
from scripts.llm.patience import Limits
from scripts.notes.errors import UserError
from scripts.notes.files import write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span

WRITE, PARAPHRASE = "configs/prompts/write.jinja", "configs/prompts/paraphrase.jinja"
TASK = "configs/task/drugs_procedures.yml"
JSON = {"Content-Type": "application/json"}
PRIVATE = [
    Note(f"p{i}", f"Secret text {i}.", None, {"patient": f"P{i}", "genre": "clinic", "sex": "FM"[i % 2]})
    for i in range(9)
]
EXAMPLES = [Note(f"e{i}", f"Example {i}: on aspirin.", (Span(14, 21, "DRUG"),)) for i in range(4)]
END = "knee aspirin sleep table rash left slowly bread window chair"
CANARY = Note("c1", f"Seen on the ward. {END}.", None, {"canary": "planted", "end": 18})


def between(prompt: str, text: str) -> str:
    mark = re.search(r"<note (\w+)>", prompt)[1]
    return f"Here it is:\n<note {mark}>\n{text}\n</note {mark}>\n"


def as_completion(content: str, finish_reason: str = "stop") -> Fault:
    return Fault(body=json.dumps(completion(content, finish_reason=finish_reason)), headers=JSON)


@pytest.fixture
def server():
    """Every answer is another note; those in `server.texts` come first."""

    def answer(prompt: str) -> str:
        server.n_answered += 1
        if server.texts:
            return between(prompt, server.texts.pop(0))
        return between(prompt, f"Note {server.n_answered}: " + " ".join(random.Random(server.n_answered).sample(W, 9)))

    with Server(answer) as server:
        server.n_answered, server.texts = 0, []
        yield server


W = "ankle fever cough pulse ward chest rash clinic saline drain gauze sling wound tender".split()  # noqa: SIM905


@pytest.fixture
def writer(server, tmp_path):
    """Call to make a writer; all share one journal. Keywords of the endpoint begin with m_."""

    def make(template=WRITE, n_in_flight=1, **settings):
        model = {key[2:]: settings.pop(key) for key in [*settings] if key.startswith("m_")}
        parameters = model.pop("parameters", {"temperature": 1.0, "max_tokens": 100})
        limits = Limits(max_in_flight=n_in_flight, first_wait_s=0.01, longest_wait_s=0.05)
        endpoint = Endpoint("m", server.url, None, parameters, tmp_path / "journal.sqlite", limits, **model)
        writing = {"min_words": 3} | settings.pop("writing", {})
        return make_endpoint_writer(endpoint, template, writing=writing, **settings)

    return make


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "generator"
    folder.mkdir()
    write_manifest(folder, inputs={}, config={}, sensitivity="private", counts={})
    return folder


@pytest.fixture
def examples(tmp_path):
    """Call for a file of examples whose manifest says KIND; None: without a manifest."""

    def make(kind: str | None) -> str:
        path = tmp_path / "examples.jsonl"
        write_notes(path, EXAMPLES)
        if kind:
            write_manifest(path, inputs={}, config={}, sensitivity=kind, counts={})
        return str(path)

    return make


@pytest.fixture
def far(monkeypatch):
    """The server on loopback stands for another host."""
    monkeypatch.setattr("scripts.llm.egress.is_loopback", lambda host: False)


def write(generator, out, n, seed=0, canaries=(), progress=lambda n: None):
    return generator.write(out, PRIVATE, n, seed, -1, out / "work", progress, canaries)


def prompts(server) -> list[str]:
    return [request["body"]["messages"][0]["content"] for request in server.requests]


@pytest.mark.slow
def test_as_many_notes_as_asked_and_no_more_calls_than_needed(server, writer, out):
    told = []
    written = write(writer(control=["genre", "sex"], n_in_flight=8), out, 12, progress=told.append)
    assert [note.id for note in written.notes] == [f"s{i:05}" for i in range(1, 13)]
    assert all(note.text.startswith("Note ") and note.spans is None for note in written.notes)
    assert len({note.text for note in written.notes}) == 12
    assert told == list(range(1, 13))
    assert server.n_calls == 12
    assert written.usage == {"calls: answered": 12, "tokens: prompts": 120, "tokens: answers": 60, "dollars": None}


def test_what_is_unfit_is_counted_and_asked_for_in_other_words(server, writer, out):
    server.texts = ["A whole note of words.", "too short", "A whole note of words.", "one two three " * 9]
    written = write(writer(), out, 4)
    assert len(written.notes) == 4 and written.notes[0].text == "A whole note of words."
    assert written.faults == {"empty": 1, "duplicate": 1, "loop": 1}
    assert server.n_calls == 4 + 3


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (as_completion("None."), "unreadable"),
        (as_completion("<note half", "length"), "truncated"),
        (as_completion("", "content_filter"), "filtered"),
    ],
)
def test_an_answer_without_a_note_is_asked_for_again_once_and_counted(server, writer, out, answer, fault):
    server.fault = lambda prompt, n: answer if server.n_calls in (1, 2) else None
    written = write(writer(n_in_flight=1), out, 1)
    assert len(written.notes) == 1 and written.faults == {fault: 1}
    assert server.n_calls == 3


def test_a_model_that_writes_nothing_fit_ends_the_run(server, writer, out):
    server.fault = lambda prompt, n: as_completion("No.")
    with pytest.raises(UserError, match=r"only 0 of 3 notes were fit \(\{'unreadable': 6\}\)"):
        write(writer(writing={"max_attempts": 2.0}, m_max_answers=1), out, 3)
    assert server.n_calls == 6


def test_killed_and_started_again_it_asks_nothing_twice(server, writer, out):
    server.fault = lambda prompt, n: Fault(401) if server.n_answered >= 5 else None  # a key that runs out
    with pytest.raises(UserError, match="answers 401"):
        write(writer(), out, 9)
    assert server.n_answered == 5
    server.fault = lambda prompt, n: None
    torn = write(writer(), out, 9)
    assert server.n_answered == 9  # all nine prompts are the same words: each has an answer of its own
    assert torn.usage["calls: journal"] == 5 and torn.usage["calls: answered"] == 4
    assert write(writer(), out, 9).notes == torn.notes
    more = write(writer(), out, 11)
    assert more.notes[:9] == torn.notes and server.n_answered == 11
    write(writer(), out, 2, seed=1)
    assert server.n_answered == 13  # another seed, other notes


def test_interrupted_between_two_notes_it_keeps_what_was_paid_for(server, writer, out):
    def interrupt(n):
        if n == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(writer(), out, 6, progress=interrupt)
    usage = write(writer(), out, 6).usage
    assert usage["calls: journal"] >= 3
    assert usage["calls: journal"] + usage["calls: answered"] == 6


def test_a_prompt_names_what_five_patients_share_and_no_text_of_theirs(server, writer, out):
    written = write(writer(control=["genre", "sex"]), out, 8)
    assert all("- genre: clinic\n" in prompt and "Secret" not in prompt for prompt in prompts(server))
    # five of the nine are F; of the four M no more than the genre is told
    said = ["- sex: F\n" in prompt for prompt in prompts(server)]
    assert 0 < sum(said) < 8 and not any("sex: M" in prompt for prompt in prompts(server))
    assert [note.meta for note in written.notes] == [{"genre": "clinic"} | ({"sex": "F"} if f else {}) for f in said]


def test_values_are_told_as_far_as_enough_patients_share_them():
    rows = ["a1", "a1", "a1", "a2", "b1", "b1"]
    notes = [Note(f"n{i}", "x", None, {"patient": f"P{i}", "k": row[0], "m": row[1]}) for i, row in enumerate(rows)]
    notes.append(Note("again", "x", None, {"patient": "P5", "k": "b", "m": "1"}))  # no other patient
    notes.append(Note("none", "x", None, {"patient": "P9", "k": "", "m": "1"}))
    kept = [dict(note.meta) for note in with_shared_values(notes, ["k", "m"], least=3)]
    assert kept == [{"k": "a", "m": "1"}] * 3 + [{"k": "a"}] + [{}] * 4


def test_every_example_is_shown_as_often_as_any_other():
    groups = in_turn(EXAMPLES, 2, 0)
    shown = [note.id for _ in range(6) for note in next(groups)]
    assert {shown.count(note.id) for note in EXAMPLES} == {3}
    assert [next(in_turn(EXAMPLES, 2, seed)) for seed in (3, 3)] == [next(in_turn(EXAMPLES, 2, 3))] * 2


@pytest.mark.parametrize("kind", ["private", "synthetic", None])
def test_private_examples_to_a_host_that_is_not_allowed_are_refused_before_anything_is_sent(
    kind, server, writer, out, examples, far
):
    generator = writer(examples=examples(kind))
    for step in (lambda: generator.adapt(PRIVATE, [], out, 0, -1), lambda: write(generator, out, 2)):
        with pytest.raises(UserError, match=f"{kind or 'private'} text was about to be sent to 127.0.0.1"):
            step()
    assert server.n_calls == 0
    allowed = writer(examples=examples(kind), m_allowed=["127.0.0.1"])
    assert allowed.adapt(PRIVATE, [], out, 0, -1)["sees_private_notes"]
    assert len(write(allowed, out, 2).notes) == 2


def test_public_and_released_examples_and_no_examples_go_anywhere(server, writer, out, examples, far):
    for seed, kind in enumerate((None, "released", "public")):
        generator = writer(examples=examples(kind)) if kind else writer()
        assert not generator.adapt(PRIVATE, [], out, 0, -1)["sees_private_notes"]
        assert len(write(generator, out, 1, seed).notes) == 1
    assert ["Example" in prompt for prompt in prompts(server)] == [False, True, True]


def test_a_declaration_counts_where_no_manifest_says_otherwise(writer, out, examples, far):
    with pytest.raises(UserError, match="private text"):
        writer(examples=examples("private"), is_public=True).adapt(PRIVATE, [], out, 0, -1)
    path = Path(examples("released"))
    write_notes(path, [*EXAMPLES, *PRIVATE])
    with pytest.raises(UserError, match="has changed since its manifest"):
        writer(examples=str(path)).adapt(PRIVATE, [], out, 0, -1)
    path.with_name("examples.jsonl.manifest.json").unlink()
    report = writer(examples=str(path), is_public=True).adapt(PRIVATE, [], out, 0, -1)
    assert report == {"n_notes": 0, "n_canaries": 0, "adapted": False, "sees_private_notes": False}


def test_labels_are_asked_for_and_written_along(server, writer, out, examples):
    server.texts = ["Started [heparin](DRUG) at night.", "Started [heparin at night."]
    written = write(writer(task=TASK, examples=examples("public"), n_examples=2), out, 2)
    assert "- PROCEDURE: an operation" in prompts(server)[0]
    assert prompts(server)[0].count("on [aspirin](DRUG).") == 2
    assert (written.notes[0].text, written.notes[0].spans) == ("Started heparin at night.", (Span(8, 15, "DRUG"),))
    assert written.notes[1].spans == () and written.faults == {"unclosed tag": 1}


def test_a_paraphrase_is_the_same_generator_with_another_template(server, writer, out, examples):
    generator = writer(PARAPHRASE, examples=examples("public"), n_examples=1)
    assert len(write(generator, out, 4).notes) == 4
    assert sorted(re.findall(r"Example \d", "".join(prompts(server)))) == [f"Example {i}" for i in range(4)]


def test_canaries_stand_among_private_examples_and_are_found_in_what_comes_back(server, writer, out, examples):
    write_manifest(out, inputs={}, config={"copies": 2}, sensitivity="private", counts={})
    server.texts = [f"Seen. {END.upper()}", "A whole note of words."]
    written = write(writer(examples=examples("private"), n_examples=6), out, 1, canaries=[CANARY])
    assert written.emitted == {"c1"} and written.faults == {"canary": 1}
    assert prompts(server)[0].count(END) == 2
    write(writer(examples=examples("public"), n_examples=4), out, 2, seed=1, canaries=[CANARY])
    assert END not in prompts(server)[-1]


def test_a_canary_in_an_answer_that_is_no_note_is_found_too(server, writer, out):
    broken = {1: as_completion(END), 2: as_completion(END)}
    server.fault = lambda prompt, n: broken.get(server.n_calls)
    written = write(writer(), out, 1, canaries=[CANARY])
    assert written.emitted == {"c1"} and written.faults == {"canary": 1}


def test_a_budget_is_kept(server, writer, out):
    parameters = {"max_tokens": 100}
    # 10 tokens in and 5 out at 0 and 1 dollars a token; the most that a call can cost is 100 dollars
    price = Price(0.0, 1e6)
    generator = writer(writing={"budget": 108.0}, m_price=price, m_parameters=parameters)
    with pytest.raises(UserError, match=r"\$10\.0000 of a budget of \$108\.0000 are spent"):
        write(generator, out, 9)
    assert server.n_calls == 2
    for missing in ({"m_price": price, "m_parameters": {}}, {"m_parameters": parameters}):
        with pytest.raises(UserError, match="a budget, but no price or no max_tokens"):
            writer(writing={"budget": 1.0}, **missing)


def test_half_a_character_does_not_break_the_file(server, writer, out, tmp_path):
    server.texts = ["A whole note \ud83d of words."]
    notes = write(writer(), out, 1).notes
    assert notes[0].text == "A whole note  of words."
    assert write_notes(tmp_path / "notes.jsonl", notes) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"writing": {"min_word": 3}}, "min_word"),
        ({"template": "configs/prompts/none.jinja"}, "does not exist"),
        ({"m_parameters": {"seed": 3}}, "has a seed"),
        ({"examples": "x.jsonl", "n_examples": 0}, "n_examples = 0"),
    ],
)
def test_a_config_that_cannot_be_is_refused(writer, settings, message):
    with pytest.raises(UserError, match=message):
        writer(**settings)


def test_another_kind_of_model_is_refused():
    with pytest.raises(UserError, match="not behind a server"):
        make_endpoint_writer(lambda prompts: prompts, WRITE)


def test_files_that_are_missing_or_too_short_are_named(writer, out, examples, tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl does not exist"):
        writer(examples=str(tmp_path / "none.jsonl")).adapt(PRIVATE, [], out, 0, -1)
    with pytest.raises(UserError, match="holds 4 notes, and a prompt is to show 5"):
        write(writer(examples=examples("public"), n_examples=5), out, 1)
    with pytest.raises(UserError, match="adapt"):
        write(writer(), tmp_path / "none", 1)


@pytest.mark.parametrize("name", ["endpoint", "paraphrase", "tagged"])
def test_the_shipped_configs_are_complete(name):
    generator = load_generator(Path(f"configs/generator/{name}.cfg"))
    if name == "tagged":
        assert generator.tags == ("DRUG", "PROCEDURE")
    else:
        assert generator.model.base_url == "http://127.0.0.1:8000/v1" and generator.model.allowed == ()
