"""Adapting reads the notes from the disk: the same examples as from memory, and nothing left but the model."""

import tracemalloc

import pytest
from transformers import Trainer

from scripts import adapt
from scripts.generators import causal_lm
from scripts.generators.drop_near_duplicates import DropNearDuplicates
from scripts.generators.mentions import make_mentions
from scripts.generators.notes_per_patient import NotesPerPatient
from scripts.generators.recombine import make_sections
from scripts.generators.surrogates import make_surrogates
from scripts.llm.local import LocalModel
from scripts.llm.tokens import ExampleFile
from scripts.notes.jsonl import NotesFile, write_notes
from scripts.notes.note import Note, Span

CONFIG = """
[generator]
@misc = "clinical.ScratchLM.v1"
control = ["genre"]
vocab_size = 257
n_layers = 1
width = 16
n_heads = 2
max_tokens = 16
[generator.schedule]
n_epochs = 2
batch_size = 2
[generator.writing]
[generator.stages]
@misc = "clinical.stages.v1"
[generator.stages.*.notes_per_patient]
@misc = "clinical.notes_per_patient.v1"
most = 1
"""
NOTES = [Note("a", "Abcdefghij", None, {"genre": "w"}), Note("b", "Klm", None, {"patient": "P"})]
NOTES += [Note("c", "Klm", None, {"patient": "P"})]


class Stopped(Exception):
    pass


@pytest.fixture
def paths(tmp_path):
    paths = {name: tmp_path / name for name in ("private.jsonl", "holdout.jsonl", "out", "g.cfg")}
    write_notes(paths["private.jsonl"], NOTES)
    write_notes(paths["holdout.jsonl"], [Note("h", "Xyz")])
    paths["g.cfg"].write_text(CONFIG)
    return paths


def run(paths) -> list[str]:
    """Adapt, as the step does; the names of all files in its folder afterwards."""
    try:
        adapt.main(paths["private.jsonl"], paths["holdout.jsonl"], paths["out"], paths["g.cfg"], None, 1, 0, -1)
    finally:
        names = sorted(p.relative_to(paths["out"]).as_posix() for p in paths["out"].rglob("*") if p.is_file())
    return names


def test_examples_by_hand(paths, monkeypatch):
    """A token is a byte; windows of sixteen: the prefix of the first note takes ten of its first one."""
    seen, finetune = {}, causal_lm.finetune

    def train(model, train, dev, *args):
        seen.update(train=train, dev=dev, examples=[(e.ids, e.targets) for e in (*train, *dev)])
        return finetune(model, train, dev, *args)

    monkeypatch.setattr(causal_lm, "finetune", train)
    run(paths)
    assert isinstance(seen["train"], ExampleFile) and isinstance(seen["dev"], ExampleFile)
    tokenizer = LocalModel(str(paths["out"] / "model")).tokenizer
    end = tokenizer.eos_token_id

    def ids(text: str) -> tuple[int, ...]:
        written = text.translate({ord("\n"): "Ċ", ord(" "): "Ġ"})  # as byte-level tokens are named
        return tuple(end if c == "$" else tokenizer.convert_tokens_to_ids(c) for c in written)

    first, second = ids("genre: w\n\nAbcdef"), ids("ghij$")
    assert seen["examples"] == [
        (first, (*[-100] * 9, *first[10:], -100)),
        (second, (*second[1:], -100)),
        (ids("$Klm$"), (*ids("Klm$"), -100)),  # of the patient's two notes one is left; without a prefix
        (ids("$Xyz$"), (*ids("Xyz$"), -100)),
    ]


@pytest.mark.slow
def test_what_is_made_of_the_notes_lies_in_work_while_it_is_needed_and_nowhere_after(paths, monkeypatch, capfd):
    real, steps = Trainer.training_step, []

    def stop(self, *args, **kwargs):
        steps.append(1)
        if len(steps) == 4:  # in the second epoch, of two steps
            raise Stopped
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "training_step", stop)
    with pytest.raises(Stopped):
        run(paths)
    left = {path.relative_to(paths["out"]) for path in paths["out"].rglob("*") if path.is_file()}
    assert all(path.parts[0] == "work" for path in left)
    assert {"notes.tokens", "holdout.tokens", "00.jsonl", "manifest.json"} <= {path.name for path in left}
    resumed = run(paths)
    assert len(steps) == 4 + 2  # the second epoch again
    assert "manifest.json" in resumed and "model/model.safetensors" in resumed
    assert not any("work" in name or name.endswith((".tokens", ".jsonl", ".part")) for name in resumed)
    assert sorted(p.name for p in paths["out"].parent.iterdir()) == sorted(paths)
    printed = "".join(capfd.readouterr())
    assert not any(text in printed for text in ("Abcdef", "Klm", "Xyz"))


N_NOTES = 300
LIMIT = 500_000  # bytes: a quarter of the notes' own


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> NotesFile:
    path = tmp_path_factory.mktemp("large") / "notes.jsonl"

    def note(i: int) -> Note:
        body = " ".join(f"w{i}x{j}" for j in range(400))
        text = f"Plan: aspirin {body}\n\nHistory: Ann {body[::-1]}"
        spans = (Span(6, 13, "DRUG"), Span(text.index("Ann"), text.index("Ann") + 3, "NAME"))
        return Note(f"n{i}", text, spans, {"patient": f"p{i // 3}", "genre": "ward"})

    write_notes(path, map(note, range(N_NOTES)))
    assert path.stat().st_size > 4 * LIMIT
    return NotesFile(path)


HOLDS_NOTHING = {
    "near duplicates": lambda notes: DropNearDuplicates()(notes, 0),
    "notes per patient": lambda notes: NotesPerPatient(2)(notes, 0),
    "surrogates": lambda notes: make_surrogates("en_GB", {"NAME": "name"})(notes, 0),
    "mentions": lambda notes: make_mentions(["DRUG"], "assets/lists/en.yml")(notes, 0),
    "sections": lambda notes: make_sections(share=0.3)(notes, 0),
    "a tagged view": lambda notes: causal_lm.tag_canaries(notes, ["DRUG"], notes),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOLDS_NOTHING)
def test_whatever_goes_through_all_notes_holds_few_of_them(name, large):
    run, few = HOLDS_NOTHING[name], [large[0], large[1]]
    peak(lambda: sum(1 for _ in run(few)))  # loads what it needs
    assert peak(lambda: sum(1 for _ in run(large))) - peak(lambda: sum(1 for _ in run(few))) < LIMIT


def peak(call) -> int:
    """The most bytes that CALL held at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
