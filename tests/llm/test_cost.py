"""Tokens, dollars and a budget: hand-computed, then against a server on loopback."""

import asyncio
import json
import math

import pytest

from benchmarks.server import Fault, Server, completion
from scripts.llm.cost import Budget, Price, TokenRule, Tokens, Usage, counted_tokens, money, read_price, show_money
from scripts.llm.endpoint import Endpoint
from scripts.llm.journal import Journal, forget
from scripts.llm.patience import Limits
from scripts.llm.prompt import Prompt
from scripts.llm.replies import was_sent
from scripts.notes.errors import UserError

GPT35 = Price(0.5, 1.5)


def test_a_price_is_for_a_million_tokens():
    assert GPT35.of(Tokens(2_000_000, 1_000_000)) == 2.5
    assert GPT35.of(Tokens(1000, 200)) == pytest.approx(0.0008)
    assert GPT35.of(Tokens()) == 0


def test_an_unknown_price_is_said_and_is_not_0():
    assert money(None, Tokens(1, 1)) is None
    assert show_money(None) == "price unknown"
    assert show_money(money(GPT35, Tokens(1000, 200))) == "$0.0008"
    assert read_price(None) is None
    assert read_price({"input": 0, "output": 1.5}) == Price(0, 1.5)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"input": 1.0},
        {"input": 1.0, "output": 1.0, "cached": 0.5},
        {"in": 1.0, "out": 1.0},
        {"input": -1.0, "output": 1.0},
        {"input": "1", "output": 1.0},
        {"input": True, "output": 1.0},
        {"input": math.nan, "output": 1.0},
        {"input": math.inf, "output": 1.0},
    ],
)
def test_what_is_no_price_is_refused(config):
    with pytest.raises(UserError, match="input and output in US dollars per million tokens"):
        read_price(config)


def asking(text: str, about: str) -> Prompt:
    return Prompt(text, about, (), ())


def test_tokens_by_rule():
    rule = TokenRule(None, {"temperature": 0.0})
    assert rule.estimate("x" * 400) == Tokens(100, 25 + 20)
    assert rule.estimate("x" * 401) == Tokens(101, 26 + 20)
    assert rule.estimate(asking("x" * 400, "x" * 80)) == Tokens(100, 5 + 20)
    assert TokenRule(None, {"max_tokens": 22}).estimate("x" * 400) == Tokens(100, 22)
    assert TokenRule(None, {"max_tokens": 22, "max_completion_tokens": 21}).estimate("x" * 400) == Tokens(100, 21)


def test_the_most_is_a_token_a_byte_and_the_longest_answer_that_the_parameters_allow():
    bare, limited = TokenRule(None, {}), TokenRule(None, {"max_tokens": 800})
    assert bare.most("é心 ab", {}).prompts == 2 + 3 + 3 + len("{}") + 16
    assert limited.most("ab", {"max_tokens": 800}).prompts == 2 + len("{'max_tokens': 800}") + 16
    assert limited.most("ab", {}).answers == 800
    assert bare.most("x" * 400, {}).answers == 45


def test_after_50_answers_the_servers_count_corrects_the_rule():
    rule = TokenRule(None, {"max_tokens": 100})
    for _ in range(49):
        rule.learn("x" * 400, Tokens(200, 9))  # by the rule 100 and 45
    assert rule.estimate("x" * 800) == Tokens(200, 70)
    rule.learn("x" * 400, Tokens(200, 9))
    assert rule.estimate("x" * 800) == Tokens(400, 14)  # twice 200; a fifth of 70
    for _ in range(1000):
        rule.learn("x" * 400, Tokens(200, 450))
    assert rule.estimate("x" * 800).answers == 100


def test_the_models_own_tokenizer_counts_if_it_is_there(toy_lm, tmp_path):
    from transformers import AutoTokenizer

    text = "Takes aspirin and metformin."
    n = len(AutoTokenizer.from_pretrained(toy_lm)(text, add_special_tokens=False).input_ids)
    assert TokenRule(toy_lm, {}).estimate(text) == Tokens(n, math.ceil(n / 4) + 20)
    for folder in ("some/hub-name", str(tmp_path)):
        with pytest.raises(UserError, match="no tokenizer in"):
            TokenRule(folder, {}).estimate(text)


def test_a_budget_is_kept_by_calls_that_wait_for_what_others_leave():
    most_held = n_paid = 0

    async def call(budget: Budget) -> None:
        nonlocal most_held, n_paid
        async with budget.hold(2.5) as bill:
            most_held = max(most_held, len(budget._on_their_way))
            await asyncio.sleep(0.01)
            bill.paid = 1.25
            n_paid += 1

    async def run(budget: Budget) -> list:
        return await asyncio.gather(*(call(budget) for _ in range(8)), return_exceptions=True)

    budget = Budget(6.25)
    ended = asyncio.run(run(budget))
    # Two at a time; the fourth is the last that can end within the budget: 3.75 + 2.5 = 6.25, but 5 + 2.5 = 7.5.
    assert (most_held, n_paid, budget.spent) == (2, 4, 5.0)
    assert [type(e) for e in ended].count(UserError) == 4
    (error, *_) = (e for e in ended if e)
    assert "$5.0000 of a budget of $6.2500 are spent" in str(error) and "$1.2500 are left" in str(error)
    assert "the same command with a larger budget goes on" in str(error)


def test_after_the_end_of_a_budget_no_smaller_call_is_sent_whose_answer_would_be_lost():
    async def run() -> None:
        budget = Budget(1.0)
        with pytest.raises(UserError):
            async with budget.hold(2.0):
                pass
        with pytest.raises(UserError):
            async with budget.hold(0.5):
                pass

    asyncio.run(run())


@pytest.mark.parametrize("dollars", [0.0, math.nan])
def test_a_budget_of_nothing_sends_nothing(dollars):
    async def run() -> None:
        with pytest.raises(UserError):
            async with Budget(dollars).hold(0.01):
                raise AssertionError("sent")

    asyncio.run(run())


# Against a server: each answer has 10 and 5 tokens, by the server's count

A_DOLLAR_A_TOKEN = Price(0.0, 1e6)  # of an answer
PROMPTS = [f"prompt {i}" for i in range(60)]


@pytest.fixture
def server():
    with Server(lambda prompt: f"answer to {prompt}", latency_s=0.01) as server:
        yield server


@pytest.fixture
def endpoint(server, tmp_path):
    """Call to make an endpoint with a price and a budget; all share one journal."""

    def make(dollars=math.inf, price=A_DOLLAR_A_TOKEN, url=None, **limits) -> Endpoint:
        limits = Limits(**{"first_wait_s": 0.01, "longest_wait_s": 0.02, "total_s": 1.0} | limits)
        journal = tmp_path / "journal.sqlite"
        parameters = {"max_tokens": 10}
        model = Endpoint("m", url or server.url, None, parameters, journal, limits, max_answers=1, price=price)
        model.budget = Budget(dollars)
        return model

    return make


def ask(model, prompts):
    return [answer for (answer,) in model([p] for p in prompts)]


def test_a_run_stops_before_its_budget_is_exceeded_and_goes_on_with_no_call_repeated(endpoint, server):
    first = endpoint(dollars=100)
    with pytest.raises(UserError, match="larger budget"):
        ask(first, PROMPTS)
    # 5 dollars an answer, and 10 at most: after the 19th 95 are spent, and 95 + 10 would exceed 100.
    assert len(server.requests) == first.usage.calls["answered"] == 19
    assert money(first.price, first.usage.tokens) == first.budget.spent == 95
    journal = Journal(first.journal_path)
    assert len(journal) == 19
    assert all(journal.get(key)["usage"] == {"prompt_tokens": 10, "completion_tokens": 5} for key in first.usage.kept)
    second = endpoint(dollars=300)
    assert ask(second, PROMPTS) == [f"answer to {p}" for p in PROMPTS]
    assert set(server.calls.values()) == {1}
    assert (second.usage.calls["journal"], second.budget.spent) == (19, 5 * 41)


def test_answers_in_the_journal_cost_nothing(endpoint, server):
    ask(endpoint(), PROMPTS)
    model = endpoint(dollars=0.0)
    assert ask(model, PROMPTS) == [f"answer to {p}" for p in PROMPTS]
    assert model.budget.spent == 0 and len(server.requests) == len(PROMPTS)


@pytest.mark.slow
def test_a_refused_call_costs_nothing_and_one_without_an_end_the_most_that_it_can(endpoint, server):
    server.fault = lambda prompt, n: Fault(429) if n == 1 else None
    model = endpoint()
    ask(model, PROMPTS[:1])
    assert (model.budget.spent, model.usage.n_calls, model.usage.n_retries) == (5, 2, 1)
    for fault in (Fault(drop=True), Fault(stall_s=9), Fault(body="<html>")):
        server.calls.clear()
        server.fault = lambda prompt, n, fault=fault: fault if n == 1 else None
        model = endpoint(total_s=0.2)
        ask(model, [f"{fault}"])
        assert model.budget.spent == 10 + 5


def test_a_server_that_is_not_there_charges_nothing(endpoint):
    model = endpoint(dollars=10, url="http://127.0.0.1:9/v1", gone_s=0.1)  # enough for one call
    with pytest.raises(UserError, match="was not heard of"):
        ask(model, PROMPTS)
    assert model.usage.n_calls > 1
    assert was_sent(TimeoutError())


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 5, "total_tokens": 5}])
def test_tokens_that_the_server_does_not_count_are_estimated_and_said_to_be(endpoint, server, usage):
    body = json.dumps(completion("fine") | {"usage": usage})
    server.fault = lambda prompt, n: Fault(body=body, headers={"Content-Type": "application/json"})
    model = endpoint()
    assert ask(model, ["x" * 40]) == ["fine"]
    assert (model.usage.tokens, model.usage.n_uncounted) == (Tokens(10, 10), 1)  # 23 by the rule, 10 at most
    assert model.budget.spent == 10
    (key,) = model.usage.kept
    assert counted_tokens(Journal(model.journal_path).get(key)) is None


def test_a_tokenizer_that_is_not_there_is_found_out_before_anything_is_paid_for(server, tmp_path):
    model = Endpoint("m", server.url, None, {}, tmp_path / "j.sqlite", Limits(), tokenizer=str(tmp_path / "none"))
    with pytest.raises(UserError, match="no tokenizer in"):
        ask(model, PROMPTS)
    assert not server.requests


def test_whoever_watches_is_told_of_each_call(endpoint, server):
    server.fault = lambda prompt, n: Fault(500) if n == 1 else None
    model, seen = endpoint(), []
    model.watch = lambda: seen.append((model.usage.n_calls, model.usage.tokens.answers))
    ask(model, PROMPTS[:1])
    assert seen == [(1, 0), (2, 5)]


def test_a_journal_is_forgotten_with_all_its_files(endpoint, tmp_path):
    path = tmp_path / "journal.sqlite"
    ask(endpoint(), PROMPTS[:3])  # still open: with its -wal and -shm
    assert len(list(tmp_path.iterdir())) == 3
    assert forget(path) == 3
    assert not list(tmp_path.iterdir())
    assert forget(path) == 0
    path.write_text("a letter to a patient" * 100)
    with pytest.raises(UserError, match="is no journal"):
        forget(path)
    assert path.is_file()


def test_usage_by_name():
    usage = Usage(tokens=Tokens(3, 4))
    usage.calls["429"] += 1
    assert usage.counts() == {"calls: 429": 1, "tokens: prompts": 3, "tokens: answers": 4}
