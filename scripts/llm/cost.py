"""What it costs to ask a language model: tokens and dollars, estimated before and counted after; and a budget."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scripts.llm.local import load_tokenizer
from scripts.llm.prompt import Prompt
from scripts.notes.errors import UserError

CHARACTERS_A_TOKEN = 4  # the usual rule for English; what other languages have is learned from the first answers
PASSAGE_AN_ANSWER = 4  # of a passage about a quarter is named in the answer ...
FORM_TOKENS = 20  # ... and the answer's form comes on top
FRAME_TOKENS = 16  # what a server's chat format may put around a prompt
LEARNED_AFTER = 50  # answers


@dataclass(frozen=True)
class Tokens:
    """Tokens of prompts and of answers."""

    prompts: int = 0
    answers: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompts + other.prompts, self.answers + other.answers)

    def __mul__(self, n: int) -> "Tokens":
        return Tokens(n * self.prompts, n * self.answers)


def counted_tokens(answer: Mapping[str, Any]) -> Tokens | None:
    """What the server has counted for ANSWER (as the journal holds it); None if it did not say."""
    usage = answer.get("usage")
    return Tokens(usage["prompt_tokens"], usage["completion_tokens"]) if usage else None


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens of prompts (INPUT) and of answers (OUTPUT)."""

    input: float
    output: float

    def of(self, tokens: Tokens) -> float:
        return (self.input * tokens.prompts + self.output * tokens.answers) / 1e6


def read_price(config: Mapping[str, Any] | None) -> Price | None:
    """The price that a config gives; None where it gives none: then no cost is known, which is not 0."""
    if config is None:
        return None
    known = list(Price.__dataclass_fields__)
    if set(config) != set(known) or not all(_is_amount(value) for value in config.values()):
        raise UserError(
            f"price = {dict(config)} is no price", f"Give {' and '.join(known)} in US dollars per million tokens"
        )
    return Price(**config)


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def money(price: Price | None, tokens: Tokens) -> float | None:
    """What TOKENS cost at PRICE, in dollars; None where the price is unknown."""
    return None if price is None else price.of(tokens)


def show_money(dollars: float | None) -> str:
    return "price unknown" if dollars is None else f"${dollars:,.4f}"


@dataclass
class Usage:
    """What a run has asked so far: answers and faults by kind, calls, retries, and the tokens of the answers.

    Tokens are the server's own count; of the N_UNCOUNTED answers that came without one, the estimate. KEPT are the
    keys under which the journal has what this run has paid for.
    """

    calls: Counter[str] = field(default_factory=Counter)
    n_calls: int = 0
    n_retries: int = 0
    tokens: Tokens = Tokens()
    n_uncounted: int = 0
    kept: set[str] = field(default_factory=set)

    def counts(self) -> dict[str, int]:
        """All of it by name."""
        tokens = {"tokens: prompts": self.tokens.prompts, "tokens: answers": self.tokens.answers}
        return {f"calls: {outcome}": n for outcome, n in self.calls.items()} | tokens


class TokenRule:
    """How many tokens a prompt and its answer have, before the server has counted them.

    A prompt: what the tokenizer in the folder TOKENIZER says, else a token for every four characters. An answer: a
    quarter of the tokens of the passage (of the prompt, where it does not tell its passage) and 20 more, at most the
    max_completion_tokens or max_tokens of PARAMETERS. After 50 answers both are corrected by what the server counts.
    """

    def __init__(self, tokenizer: str | None, parameters: Mapping[str, Any]):
        self.folder = tokenizer
        self.most_answered = parameters.get("max_completion_tokens") or parameters.get("max_tokens")
        self._estimated, self._counted, self._n_learned = Tokens(), Tokens(), 0

    def estimate(self, prompt: str) -> Tokens:
        """The likely tokens of PROMPT and of its answer."""
        raw = self._by_rule(prompt)
        if self._n_learned >= LEARNED_AFTER:
            raw = Tokens(
                math.ceil(raw.prompts * self._counted.prompts / max(1, self._estimated.prompts)),
                math.ceil(raw.answers * self._counted.answers / self._estimated.answers),
            )
        return Tokens(raw.prompts, min(raw.answers, self.most_answered or raw.answers))

    def most(self, prompt: str, parameters: Mapping[str, Any]) -> Tokens:
        """The most that PROMPT, sent with PARAMETERS, and its answer can have.

        No token is less than a byte; a schema among the parameters is read like the prompt. Without a limit in the
        parameters the answer's tokens are estimated.
        """
        n_bytes = len(f"{prompt}{dict(parameters)}".encode()) + FRAME_TOKENS
        return Tokens(n_bytes, self.most_answered or self.estimate(prompt).answers)

    def learn(self, prompt: str, counted: Tokens) -> None:
        """The server has COUNTED so many for PROMPT and its answer."""
        self._estimated += self._by_rule(prompt)
        self._counted += counted
        self._n_learned += 1

    def _by_rule(self, prompt: str) -> Tokens:
        n_passage = n_prompt = self._count(str(prompt))
        if isinstance(prompt, Prompt):
            n_passage = self._count(prompt.text)
        return Tokens(n_prompt, math.ceil(n_passage / PASSAGE_AN_ANSWER) + FORM_TOKENS)

    def _count(self, text: str) -> int:
        if self.folder is None:
            return math.ceil(len(text) / CHARACTERS_A_TOKEN)
        return len(self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self.folder)


@dataclass(eq=False)
class Bill:
    """One call on its way: the MOST that it can cost, and what is PAID, in dollars; the most until more is known."""

    most: float
    paid: float


class Budget:
    """What a run may spend, in dollars: spent, on its way and next together never come to more.

    A call waits while those on their way may yet leave enough for it. When none is on its way and the rest is too
    little, it and every later one is a UserError: then nothing that was paid for is still to come. A call of which
    nobody knows whether it was charged (no answer, a broken one) counts as the most that it can cost. Use it inside one
    event loop.
    """

    def __init__(self, dollars: float = math.inf):
        self.dollars, self.spent = dollars, 0.0
        self._on_their_way: list[Bill] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._is_over = False

    @asynccontextmanager
    async def hold(self, most: float) -> AsyncIterator[Bill]:
        """Inside, a call that costs MOST at most is on its way; say on the bill what was paid."""
        bill = Bill(most, paid=most)
        while settled := self._place(bill):
            await settled
        try:
            yield bill
        finally:
            self._on_their_way.remove(bill)
            self.spent += bill.paid
            waiting, self._waiting = self._waiting, []
            for settled in waiting:
                if not settled.done():  # cancelled
                    settled.set_result(None)

    def _place(self, bill: Bill) -> asyncio.Future[None] | None:
        """Put BILL among those on their way, or say what to wait for before asking again."""
        is_enough = self.spent + sum(b.most for b in self._on_their_way) + bill.most <= self.dollars
        if is_enough and not self._is_over:
            self._on_their_way.append(bill)
            return None
        if self._on_their_way and not self._is_over:
            self._waiting.append(settled := asyncio.get_running_loop().create_future())
            return settled
        self._is_over = True
        left = max(0.0, self.dollars - self.spent)
        raise UserError(
            f"{show_money(self.spent)} of a budget of {show_money(self.dollars)} are spent, and the next answer "
            f"may cost {show_money(bill.most)}: {show_money(left)} are left",
            "All answers are kept: the same command with a larger budget goes on",
        )
