"""Public text first, then the notes: what is learned when, and what an interruption leaves."""

import json

import pytest
import torch
from transformers import Trainer

from scripts.generators import pretraining
from scripts.generators.causal_lm import CausalLM
from scripts.generators.causal_lm_configs import make_pretrained, make_scratch
from scripts.generators.pretraining import read_public
from scripts.llm.local import LocalModel
from scripts.notes.errors import UserError

PUBLIC = [f"Public sentence {i} about the {word}." for i, word in enumerate(("kidney", "liver", "heart", "lung"))]
SCHEDULE = {"learning_rate": 5e-3, "n_epochs": 2, "batch_size": 2, "patience": 2}
STAGE_ONE = 4  # steps: two an epoch


class Stopped(Exception):
    pass


@pytest.fixture
def public(tmp_path):
    path = tmp_path / "public.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in PUBLIC))
    return path


def from_scratch(public) -> CausalLM:
    block = {"texts": str(public), "schedule": SCHEDULE}
    shape = {"vocab_size": 320, "n_layers": 2, "width": 32, "n_heads": 2, "max_tokens": 256}
    return make_scratch(["genre"], SCHEDULE, {}, **shape, pretraining=block)


def adapt(generator, notes, out, stop_before: int | None = None) -> dict | None:
    """Adapt on NOTES; None if it was interrupted before so many steps were done."""
    real, steps = Trainer.training_step, []

    def step(self, *args, **kwargs):
        steps.append(1)
        if len(steps) == stop_before:
            raise Stopped
        return real(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "training_step", step)
        try:
            report = generator.adapt(notes, notes[:2], out, 0, -1)
        except Stopped:
            return None
    return report | {"n_steps": len(steps)}


def weights_of(out) -> dict[str, torch.Tensor]:
    return LocalModel(str(out / "model")).model.state_dict()


def test_texts_are_lines_of_a_file_or_files_of_a_folder(public, tmp_path):
    assert [note.text for note in read_public(public)] == PUBLIC
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "1.txt").write_bytes("\ufeffSecond".encode())
    (folder / "a.txt").write_text("First")
    (folder / "README.md").write_text("no text")
    assert [(note.id, note.text) for note in read_public(folder)] == [("a.txt", "First"), ("b/1.txt", "Second")]
    (folder / "a.txt").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"a\.txt: byte 0 is not UTF-8"):
        read_public(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no \.txt"):
        read_public(tmp_path / "empty")
    with pytest.raises(UserError, match="does not exist"):
        read_public(tmp_path / "absent.jsonl")


def test_texts_that_no_manifest_would_hash_and_unknown_keys_are_refused():
    with pytest.raises(UserError, match=r"Write \./public\.jsonl"):
        make_scratch([], {}, {}, pretraining={"texts": "public.jsonl", "schedule": {}})
    with pytest.raises(UserError, match=r"\[generator\.pretraining\].*text"):
        make_scratch([], {}, {}, pretraining={"text": "./x", "schedule": {}})
    with pytest.raises(UserError, match=r"\[generator\.pretraining\.schedule\].*epochs"):
        make_scratch([], {}, {}, pretraining={"texts": "./x", "schedule": {"epochs": 3}})


@pytest.mark.slow
def test_the_tokenizer_and_the_model_see_the_public_text_before_the_notes(public, toy_notes, tmp_path, monkeypatch):
    generator, seen = from_scratch(public), []
    finetune = pretraining.finetune
    monkeypatch.setattr(
        pretraining, "finetune", lambda model, train, *rest: seen.extend(train) or finetune(model, train, *rest)
    )
    report = adapt(generator, toy_notes, tmp_path / "g")
    tokenizer = LocalModel(str(tmp_path / "g" / "model")).tokenizer
    assert [tokenizer.decode(example.ids, skip_special_tokens=True) for example in seen] == PUBLIC
    assert report["pretraining"]["n_train_tokens"] == sum(len(example.ids) for example in seen)
    assert report["n_steps"] == STAGE_ONE + 8
    alone = make_scratch(["genre"], SCHEDULE, {}, vocab_size=320, n_layers=2, width=32, n_heads=2, max_tokens=256)
    assert "pretraining" not in adapt(alone, toy_notes, tmp_path / "alone")
    of_notes = LocalModel(str(tmp_path / "alone" / "model")).tokenizer
    assert len(tokenizer.encode(PUBLIC[0])) < len(of_notes.encode(PUBLIC[0]))


@pytest.mark.slow
@pytest.mark.parametrize(("stop_before", "n_left"), [(STAGE_ONE, 2 + 8), (STAGE_ONE + 3, 8), (STAGE_ONE + 7, 4)])
def test_an_interrupted_run_goes_on_with_the_same_weights(public, toy_notes, tmp_path, stop_before, n_left):
    """Stopped in the second epoch on public text, in the first and in the second on the notes."""
    generator = from_scratch(public)
    whole = adapt(generator, toy_notes, tmp_path / "whole")
    assert adapt(generator, toy_notes, tmp_path / "torn", stop_before) is None
    resumed = adapt(generator, toy_notes, tmp_path / "torn")
    assert resumed["n_steps"] == n_left
    assert resumed["pretraining"] == whole["pretraining"]
    before, after = weights_of(tmp_path / "whole"), weights_of(tmp_path / "torn")
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_an_adapter_is_trained_on_public_text_first_and_kept_through_an_interruption(
    public, toy_lm, toy_notes, tmp_path
):
    block = {"texts": str(public), "schedule": SCHEDULE}
    generator = make_pretrained(toy_lm, [], SCHEDULE, {}, lora={"r": 2}, pretraining=block)
    assert adapt(generator, toy_notes, tmp_path, stop_before=STAGE_ONE + 2) is None
    saved = torch.load(tmp_path / "work" / "pretraining" / "weights.pt", weights_only=True)
    assert saved and all("lora_" in name for name in saved)
    assert any(weight.abs().sum() > 0 for name, weight in saved.items() if "lora_B" in name)  # zero before training
    assert adapt(generator, toy_notes, tmp_path)["n_steps"] == 8
