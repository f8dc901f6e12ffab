"""The size of a new model, by hand."""

import pytest

from scripts.generators import scratch
from scripts.generators.causal_lm_configs import make_scratch
from scripts.generators.scratch import new_model, new_tokenizer, size_for
from scripts.notes.errors import UserError
from scripts.notes.note import Note


@pytest.mark.parametrize(
    ("n_tokens", "n_layers"),
    [
        (0, 2),
        (300_000, 2),  # a megabyte: 254,000 weights are less than two layers have
        (4_000_000, 4),  # 4e6 / 20 * 16.93 = 3.39 million weights; 13 * 64**2 * 4**3 = 3.41 million
        (35_000_000, 8),  # 29.6 million; 27.3 million
        (10**9, 12),
    ],
)
def test_the_size_follows_the_tokens_within_bounds(n_tokens, n_layers):
    assert size_for(n_tokens) == {"n_layers": n_layers, "width": 64 * n_layers, "n_heads": n_layers}


def test_a_layer_has_the_weights_that_the_rule_counts():
    tokenizer = new_tokenizer(["seen in clinic"], 300)
    model = new_model(tokenizer, size_for(0), 16, seed=0)
    n_weights = sum(weight.numel() for weight in model.parameters())
    n_embeddings, n_norms = len(tokenizer) * 128, 5 * 128
    assert n_weights - n_embeddings - n_norms == 2 * 13 * 128**2


def test_what_is_whole_is_one_token_and_comes_back_as_it_was():
    tokenizer = new_tokenizer(["seen in clinic"], 300, ["<NAME>", "](DRUG)"])
    text = "Dr <NAME>: [aspirin](DRUG) in clinic"
    ids = tokenizer(text).input_ids
    assert [tokenizer.decode([i]) for i in ids if i >= len(tokenizer) - 2] == ["<NAME>", "](DRUG)"]
    assert tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == text


def test_copies_of_notes_and_canaries_make_no_larger_model(monkeypatch):
    asked = []
    monkeypatch.setattr(scratch, "size_for", lambda n: asked.append(n) or {"n_layers": 1, "width": 32, "n_heads": 1})
    generator = make_scratch([], {"n_epochs": 1}, {}, vocab_size=257)  # no merges: a token is a byte
    notes, canary = [Note("a", "seen"), Note("b", "slept well")], Note("c", "knee", None, {"canary": "planted"})
    model, _ = generator._untrained(notes * 3 + [canary] * 16, notes, None, -1, 0)
    assert asked == [14]
    assert model.config.hidden_size == 32


def test_a_size_that_is_given_is_taken_and_half_of_one_refused(monkeypatch):
    monkeypatch.setattr(scratch, "size_for", lambda n: pytest.fail("asked for a size"))
    generator = make_scratch([], {}, {}, vocab_size=257, n_layers=1, width=16, n_heads=2)
    model, _ = generator._untrained([Note("a", "seen")], [], None, -1, 0)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (1, 16)
    with pytest.raises(UserError, match="has width and not"):
        make_scratch([], {}, {}, width=16)
