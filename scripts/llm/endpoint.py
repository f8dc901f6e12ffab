"""A language model behind an OpenAI-compatible server: many requests at a time, answers in order, none lost.

The official client sends; what it leaves to its caller is here: how many at a time, what to ask again and when, what
was answered before, which host may see what.
"""

import asyncio
import atexit
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable  # noqa: UP035  spacy-llm checks for these very types

from scripts.llm.cost import Bill, Budget, Price, TokenRule, Usage, counted_tokens, money
from scripts.llm.egress import check_destination, host_of
from scripts.llm.journal import Journal, key_of
from scripts.llm.limit import AdaptiveLimit
from scripts.llm.loop import call_off, now, run, start
from scripts.llm.patience import Limits, Patience
from scripts.llm.prompt import UNCUT, Answer, Prompt
from scripts.llm.replies import read_refusal, read_reply, retry_after, was_sent
from scripts.notes.errors import UserError

if TYPE_CHECKING:
    import openai

OPENAI = "https://api.openai.com/v1"
FATAL = (401, 403, 404)  # the key, or the name of the model: no other request would fare better
AGAIN = (408, 409, 425, 429)  # and every status from 500 on
BUSY = (429, 503, 529)  # fewer requests, please
DOCS_A_TURN = 8  # to start and stop the event loop takes as long as a fifth of a request


class Unanswered(Exception):
    """A prompt that stays without answer after all tries."""


class Endpoint:
    """A spacy-llm model: prompts per doc to answers per doc, lazily and in order, from a server's chat completions.

    PARAMETERS go to the server as they are (temperature, max_tokens, response_format, seed, ...). Every answer is in
    the JOURNAL before it is given away, by host, model, parameters and prompt: what stands there is not asked again. Of
    an answer that the prompt's `is_readable` rejects another is asked for, MAX_ANSWERS in all at most. GUIDED asks the
    server to keep to the prompt's JSON schema, where it has one.

    Requests go on their way, and answers are read, while the next doc's are asked for. Whoever starts a run may set its
    `budget`, and `watch`, which is called after each call.
    """

    context_length = UNCUT

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key_env: str | None,
        parameters: Mapping[str, Any],
        journal: Path,
        limits: Limits,
        allowed: Sequence[str] = (),
        azure_api_version: str | None = None,
        max_answers: int = 2,
        price: Price | None = None,
        tokenizer: str | None = None,
        guided: bool = False,
    ):
        host_of(base_url)
        self.name, self.base_url, self.api_key_env = name, base_url, api_key_env
        self.parameters, self.limits, self.allowed = dict(parameters), limits, tuple(allowed)
        self.azure_api_version, self.max_answers = azure_api_version, max_answers
        self.journal_path = journal
        self.price, self.rule, self.guided = price, TokenRule(tokenizer, parameters), guided
        self.usage, self.budget = Usage(), Budget()
        self.watch: Callable[[], None] = lambda: None
        self._is_open = False

    def __call__(self, prompts: Iterable[Iterable[Any]]) -> Iterable[Iterable[Any]]:
        """Answers to PROMPTS in their order; as many are on their way as the limits allow, and few more are read.

        What PROMPTS take to come by is time in which the loop stands still: it gets a turn every DOCS_A_TURN docs.
        """
        self._open()
        self._patience.forgive()
        waiting: deque[list[asyncio.Task[Answer]]] = deque()
        try:
            for number, doc in enumerate(prompts):
                checked = [self._checked(prompt) for prompt in doc]
                waiting.append(start([self._answer(prompt) for prompt in checked]))
                if number % DOCS_A_TURN == 0:
                    run(asyncio.sleep(0))
                if _are_done(waiting[0]):  # one doc out for each doc in; and an error is not passed over
                    yield _first(waiting)
                while sum(map(len, waiting)) > 4 * self.limits.max_in_flight:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        except UserError:
            if self._patience.refusal:  # of this key or model; what else is on its way is answered, and paid for
                run(_end([task for asked in waiting for task in asked]))
            raise
        finally:
            # An error, or a caller who wants no more: nothing goes on being sent, or paid for.
            if waiting:
                call_off([task for asked in waiting for task in asked])

    def close(self) -> None:
        """Call off what is on its way, close the connections and the journal; the next prompt opens them again."""
        if self._is_open:
            self._is_open = False
            call_off(list(self._asking.values()))
            run(self._client.close())
            self._journal.close()

    def _checked(self, prompt: Any) -> Any:
        check_destination(self.base_url, None, self.allowed)
        if isinstance(prompt, Prompt) and prompt.sensitivity:
            check_destination(self.base_url, prompt.sensitivity, self.allowed)
        return prompt

    def keys(self, prompt: str) -> Iterator[str]:
        """The journal's keys of the answers to PROMPT: of the first, then of each next that is asked for if need be."""
        max_answers = max(1, self.max_answers)
        first = max_answers * getattr(prompt, "sample", 0)
        parameters = self.parameters_for(prompt)
        for sample in range(first, first + max_answers):
            yield key_of(
                url=self.base_url,
                version=self.azure_api_version,
                model=self.name,
                parameters=parameters,
                prompt=str(prompt),
                sample=sample,
            )

    def parameters_for(self, prompt: str) -> dict[str, Any]:
        """What goes to the server beside model and PROMPT."""
        schema = getattr(prompt, "schema", None)
        if not (self.guided and schema):
            return self.parameters
        form = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
        return {**self.parameters, "response_format": form}

    async def _answer(self, prompt: Any) -> Answer:
        """The first readable of the answers to PROMPT, or the last."""
        for key in self.keys(prompt):
            known = await self._sample(key, prompt)
            if known["finish_reason"] == "failed" or can_read(prompt, known):
                break
        return Answer(known["content"], known["finish_reason"])

    async def _sample(self, key: str, prompt: str) -> dict[str, Any]:
        known = self._journal.get(key)
        if known is not None:
            self.usage.calls["journal"] += 1
            return known
        # Two notes may hold the same passage: it is asked for once.
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._ask_and_keep(key, prompt))
        return await self._asking[key]

    async def _ask_and_keep(self, key: str, prompt: str) -> dict[str, Any]:
        self._patience.n_prompts += 1
        try:
            answer = await self._ask(prompt)
            if answer["finish_reason"] != "rejected":  # the server may be mended; nothing was paid for
                self._journal.add(key, answer)
                self.usage.kept.add(key)
        except Unanswered:
            self.usage.calls["gave up"] += 1
            answer = {"content": "", "finish_reason": "failed"}  # not kept: the next run asks again
        finally:
            del self._asking[key]
        return answer

    async def _ask(self, prompt: str) -> dict[str, Any]:
        """What the server says to PROMPT, asked again as long as that may help."""
        failed_at = float("inf")
        for tries in count(1):
            await self._limit.take()
            try:
                self._patience.check()
                async with self.budget.hold(self._most(prompt)) as bill:
                    sent_at = now()
                    answer, fault, wait = await self._send(prompt, bill)
            finally:
                self._limit.give_back()
                self.watch()
            if answer is not None:
                self._patience.heard()
                return answer
            self.usage.calls[fault] += 1
            failed_at = min(failed_at, now())
            if fault not in ("connection", "timeout"):
                self._patience.heard()
            elif self._patience.is_gone(sent_at):
                raise UserError(
                    f"{host_of(self.base_url)} was not heard of for {self.limits.gone_s:.0f} s",
                    f"Start it and run the same command: {len(self._journal)} answers are kept",
                )
            if self._patience.is_over(tries, failed_at):
                raise Unanswered
            self.usage.n_retries += 1
            await self._patience.wait(tries, wait)
        raise AssertionError("unreachable")

    def _most(self, prompt: str) -> float:
        return money(self.price, self.rule.most(prompt, self.parameters_for(prompt))) or 0.0

    async def _send(self, prompt: str, bill: Bill) -> tuple[dict[str, Any] | None, str, float | None]:
        """One call: the answer, or else the fault and how long the server asks to wait; what is paid goes on BILL."""
        import openai

        self.usage.n_calls += 1
        sent_at = time.monotonic()  # the server's own time, whatever the caller does meanwhile
        try:
            async with asyncio.timeout(self.limits.total_s):
                # Half of what the client's `chat.completions.create` costs is models made of plain JSON and back.
                reply = await self._client.post(
                    "/chat/completions",
                    cast_to=object,
                    body={
                        "model": self.name,
                        "messages": [{"role": "user", "content": str(prompt)}],
                        **self.parameters_for(prompt),
                    },
                )
            answer = read_reply(reply)
        except openai.APIStatusError as e:
            bill.paid = 0.0
            return self._refused(e, sent_at)
        except (openai.APIConnectionError, TimeoutError) as e:
            if not was_sent(e):
                bill.paid = 0.0
            return None, "timeout" if isinstance(e, TimeoutError | openai.APITimeoutError) else "connection", None
        except (openai.OpenAIError, ValueError, TypeError, LookupError, AttributeError):
            return None, "garbage", None  # HTML, half a JSON, a body of another shape
        self._count(prompt, answer, bill)
        self._limit.answered(time.monotonic() - sent_at)
        return answer, "", None

    def _count(self, prompt: str, answer: Mapping[str, Any], bill: Bill) -> None:
        """Add an answer to the usage; without a count of its tokens, what is likely, and to BILL the most."""
        self.usage.calls["answered"] += 1
        counted = counted_tokens(answer)
        if counted is None:
            self.usage.n_uncounted += 1
            self.usage.tokens += self.rule.estimate(prompt)
            return
        self.rule.learn(prompt, counted)
        self.usage.tokens += counted
        bill.paid = money(self.price, counted) or 0.0

    def _refused(self, e: "openai.APIStatusError", sent_at: float) -> tuple[dict[str, Any] | None, str, float | None]:
        """What an HTTP error means: an answer after all, or the fault and how long the server asks to wait."""
        if e.status_code in FATAL:
            self._patience.refuse(
                UserError(
                    f"{host_of(self.base_url)} answers {e.status_code} to model {self.name}",
                    f"Check the model's name and the key in {self.api_key_env or 'api_key_env'}",
                )
            )
        if e.status_code in BUSY:
            self._limit.pushed_back(sent_at)
        if e.status_code in AGAIN or e.status_code >= 500:
            return None, str(e.status_code), retry_after(e.response.headers)
        return read_refusal(e), "", None

    def _open(self) -> None:
        """Open journal and client, at the first prompt."""
        if self._is_open:
            return
        self.rule.estimate("")  # a tokenizer that cannot be loaded is found out before anything is paid for
        self._journal = Journal(self.journal_path)
        self._client = self._make_client()
        self._limit = AdaptiveLimit(self.limits.max_in_flight)
        self._patience = Patience(self.limits)
        self._asking: dict[str, asyncio.Task[dict[str, Any]]] = {}
        self._is_open = True
        atexit.register(self.close)

    def _make_client(self) -> Any:
        import openai

        http = openai.DefaultAioHttpClient(
            # A redirect or a proxy would carry the text to a host that nobody has checked.
            follow_redirects=False,
            trust_env=False,
            timeout=openai.Timeout(self.limits.total_s, connect=self.limits.connect_s),
            limits=_pool(self.limits.max_in_flight),
        )
        common = {"api_key": self._api_key(), "http_client": http, "max_retries": 0}
        if self.azure_api_version:
            return openai.AsyncAzureOpenAI(
                azure_endpoint=self.base_url, api_version=self.azure_api_version, azure_deployment=self.name, **common
            )
        return openai.AsyncOpenAI(base_url=self.base_url, organization="", project="", **common)

    def _api_key(self) -> str:
        if self.api_key_env is None:
            return "none"  # the client insists on one; local servers ignore it
        key = os.environ.get(self.api_key_env)
        if not key:
            raise UserError(f"{self.api_key_env} is not set", "Put the key into the environment, never into a file")
        return key


def can_read(prompt: str, answer: Mapping[str, Any]) -> bool:
    """Whether ANSWER (as the journal holds it) can be used; of a prompt that is an ordinary string every one can."""
    if not isinstance(prompt, Prompt):
        return True
    return prompt.is_readable(Answer(answer["content"], answer["finish_reason"]))


def _first(waiting: deque[list[asyncio.Task[Answer]]]) -> list[Answer]:
    """The answers to the first doc WAITING, which then waits no longer; an error leaves it there, to be called off."""
    if not _are_done(waiting[0]):
        run(_end(waiting[0]))
    answers = [task.result() for task in waiting[0]]
    waiting.popleft()
    return answers


def _are_done(tasks: Sequence[asyncio.Task[Any]]) -> bool:
    return all(task.done() for task in tasks)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks)


def _pool(n: int) -> Any:
    import openai

    kind = type(openai.DEFAULT_CONNECTION_LIMITS)  # httpx's or its successor's, whichever the client is built on
    return kind(max_connections=n, max_keepalive_connections=n)
