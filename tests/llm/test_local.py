import pytest
import torch

from scripts.llm.local import LocalModel, Sampling, _drawer, check_model_name, has_bf16
from scripts.notes.errors import UserError


@pytest.fixture(scope="module")
def local(toy_lm):
    return LocalModel(toy_lm)


PROMPTS = ["Seen in clinic", "Admitted", "Takes aspirin and metformin. Had", "Echo was normal. Furo"]


def test_a_batch_of_unequal_prompts_writes_what_each_prompt_would_alone(local):
    greedy = Sampling(max_new_tokens=12)
    together = [c.text for c in local.complete(PROMPTS, greedy, batch_size=4)]
    alone = [next(local.complete([p], greedy)).text for p in PROMPTS]
    assert together == alone


def test_what_prompts_begin_with_is_read_once_and_they_write_the_same(local, monkeypatch):
    prompts = [f"{'Seen in clinic today. ' * 20}{prompt}" for prompt in PROMPTS]
    greedy = Sampling(max_new_tokens=12)
    alone = [next(local.complete([p], greedy)).text for p in prompts]
    n_read = 0
    read = local.model.forward

    def count(tokens, **how):
        nonlocal n_read
        n_read += tokens.numel()
        return read(tokens, **how)

    monkeypatch.setattr(local.model, "forward", count)
    assert [c.text for c in local.complete(prompts, greedy, batch_size=4)] == alone
    assert n_read < 2 * len(local.encode(prompts[0])) + 4 * (16 + 12)


def test_greedy_decoding_agrees_with_transformers_own(local):
    ids = local.encode(PROMPTS[2])
    theirs = local.model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=12, pad_token_id=0)[
        0, len(ids) :
    ]
    ours = next(local.complete([PROMPTS[2]], Sampling(max_new_tokens=12))).text
    assert ours == local.tokenizer.decode(theirs, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def test_sampling_repeats_with_its_seed_and_differs_with_another(local):
    hot = Sampling(temperature=1.0, top_p=0.95, max_new_tokens=20)
    first, again = (list(local.complete(PROMPTS, hot, seed=7)) for _ in range(2))
    assert first == again
    assert first != list(local.complete(PROMPTS, hot, seed=8))


@pytest.mark.parametrize(("top_k", "n_drawn"), [(5, 5), (0, 50)])
def test_a_token_is_one_of_the_likeliest_or_of_all(top_k, n_drawn):
    drawer = _drawer(Sampling(temperature=1.0, top_k=top_k), torch.Generator().manual_seed(0))
    assert len(set(drawer(torch.linspace(0, 1, 50).expand(2000, 50)).tolist())) == n_drawn


@pytest.mark.parametrize("how", [Sampling(temperature=1.0, top_k=0), Sampling(temperature=1.0, top_k=3)])
def test_a_token_is_drawn_as_often_as_the_model_says(how):
    shares = torch.tensor([0.0, 0.1, 0.0, 0.2, 0.7])
    drawn = _drawer(how, torch.Generator().manual_seed(0))(shares.log().expand(100_000, 5))
    assert drawn.bincount(minlength=5) / 100_000 == pytest.approx(shares.numpy(), abs=0.01)
    assert not set(drawn.tolist()) & {0, 2}


def test_a_text_that_ends_by_itself_is_told_from_one_cut_off(toy_lm):
    local, greedy = LocalModel(toy_lm), Sampling(max_new_tokens=5)
    cut = next(local.complete(["Seen"], greedy))
    assert cut.finish_reason == "length"
    first = local.model.generate(torch.tensor([local.encode("Seen")]), do_sample=False, max_new_tokens=1)[0, -1]
    local.tokenizer.eos_token = local.tokenizer.convert_ids_to_tokens(int(first))
    ended = list(local.complete(["Seen", "Admitted with fever. Started"], greedy))
    assert (ended[0].text, ended[0].finish_reason) == ("", "stop")


MORE = [f"{prompt} {word}" for prompt in PROMPTS for word in ("in", "May", "40 mg")][:11]


def set_end(local, token):
    local.tokenizer.eos_token = local.tokenizer.convert_ids_to_tokens(token)


@pytest.mark.slow
def test_texts_that_end_at_different_times_are_what_each_prompt_would_write_alone(toy_lm):
    local, greedy = LocalModel(toy_lm), Sampling(max_new_tokens=24)

    def go_on(prompt):
        ids = torch.tensor([local.encode(prompt)])
        return local.model.generate(ids, do_sample=False, max_new_tokens=24, pad_token_id=0)[0, ids.shape[1] :].tolist()

    rows = [go_on(prompt) for prompt in MORE]
    end = max({t for row in rows for t in row}, key=lambda t: len({row.index(t) for row in rows if t in row}))
    set_end(local, end)
    cut = [row[: row.index(end)] if end in row else row for row in rows]
    assert len({len(row) for row in cut}) > 2  # some early, some late
    done = list(local.complete(MORE, greedy, batch_size=len(MORE)))
    assert [c.text for c in done] == [local.tokenizer.decode(row, clean_up_tokenization_spaces=False) for row in cut]
    assert [c.finish_reason for c in done] == ["stop" if end in row else "length" for row in rows]
    assert [c.n_tokens for c in done] == [row.index(end) + 1 if end in row else 24 for row in rows]


def test_a_text_that_has_ended_writes_nothing_more_while_its_batch_goes_on(toy_lm, monkeypatch):
    local, hot = LocalModel(toy_lm), Sampling(temperature=1.0, max_new_tokens=24)
    written, decode = [], local.tokenizer.batch_decode
    monkeypatch.setattr(local.tokenizer, "batch_decode", lambda ids, **how: written.append(ids) or decode(ids, **how))
    list(local.complete(MORE, hot, batch_size=len(MORE)))
    (rows,) = written
    # One of 11 ends, early: the others' batch keeps its 11 rows, and with them all that is drawn.
    end = next(t for t in rows[0][:5] if sum(t in row for row in rows) == 1)
    set_end(local, end)
    list(local.complete(MORE, hot, batch_size=len(MORE)))
    assert written[1] == [rows[0][: rows[0].index(end)], *rows[1:]]


def test_text_survives_the_tokenizer(local):
    text = "Pt Ms. Jõgi  c/o SOB x3/7.\n\nRx: furosemiidi 40mg 心"
    assert local.tokenizer.decode(local.encode(text), clean_up_tokenization_spaces=False) == text


def test_a_missing_folder_is_told_from_a_hub_name():
    assert check_model_name("meta-llama/Llama-3.1-8B") == "meta-llama/Llama-3.1-8B"
    with pytest.raises(UserError, match="training/base/none"):
        check_model_name("training/base/none")


@pytest.mark.parametrize("amx", [False, True])
def test_a_cpu_computes_in_bfloat16_only_with_amx(monkeypatch, amx):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": amx})
    assert has_bf16("cpu") is amx
