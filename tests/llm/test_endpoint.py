"""The endpoint model against a real server on loopback that answers, and misbehaves, as told."""

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.server import Fault, Server, completion
from scripts.llm.cost import Tokens
from scripts.llm.endpoint import Endpoint
from scripts.llm.patience import Limits
from scripts.llm.prompt import Prompt
from scripts.llm.replies import retry_after
from scripts.notes.errors import UserError

QUICK = {"first_wait_s": 0.01, "longest_wait_s": 0.05, "total_s": 30.0}  # a slow machine makes no fault


@pytest.fixture
def server():
    with Server(lambda prompt: f"answer to {prompt}") as server:
        yield server


@pytest.fixture
def endpoint(server, tmp_path):
    """Call to make an endpoint of the server; all share one journal."""

    def make(name="m", parameters=None, max_answers=1, **limits) -> Endpoint:
        journal = tmp_path / "journal.sqlite"
        return Endpoint(
            name, server.url, None, parameters or {}, journal, Limits(**QUICK | limits), max_answers=max_answers
        )

    return make


def ask(model, prompts):
    return [answer for (answer,) in model([p] for p in prompts)]


PROMPTS = [f"prompt {i}" for i in range(200)]


def test_answers_come_in_order_and_many_prompts_are_on_their_way_at_once(endpoint, server):
    server.latency_s = 0.02
    assert ask(endpoint(max_in_flight=32), PROMPTS) == [f"answer to {p}" for p in PROMPTS]
    assert 8 < server.most_in_flight <= 32
    assert set(server.calls.values()) == {1}


def test_several_prompts_of_a_doc_stay_together(endpoint):
    assert list(endpoint()([["a", "b"], [], ["c"]])) == [["answer to a", "answer to b"], [], ["answer to c"]]


def test_few_more_prompts_are_read_than_are_on_their_way(endpoint, server):
    read = 0

    def prompts():
        nonlocal read
        for p in PROMPTS:
            read += 1
            yield [p]

    answers = iter(endpoint(max_in_flight=4)(prompts()))
    next(answers)
    assert read <= 20


def test_what_was_answered_is_not_asked_again_and_anything_else_is(endpoint, server):
    ask(endpoint(), PROMPTS[:9])
    model = endpoint()
    assert ask(model, PROMPTS[:10]) == [f"answer to {p}" for p in PROMPTS[:10]]
    assert len(server.requests) == 10
    assert model.usage.calls == {"journal": 9, "answered": 1}
    ask(endpoint(parameters={"temperature": 0.5}), PROMPTS[:1])
    ask(endpoint(name="other"), PROMPTS[:1])
    assert len(server.requests) == 12
    assert server.requests[-2]["body"]["temperature"] == 0.5


def test_the_same_prompt_twice_at_a_time_is_asked_once(endpoint, server):
    server.latency_s = 0.05
    assert ask(endpoint(), ["p", "q", "p", "p"]) == [f"answer to {p}" for p in "pqpp"]
    assert server.calls == {"p": 1, "q": 1}


def test_a_prompt_that_asks_the_same_again_gets_an_answer_of_its_own(endpoint, server):
    prompts = [Prompt("p", "text", (), (), sample=sample) for sample in range(3)]
    for _ in range(2):
        assert ask(endpoint(max_answers=2), prompts) == ["answer to p"] * 3
    assert server.calls == {"p": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, {"Retry-After": "0"}),
        Fault(429, {"retry-after-ms": "5"}),
        Fault(429),
        Fault(500),
        Fault(502, body="<html>Bad gateway</html>"),
        Fault(503),
        Fault(504),
        Fault(529),
        Fault(drop=True),
        Fault(stall_s=30),
        Fault(body="<html>Welcome</html>"),
        Fault(body='{"id": "c", "choices": [{"index": 0, "mess'),
        Fault(body='{"choices": []}'),
        Fault(body="null"),
    ],
    ids=lambda f: f"{f.status}-{'drop' if f.drop else 'stall' if f.stall_s else (f.body or str(f.headers))[:14]}",
)
def test_what_another_call_can_mend_is_asked_again(endpoint, server, fault):
    server.fault = lambda prompt, n: fault if n == 1 else None
    assert ask(endpoint(total_s=0.5), PROMPTS[:5]) == [f"answer to {p}" for p in PROMPTS[:5]]
    assert set(server.calls.values()) == {2}


def test_a_prompt_that_stays_without_answer_is_failed_and_the_others_are_not(endpoint, server):
    server.fault = lambda prompt, n: Fault(500) if prompt == "prompt 3" else None
    answers = ask(endpoint(max_tries=3), PROMPTS[:6])
    assert [a.finish_reason for a in answers] == ["stop"] * 3 + ["failed"] + ["stop"] * 2
    assert server.calls["prompt 3"] == 3
    server.fault = lambda prompt, n: None
    assert ask(endpoint(), PROMPTS[:6])[3] == "answer to prompt 3"  # a failure is not kept as an answer
    assert len(server.requests) == 9


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (completion(None, refusal="I cannot help with that."), "refused"),
        (completion(None), "none"),
        (completion(None, finish_reason="content_filter"), "content_filter"),
        (completion("half", finish_reason="length"), "length"),
    ],
)
def test_why_an_answer_is_none_is_told(endpoint, server, reply, reason):
    import json

    server.fault = lambda prompt, n: Fault(body=json.dumps(reply), headers={"Content-Type": "application/json"})
    (answer,) = ask(endpoint(), ["p"])
    assert answer.finish_reason == reason


def test_a_prompt_that_the_server_will_not_take_is_not_asked_again(endpoint, server):
    filtered = '{"error": {"code": "content_filter", "message": "filtered"}}'
    server.fault = lambda prompt, n: Fault(400, {}, filtered if prompt == "a" else '{"error": {"code": "too_long"}}')
    assert [a.finish_reason for a in ask(endpoint(), ["a", "b"])] == ["content_filter", "rejected"]
    assert set(server.calls.values()) == {1}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_stops_at_once_and_says_so(endpoint, server, status):
    server.fault = lambda prompt, n: Fault(status)
    with pytest.raises(UserError, match=f"answers {status} to model m"):
        ask(endpoint(), PROMPTS)
    assert len(server.requests) <= 2 * 32


@pytest.mark.slow
def test_a_refusal_waits_for_the_answers_that_are_on_their_way(endpoint, server):
    answered = []
    server.answer = lambda prompt: answered.append(prompt) or "answer"
    server.latency_s = 0.3
    server.fault = lambda prompt, n: Fault(401) if prompt == "prompt 7" else None  # at once; the others take a while
    with pytest.raises(UserError, match="answers 401"):
        ask(endpoint(), PROMPTS)
    assert 0 < len(answered) < len(PROMPTS)
    server.fault = lambda prompt, n: None
    ask(endpoint(), PROMPTS)
    assert sorted(answered) == sorted(PROMPTS)  # each was paid for once


def test_an_answer_that_cannot_be_read_is_asked_for_anew_and_both_stay_in_the_journal(endpoint, server):
    server.answer = lambda prompt: f"answer {server.calls[prompt]}"
    prompt = Prompt("p", "text", (), (), is_readable=lambda answer: answer == "answer 2")
    assert ask(endpoint(max_answers=3), [prompt]) == ["answer 2"]
    assert ask(endpoint(max_answers=3), [prompt]) == ["answer 2"]
    assert len(server.requests) == 2


def test_a_server_that_is_gone_stops_the_run_which_then_goes_on_where_it_was(endpoint, server):
    server.fault = lambda prompt, n: Fault(drop=True) if int(prompt.split()[1]) >= 20 else None
    with pytest.raises(UserError, match="was not heard of for 0 s"):
        ask(endpoint(gone_s=0.2, max_tries=100), PROMPTS[:60])
    server.fault = lambda prompt, n: None
    model = endpoint()
    assert ask(model, PROMPTS[:60]) == [f"answer to {p}" for p in PROMPTS[:60]]
    assert model.usage.calls["journal"] >= 10
    assert model.usage.n_calls == 60 - model.usage.calls["journal"]


def test_a_port_where_nobody_listens_stops_the_run(tmp_path):
    limits = Limits(**QUICK | {"gone_s": 0.2, "max_tries": 100})
    model = Endpoint("m", "http://127.0.0.1:9/v1", None, {}, tmp_path / "j.sqlite", limits)
    with pytest.raises(UserError, match=r"127\.0\.0\.1 was not heard of"):
        ask(model, PROMPTS)


def test_a_redirect_is_not_followed(endpoint, server):
    with Server(lambda prompt: "elsewhere") as elsewhere:
        server.fault = lambda prompt, n: Fault(307, {"Location": f"{elsewhere.url}/chat/completions"})
        (answer,) = ask(endpoint(max_tries=2), ["p"])
        assert answer.finish_reason in ("failed", "rejected")
        assert not elsewhere.requests


def test_a_proxy_of_the_environment_is_not_used(endpoint, server, monkeypatch):
    with Server(lambda prompt: "through the proxy") as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert ask(endpoint(), ["p"]) == ["answer to p"]
        assert not proxy.requests


def test_private_text_is_not_sent_to_another_host(tmp_path):
    model = Endpoint("m", "http://203.0.113.1/v1", None, {}, tmp_path / "j.sqlite", Limits())
    with pytest.raises(UserError, match=r"private text was about to be sent to 203\.0\.113\.1"):
        ask(model, ["p"])


def test_a_key_comes_from_the_environment_and_goes_nowhere_else(server, tmp_path, monkeypatch):
    model = Endpoint("m", server.url, "OUR_TEST_KEY", {}, tmp_path / "j.sqlite", Limits())
    with pytest.raises(UserError, match="OUR_TEST_KEY is not set"):
        ask(model, ["p"])
    monkeypatch.setenv("OUR_TEST_KEY", "sk-secret-0001")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    model = Endpoint("m", server.url, "OUR_TEST_KEY", {}, tmp_path / "j.sqlite", Limits())
    assert ask(model, ["p"]) == ["answer to p"]
    headers = {k.lower(): v for k, v in server.requests[0]["headers"].items()}
    assert headers["authorization"] == "Bearer sk-secret-0001"
    assert b"sk-secret" not in b"".join(f.read_bytes() for f in tmp_path.iterdir())


def test_azure_is_asked_by_deployment_and_version(tmp_path, monkeypatch):
    path = "/openai/deployments/ours/chat/completions"
    monkeypatch.setenv("AZURE_KEY", "azure-key-0001")
    with Server(lambda prompt: "from azure", paths=(path,)) as server:
        base = server.url.removesuffix("/v1")
        limits = Limits(**QUICK)
        model = Endpoint("ours", base, "AZURE_KEY", {}, tmp_path / "j.sqlite", limits, azure_api_version="2024-10-21")
        assert ask(model, ["p"]) == ["from azure"]
        assert server.requests[0]["path"] == f"{path}?api-version=2024-10-21"
        assert server.requests[0]["headers"].get("api-key") == "azure-key-0001"


def test_the_wait_that_a_server_asks_for_is_read_in_each_of_its_forms():
    from email.utils import formatdate

    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "0.25"}) == 0.25
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert 8 < retry_after({"retry-after": formatdate(time.time() + 10, usegmt=True)}) <= 10
    assert retry_after({"retry-after": formatdate(time.time() - 10, usegmt=True)}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_server_that_asks_to_wait_is_given_the_time(endpoint, server):
    server.fault = lambda prompt, n: Fault(429, {"Retry-After": "0.4"}) if n == 1 else None
    start = time.monotonic()
    assert ask(endpoint(), ["p"]) == ["answer to p"]
    assert time.monotonic() - start >= 0.4


def test_tokens_are_counted_as_the_server_counts_them(endpoint):
    model = endpoint()
    ask(model, PROMPTS[:4])
    assert model.usage.tokens == Tokens(40, 20)


def test_nothing_is_opened_before_the_first_prompt(endpoint, server, tmp_path):
    model = endpoint()
    assert not list(tmp_path.iterdir()) and not server.requests
    ask(model, ["p"])
    assert list(tmp_path.iterdir())


@pytest.mark.slow
def test_no_deadline_passes_while_the_caller_does_other_work(endpoint, server):
    server.latency_s = 0.05
    answers = iter(endpoint(total_s=2.0, max_in_flight=2)([p] for p in PROMPTS[:9]))
    got = [next(answers)[0]]
    time.sleep(2.2)
    got += [answer for (answer,) in answers]
    assert got == [f"answer to {p}" for p in PROMPTS[:9]]
    assert set(server.calls.values()) == {1}


def test_a_notebook_whose_own_loop_runs_can_ask(endpoint):
    async def cell():
        return ask(endpoint(), PROMPTS[:9])

    assert asyncio.run(cell()) == [f"answer to {p}" for p in PROMPTS[:9]]


def test_threads_that_ask_at_once_get_their_own_answers(endpoint):
    with ThreadPoolExecutor(4) as pool:
        models = [endpoint(name=f"m{i}") for i in range(4)]
        for answers in pool.map(lambda model: ask(model, PROMPTS[:20]), models):
            assert answers == [f"answer to {p}" for p in PROMPTS[:20]]


@pytest.mark.slow
def test_a_caller_who_wants_no_more_calls_off_what_is_on_its_way(endpoint, server):
    server.latency_s = 0.05
    answers = endpoint(max_in_flight=2)([p] for p in PROMPTS)
    next(answers)
    answers.close()
    assert ask(endpoint(name="other", max_in_flight=1), PROMPTS[:9]) == [f"answer to {p}" for p in PROMPTS[:9]]
    assert len([r for r in server.requests if r["body"]["model"] == "m"]) < 9  # of 200


@pytest.mark.slow
def test_a_closed_endpoint_calls_off_what_nobody_has_waited_for(endpoint, server):
    server.latency_s = 0.05
    model = endpoint(max_in_flight=2)
    answers = iter(model([p] for p in PROMPTS))
    next(answers)
    model.close()
    assert ask(endpoint(name="other", max_in_flight=1), PROMPTS[:9]) == [f"answer to {p}" for p in PROMPTS[:9]]
    assert len([r for r in server.requests if r["body"]["model"] == "m"]) < 9  # of 200
    with pytest.raises(asyncio.CancelledError):
        list(answers)


def test_ctrl_c_stops_and_what_was_answered_is_kept(endpoint, server):
    def answer(prompt):
        if prompt == PROMPTS[5]:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return f"answer to {prompt}"

    server.answer = answer
    with pytest.raises(KeyboardInterrupt):
        ask(endpoint(max_in_flight=1), PROMPTS[:9])
    server.answer = lambda prompt: f"answer to {prompt}"
    model = endpoint()
    assert ask(model, PROMPTS[:9]) == [f"answer to {p}" for p in PROMPTS[:9]]
    assert model.usage.calls == {"journal": 5, "answered": 4}
