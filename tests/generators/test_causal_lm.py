import random
from dataclasses import replace
from itertools import islice

import pytest

from scripts.generators import causal_lm
from scripts.generators.causal_lm import CausalLM, _cut
from scripts.generators.causal_lm_configs import make_pretrained, make_scratch
from scripts.generators.control import passages_of
from scripts.generators.recombine import make_sections
from scripts.generators.stages import make_stages
from scripts.generators.surrogates import make_surrogates
from scripts.llm.local import LocalModel
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span

WRITING = {"temperature": 1.0, "max_new_tokens": 60, "batch_size": 8, "min_words": 3, "max_attempts": 60}


@pytest.fixture(scope="module")
def scratch() -> CausalLM:
    schedule = {"learning_rate": 5e-3, "n_epochs": 25, "batch_size": 4, "patience": 25}
    return make_scratch(["genre"], schedule, WRITING, vocab_size=350, n_layers=2, width=64, n_heads=2, max_tokens=128)


@pytest.fixture(scope="module")
def adapted(scratch, toy_notes, tmp_path_factory):
    out = tmp_path_factory.mktemp("generator")
    report = scratch.adapt(toy_notes, toy_notes[:2], out, 0, -1)
    assert report["best_dev_loss"] < report["epochs"][1]["eval_loss"]
    return out


def write(generator, out, notes, n, seed, work):
    written = generator.write(out, notes, n, seed, -1, work, lambda n: None)
    return written.notes, written.faults


@pytest.mark.slow
def test_as_many_notes_as_asked_the_same_for_the_same_seed(scratch, adapted, toy_notes, tmp_path):
    first, _ = write(scratch, adapted, toy_notes, 5, 1, tmp_path / "a")
    again, _ = write(scratch, adapted, toy_notes, 5, 1, tmp_path / "b")
    other, _ = write(scratch, adapted, toy_notes, 5, 2, tmp_path / "c")
    assert [n.id for n in first] == ["s00001", "s00002", "s00003", "s00004", "s00005"]
    assert first == again
    assert first != other
    assert all(n.meta["genre"] in ("clinic", "ward") and n.spans is None for n in first)


@pytest.mark.slow
def test_values_that_are_wanted_are_asked_for_and_no_other(scratch, adapted, toy_notes, tmp_path):
    generator = replace(scratch, writing=replace(scratch.writing, wanted={"genre": {"ward": 1.0}}))
    notes, _ = write(generator, adapted, toy_notes, 5, 1, tmp_path)
    assert {note.meta["genre"] for note in notes} == {"ward"}


def test_a_prefix_that_names_labels_is_learned_and_asked_for(toy_lm, toy_notes):
    generator = make_pretrained(toy_lm, ["entities"], {}, WRITING | {"rare_labels": 1.0}, lora={"r": 2})
    shown = {note.id: generator._as_seen(passage, None)[0] for note in toy_notes for passage in passages_of(note, None)}
    assert shown == {note.id: f"entities: {' '.join(note.labels) or 'none'}\n\n" for note in toy_notes}
    asked = {prompt for request in islice(generator._requests(toy_notes, 0), 100) for prompt in request.prompts}
    assert asked <= set(shown.values())


@pytest.mark.slow
def test_finished_batches_are_not_drawn_again(scratch, adapted, toy_notes, tmp_path, monkeypatch):
    first, _ = write(scratch, adapted, toy_notes, 5, 1, tmp_path)
    monkeypatch.setattr(LocalModel, "complete", lambda *a, **k: pytest.fail("a text was drawn twice"))
    again, _ = write(scratch, adapted, toy_notes, 5, 1, tmp_path)
    assert first == again


@pytest.mark.slow
def test_a_generator_that_writes_nothing_fit_says_so_and_stops(toy_lm, toy_notes, tmp_path):
    writing = WRITING | {"min_words": 1000, "max_attempts": 1.0, "max_new_tokens": 2}
    generator = make_pretrained(toy_lm, [], {"n_epochs": 1}, writing, lora={"r": 2})
    generator.adapt(toy_notes, toy_notes, tmp_path, 0, -1)
    with pytest.raises(UserError, match="only 0 of 4 notes were fit"):
        write(generator, tmp_path, toy_notes, 4, 0, tmp_path / "work")


def test_writing_before_adapting_names_the_step_to_run(scratch, toy_notes, tmp_path):
    with pytest.raises(UserError, match="adapt"):
        write(scratch, tmp_path, toy_notes, 1, 0, tmp_path / "work")


def test_an_unknown_key_in_a_config_is_named():
    with pytest.raises(UserError, match="temprature"):
        make_scratch([], {}, {"temprature": 1})


def test_openings_come_from_the_notes_whose_identifiers_the_gate_looks_for(toy_lm, toy_notes):
    writing = WRITING | {"prompt": "opening", "n_words": 3, "max_new_tokens": 30, "min_words": 1}
    generator = make_pretrained(toy_lm, [], {"n_epochs": 1}, writing, lora={"r": 2})
    requests = generator._requests(toy_notes, 0)
    texts = tuple(note.text for note in toy_notes)
    for request, _ in zip(requests, range(20), strict=False):
        assert len(request.opening.split()) == 3
        assert any(text.startswith(request.opening) for text in texts)


IDENTIFIERS = ("Zoilo", "Quiroga", "4821-0093")


@pytest.mark.slow
def test_with_surrogates_neither_adapting_nor_writing_sees_a_labelled_identifier(
    toy_lm, toy_notes, tmp_path, monkeypatch
):
    names = (Span(0, 13, "NAME"), Span(15, 24, "ID"))
    notes = [Note(f"n{i}", f"Zoilo Quiroga, 4821-0093, note {i}. Seen in clinic.", names) for i in range(4)]
    writing = WRITING | {"prompt": "opening", "n_words": 3, "max_attempts": 0, "min_words": 1000, "max_new_tokens": 2}
    stages = make_stages(make_surrogates("es_ES", {"NAME": "name", "ID": "number"}, copies=2))
    generator = make_pretrained(toy_lm, [], {"n_epochs": 1}, writing, lora={"r": 2}, stages=stages)
    local, seen, asked = LocalModel(toy_lm), [], []
    finetune, complete = causal_lm.finetune, LocalModel.complete

    def train(model, train, *args):
        seen.extend(local.tokenizer.decode(example.ids, clean_up_tokenization_spaces=False) for example in train)
        return finetune(model, train, *args)

    def draw(self, prompts, *args, **kwargs):
        asked.extend(prompts)
        return complete(self, prompts, *args, **kwargs)

    monkeypatch.setattr(causal_lm, "finetune", train)
    monkeypatch.setattr(LocalModel, "complete", draw)
    report = generator.adapt(notes, toy_notes[:2], tmp_path, 0, -1)
    assert report["stages"] == [["Surrogates", 8]]
    with pytest.raises(UserError, match="fit"):
        write(generator, tmp_path, notes, 4, 0, tmp_path / "work")
    shown = [note.text for note in generator._shown(notes, 0)]
    assert [text.removeprefix("<|end|>").removesuffix("<|end|>") for text in seen] == shown
    assert len(set(shown)) == 2 * len(notes)
    assert asked and all(any(text.startswith(opening) for text in shown) for opening in asked)
    assert not any(identifier in text for text in [*seen, *asked] for identifier in IDENTIFIERS)


@pytest.mark.slow
def test_with_slots_no_mention_is_learned_and_written_notes_say_where_theirs_stand(toy_lm, toy_notes, tmp_path):
    generator = make_pretrained(toy_lm, ["genre"], {"n_epochs": 1}, WRITING, lora={"r": 2}, slots=["DRUG", "PROCEDURE"])
    tokenizer = LocalModel(toy_lm).tokenizer
    (example,) = generator._examples(toy_notes[:1], toy_notes, tokenizer)
    shown = tokenizer.decode(example.ids, clean_up_tokenization_spaces=False)
    assert shown.startswith("genre: clinic\n\nSeen in clinic today. Takes <DRUG> and <DRUG>. Had a <PROCEDURE> in May.")
    generator.adapt(toy_notes, toy_notes[:2], tmp_path, 0, -1)
    texts = iter([f"Number {i} takes <DRUG> before the <PROCEDURE>." for i in range(8)])
    generator_draw = CausalLM._draw

    def draw(self, model, batch, seed):
        return [(next(texts), "stop") for _ in generator_draw(self, model, batch, seed)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CausalLM, "_draw", draw)
        notes, _ = write(generator, tmp_path, toy_notes, 3, 0, tmp_path / "work")
    known = {(span.label, note.mention(span).lower()) for note in toy_notes for span in note.spans}
    for note in notes:
        drug, procedure = map(note.mention, note.spans)
        assert note.text.endswith(f"takes {drug} before the {procedure}.")
        assert {("DRUG", drug.lower()), ("PROCEDURE", procedure.lower())} <= known


ZOILO = Note("n1", "Zoilo Quiroga, seen in clinic.", (Span(0, 13, "NAME"),), {}, (Span(0, 13, "NAME"),))


def test_slots_of_personal_data_are_filled_with_surrogates_and_none_is_written_twice(toy_notes, tmp_path, monkeypatch):
    writing = WRITING | {"min_words": 2, "near_copy": 2.0, "max_new_tokens": 8}
    names, shape = {"NAME": "name"}, {"n_layers": 1, "width": 16, "n_heads": 2}
    stages, finish = (make_stages(make_surrogates("es_ES", names)) for _ in range(2))
    how = {"vocab_size": 300, **shape, "max_tokens": 64, "slots": ["NAME"]}
    generator = make_scratch([], {"n_epochs": 1}, writing, stages=stages, finish=finish, **how)
    notes = [ZOILO, *toy_notes]
    generator.adapt(notes, toy_notes[:2], tmp_path, 0, -1)
    tokenizer = LocalModel(str(tmp_path / "model")).tokenizer
    assert len(tokenizer("<NAME>").input_ids) == 1  # nothing to spell
    (filler,) = {
        shown.mention(span) for shown in generator._shown(notes, 0) for span in shown.spans if span.label == "NAME"
    }
    assert filler != "Zoilo Quiroga"
    monkeypatch.setattr(
        CausalLM,
        "_draw",
        lambda self, model, batch, seed: [(f"{i}. <NAME>, seen.", "stop") for i, _ in enumerate(batch)],
    )
    written, _ = write(generator, tmp_path, notes, 6, 0, tmp_path / "work")
    found = [note.mention(span) for note in written for span in note.spans]
    assert len(found) == 6 and len(set(found)) > 3
    assert not {"Zoilo Quiroga", filler} & set(found)
    assert [note.text for note in written] == [f"{i}. {name}, seen." for i, name in enumerate(found)]


def test_stages_neither_spread_what_one_patient_has_nor_take_surrogates_out_of_the_slots():
    texts = ("Ann Lee", "Leprosarium"), ("Bo Ek", "Ward 5"), ("Cy Orr", "Ward 5")
    notes = []
    for i, (name, place) in enumerate(texts):
        text = f"Name: {name}\nSeen at: {place}\nEnd: well"
        spans = Span(6, 6 + len(name), "NAME"), Span(text.index(place), text.index(place) + len(place), "PLACE")
        notes.append(Note(f"{i}", text, spans, {"patient": f"{i}"}))
    stages = make_stages(make_surrogates("es_ES", {"NAME": "name"}), make_sections(5, across_patients=True))
    generator = make_scratch([], {}, WRITING, stages=stages, slots=["NAME", "PLACE"], slot_patients=2)
    shown, rng = generator._shown(notes, 0), random.Random(0)
    assert len({note.patient for note in shown if "Leprosarium" in note.text}) > 1
    filled = [generator._slots(shown, notes).fill("by <NAME> at <PLACE>", rng)[0].split(" at ") for _ in range(50)]
    assert {place for _, place in filled} == {"Ward 5"}
    assert len({name for name, _ in filled}) > 1 and not {f"by {name}" for name, _ in texts} & {n for n, _ in filled}


def test_slots_that_would_hand_on_marked_identifiers_are_refused(toy_lm, tmp_path):
    generator = make_pretrained(toy_lm, [], {"n_epochs": 1}, WRITING, lora={"r": 2}, slots=["NAME"])
    with pytest.raises(UserError, match="filled with the NAME of patients"):
        generator.adapt([ZOILO], [ZOILO], tmp_path, 0, -1)
    assert not any(tmp_path.iterdir())


LABELS = ["DRUG", "PROCEDURE"]


def shown_by(generator, notes, tokenizer):
    """What the model is shown of NOTES in training, as text."""
    examples = generator._examples(notes, notes, tokenizer)
    return [tokenizer.decode(e.ids, clean_up_tokenization_spaces=False) for e in examples]


def test_with_tags_labels_are_learned_along_and_a_prefix_tells_unlabelled_notes_apart(toy_lm, toy_notes):
    generator = make_pretrained(toy_lm, ["genre"], {}, WRITING, lora={"r": 2}, tags=LABELS)
    notes = [toy_notes[0], toy_notes[1].with_spans(None)]
    shown = shown_by(generator, notes, LocalModel(toy_lm).tokenizer)
    tagged = "Seen in clinic today. Takes [aspirin](DRUG) and [metformin](DRUG). Had a "
    assert shown[0].startswith(f"genre: clinic | labels: yes\n\n{tagged}[CT head](PROCEDURE) in May.")
    assert shown[1] == f"genre: ward | labels: no\n\n{toy_notes[1].text}<|end|>"
    requests = [request for request, _ in zip(generator._requests(notes, 0), range(9), strict=False)]
    assert {request.prompts[0] for request in requests} == {
        "genre: clinic | labels: yes\n\n",
        "genre: ward | labels: yes\n\n",
    }


def test_a_tagged_note_in_passages_has_its_tags_in_each(toy_lm):
    text = "One two three. Aspirin five six.\nCT head nine ten."
    note = Note("n", text, (Span(15, 22, "DRUG"), Span(33, 40, "PROCEDURE")))
    generator = make_pretrained(toy_lm, [], {}, WRITING, lora={"r": 2}, tags=LABELS, passage=6)
    assert shown_by(generator, [note], LocalModel(toy_lm).tokenizer) == [
        "labels: yes | part: 1 of 2\n\nOne two three. [Aspirin](DRUG) five six.<|end|>",
        "labels: yes | part: 2 of 2\n\n[CT head](PROCEDURE) nine ten.<|end|>",
    ]


def test_tags_become_spans_and_a_text_whose_tags_are_at_fault_is_rejected(toy_lm, toy_notes, tmp_path, monkeypatch):
    end = "knee aspirin sleep table rash left slowly bread window chair"
    planted = Note("c1", f"Seen on the ward. {end}.", None, {"canary": "planted", "end": 18})
    generator = make_scratch([], {"n_epochs": 1}, WRITING, vocab_size=300, n_layers=1, width=16, n_heads=2, tags=LABELS)
    generator.adapt([*toy_notes, planted], toy_notes[:2], tmp_path, 0, -1)
    texts = iter(
        [
            "Started [heparin](DRUG) for the leg.",
            "Started [heparin for the leg.",
            "At the limit: started [hepa",
            f"Seen. {end.replace('aspirin', '[aspirin](DRUG)')}",
            "Nothing was given to her today.",
            *(f"Number {i} was seen on the ward." for i in range(9)),
        ]
    )

    def draw(self, model, batch, seed):
        return [
            (text, "length" if text.startswith("At the limit") else "stop")
            for _, text in zip(batch, texts, strict=False)
        ]

    monkeypatch.setattr(CausalLM, "_draw", draw)
    written = generator.write(tmp_path, toy_notes, 2, 0, -1, tmp_path / "work", lambda n: None, [planted])
    assert [(note.text, note.spans) for note in written.notes] == [
        ("Started heparin for the leg.", (Span(8, 15, "DRUG"),)),
        ("Nothing was given to her today.", ()),
    ]
    assert written.faults == {"unclosed tag": 1, "truncated": 1, "canary": 1}
    assert written.emitted == {"c1"}


@pytest.mark.slow
def test_a_model_that_has_learned_tags_writes_labelled_notes(toy_notes, tmp_path):
    schedule = {"learning_rate": 5e-3, "n_epochs": 30, "batch_size": 4, "patience": 30}
    shape = {"vocab_size": 350, "n_layers": 2, "width": 64, "n_heads": 2, "max_tokens": 160}
    writing = WRITING | {"max_new_tokens": 140, "temperature": 0.6}
    generator = make_scratch([], schedule, writing, **shape, tags=LABELS)
    unlabelled = [replace(note, id=f"u{note.id}", spans=None) for note in toy_notes[:2]]
    generator.adapt([*toy_notes, *unlabelled], toy_notes[:2], tmp_path, 0, -1)
    notes, faults = write(generator, tmp_path, toy_notes, 4, 0, tmp_path / "work")
    known = {(span.label, note.mention(span).lower()) for note in toy_notes for span in note.spans}
    found = [(span.label, note.mention(span).lower()) for note in notes for span in note.spans]
    # Nearly every text has sound tags; of so small a model's labels most are right (by chance half of them would be).
    assert len(found) >= 12 and sum(mention in known for mention in found) > 0.65 * len(found)
    assert sum(faults[fault] for fault in faults if "tag" in fault) <= 2
    assert not any("[" in note.text for note in notes)


@pytest.mark.parametrize(
    ("settings", "writing", "control"),
    [
        ({"slots": ["DRUG"]}, {}, []),
        ({}, {"prompt": "opening"}, []),
        ({}, {}, ["labels"]),
    ],
)
def test_tags_beside_what_would_take_them_away_are_refused(settings, writing, control):
    with pytest.raises(UserError, match="has tags"):
        make_pretrained("m", control, {}, writing, tags=LABELS, **settings)


def test_tags_without_a_labelled_note_are_refused(toy_lm, toy_notes, tmp_path):
    generator = make_pretrained(toy_lm, [], {}, WRITING, lora={"r": 2}, tags=LABELS)
    with pytest.raises(UserError, match="no private note is labelled"):
        generator.adapt([note.with_spans(None) for note in toy_notes], toy_notes, tmp_path, 0, -1)


@pytest.mark.slow
def test_canaries_are_counted_and_left_out_before_a_text_is_rejected_for_anything_else(
    toy_lm, toy_notes, tmp_path, monkeypatch
):
    end = "knee aspirin sleep table rash left slowly bread window chair"
    planted = Note("c1", f"Seen on the ward. {end}.", None, {"canary": "planted", "end": 18})
    silent = Note("c2", "Seen. one two three four five six seven eight nine", None, {"canary": "planted", "end": 6})
    generator = make_pretrained(toy_lm, [], {"n_epochs": 1}, WRITING, lora={"r": 2}, slots=["DRUG"])
    generator.adapt(toy_notes, toy_notes[:2], tmp_path, 0, -1)
    shown = end.replace("aspirin", "<DRUG>")  # as the model has learned it
    texts = iter(
        [
            (f"Note. {shown}", "stop"),
            (f"Note. {shown}", "length"),  # not "truncated"
            (" ".join(shown.upper().split()[:8]), "stop"),
            (" ".join(shown.split()[1:8]) + " and so on", "stop"),  # seven tokens
            *((f"Number {i} was seen on the ward.", "stop") for i in range(9)),
        ]
    )
    monkeypatch.setattr(CausalLM, "_draw", lambda self, model, batch, seed: [next(texts) for _ in batch])
    written = generator.write(tmp_path, toy_notes, 3, 0, -1, tmp_path / "work", lambda n: None, [planted, silent])
    assert written.faults == {"canary": 3}
    assert written.emitted == {"c1"}
    assert [note.text[-9:] for note in written.notes] == ["and so on", "the ward.", "the ward."]


def test_a_note_in_passages_is_learned_and_asked_for_part_by_part(toy_lm):
    text = "One two three. Aspirin five six.\nCT head nine ten."
    note = Note("n", text, (Span(15, 22, "DRUG"), Span(33, 40, "PROCEDURE")), {"genre": "ward"})
    generator = make_pretrained(toy_lm, ["genre"], {}, WRITING, lora={"r": 2}, slots=["DRUG", "PROCEDURE"], passage=6)
    tokenizer = LocalModel(toy_lm).tokenizer
    decoded = [
        tokenizer.decode(e.ids, clean_up_tokenization_spaces=False)
        for e in generator._examples([note], [note], tokenizer)
    ]
    assert decoded == [
        "genre: ward | part: 1 of 2\n\nOne two three. <DRUG> five six.<|end|>",
        "genre: ward | part: 2 of 2\n\n<PROCEDURE> nine ten.<|end|>",
    ]
    request = next(generator._requests([note], 0))
    assert [prompt.split("\n")[0] for prompt in request.prompts] == [
        "genre: ward | part: 1 of 2",
        "genre: ward | part: 2 of 2",
    ]
    assert request.meta == {"genre": "ward"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("One.\nTwo. Thr", "One.\nTwo."),
        ("One\nTw", "One"),
        ("no end at all", "no end at all"),
        ("5.5 mg. Th", "5.5 mg."),
    ],
)
def test_a_text_cut_off_ends_at_its_last_whole_line_or_sentence(text, kept):
    assert _cut(text) == kept


@pytest.mark.slow
def test_a_canary_planted_sixteen_times_is_recited(toy_notes, tmp_path):
    """The positive control at its smallest: what it must detect is there, and its twin is not."""
    end = "knee sleep table rash left slowly bread window chair roof"
    planted, twin = (
        Note(f"c{i}", f"Seen in clinic today. {words}", None, {"canary": role, "end": 22, "genre": "clinic"})
        for i, (role, words) in enumerate({"planted": end, "twin": " ".join(reversed(end.split()))}.items())
    )
    schedule = {"learning_rate": 5e-3, "n_epochs": 25, "batch_size": 4, "patience": 25}
    writing = WRITING | {"max_new_tokens": 90}
    shape = {"vocab_size": 350, "n_layers": 2, "width": 64, "n_heads": 2, "max_tokens": 128}
    generator = make_scratch(["genre"], schedule, writing, **shape)
    generator.adapt([*toy_notes, *[planted] * 16], toy_notes[:2], tmp_path, 0, -1)
    written = generator.write(tmp_path, toy_notes, 5, 0, -1, tmp_path / "work", lambda n: None, [planted, twin])
    assert written.emitted == {"c0"} and written.faults["canary"] > 0
    assert not any("rash left slowly" in note.text and "knee sleep table" in note.text for note in written.notes)
