"""What an LLM component asks about notes: how much of it the journal answers, and what the rest will cost."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spacy_llm.ty import supports_sharding

from scripts.llm.cost import Price, TokenRule, Tokens, counted_tokens, money, show_money
from scripts.llm.endpoint import Endpoint, can_read
from scripts.llm.journal import Journal

if TYPE_CHECKING:
    from spacy.tokens import Doc


@dataclass
class Plan:
    """N_PROMPTS about N_NOTES: N_KNOWN answers with their tokens, and N_ASKED calls with the tokens that are likely.

    Of the known answers N_UNCOUNTED were not counted by their server: their tokens are estimates too. N_AT_MOST and
    AT_MOST are what it comes to behind an endpoint if no answer can be read, and each is asked for as often as allowed.
    """

    n_notes: int = 0
    n_prompts: int = 0
    n_known: int = 0
    n_uncounted: int = 0
    known: Tokens = field(default_factory=Tokens)
    n_asked: int = 0
    asked: Tokens = field(default_factory=Tokens)
    n_at_most: int = 0
    at_most: Tokens = field(default_factory=Tokens)

    def rows(self, price: Price | None, is_local: bool) -> list[tuple[str, Any]]:
        """The plan for people, at PRICE."""
        rows = [("notes", self.n_notes), ("prompts", self.n_prompts)]
        if is_local:
            return [*rows, ("calls", self.n_asked), ("sent", "nothing: the model runs here")]
        at_most = [("calls at most", self.n_at_most), ("money at most", show_money(money(price, self.at_most)))]
        return [
            *rows,
            ("answers in the journal", self.n_known),
            ("calls to make", self.n_asked),
            ("tokens in, estimated", self.asked.prompts),
            ("tokens out, estimated", self.asked.answers),
            ("money, estimated", show_money(money(price, self.asked))),
            *(at_most if self.n_at_most else ()),
        ]


def plan(llm: Any, docs: Iterable["Doc"]) -> Plan:
    """What the spacy-llm component LLM asks about DOCS; nothing is sent.

    Behind an endpoint the same prompt is asked once, however many notes hold it, and what its run has paid for itself
    is no known answer. That an answer may be unreadable, and asked for again, is in what it comes to at most alone.
    """
    model = llm._model  # spacy-llm's component has no public name for it
    return _plan_endpoint(model, llm, docs) if isinstance(model, Endpoint) else _plan_other(llm, docs)


def _plan_endpoint(endpoint: Endpoint, llm: Any, docs: Iterable["Doc"]) -> Plan:
    made, seen = Plan(), set()
    # Opening it would make it: a plan leaves no file behind.
    journal = Journal(endpoint.journal_path) if endpoint.journal_path.is_file() else None
    for prompt in _prompts(llm, docs, made):
        keys = list(endpoint.keys(prompt))
        for number, key in enumerate(keys):
            answer = journal.get(key) if journal else None
            if key not in seen:
                seen.add(key)
                if answer is None:
                    made.n_asked += 1
                    made.asked += endpoint.rule.estimate(prompt)
                    made.n_at_most += len(keys) - number
                    made.at_most += endpoint.rule.most(prompt, endpoint.parameters_for(prompt)) * (len(keys) - number)
                elif key not in endpoint.usage.kept:
                    _add_known(made, endpoint.rule, prompt, answer)
            if answer is None or can_read(prompt, answer):
                break
    if journal:
        journal.close()
    return made


def _add_known(made: Plan, rule: TokenRule, prompt: str, answer: Mapping[str, Any]) -> None:
    made.n_known += 1
    counted = counted_tokens(answer)
    if counted is None:
        made.n_uncounted += 1
        made.known += rule.estimate(prompt)
    else:
        rule.learn(prompt, counted)
        made.known += counted


def _plan_other(llm: Any, docs: Iterable["Doc"]) -> Plan:
    made, rule = Plan(), TokenRule(None, {})
    for prompt in _prompts(llm, docs, made):
        made.n_asked += 1
        made.asked += rule.estimate(prompt)
    return made


def _prompts(llm: Any, docs: Iterable["Doc"], made: Plan) -> Iterator[str]:
    """What LLM asks about each of DOCS; counts both for MADE."""
    if supports_sharding(llm.task):
        asked = (prompts for prompts, _ in llm.task.generate_prompts(docs, getattr(llm._model, "context_length", None)))
    else:
        asked = ([prompt] for prompt in llm.task.generate_prompts(docs))
    for prompts in asked:
        made.n_notes += 1
        for prompt in prompts:
            made.n_prompts += 1
            yield prompt


def cost_report(endpoint: Endpoint, before: Plan) -> dict[str, Any]:
    """What the answers of ENDPOINT have cost, in numbers: in this run, and in those BEFORE whose answers it used."""
    usage = endpoint.usage
    return {
        "calls": usage.n_calls,
        "retries": usage.n_retries,
        "answers": usage.calls["answered"],
        **_bill(endpoint.price, usage.tokens, usage.n_uncounted),
        "paid_before": {"answers": before.n_known, **_bill(endpoint.price, before.known, before.n_uncounted)},
        "dollars_in_all": money(endpoint.price, usage.tokens + before.known),
    }


def _bill(price: Price | None, tokens: Tokens, n_uncounted: int) -> dict[str, Any]:
    return {
        "answers_uncounted": n_uncounted,
        "prompt_tokens": tokens.prompts,
        "answer_tokens": tokens.answers,
        "dollars": money(price, tokens),
    }
