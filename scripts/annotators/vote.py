"""Several annotators' spans become one set of entities; what they are of two minds about is missing annotation."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import log
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from scripts.notes.errors import UserError
from scripts.notes.files import write_json
from scripts.notes.note import Note
from scripts.notes.note import Span as NoteSpan
from scripts.notes.task import Rule, read_task

UNREAD = ":unread"  # doc.spans[name + UNREAD] holds the passages of which annotator NAME gave no readable answer


@dataclass(frozen=True)
class Ballot:
    """What one annotator says of a Doc: its SPANS, the numbers of the tokens that it left UNREAD; and its WEIGHT."""

    spans: Collection[Span]
    unread: frozenset[int] = frozenset()
    weight: float = 1.0


@Language.factory(
    "clinical_vote",
    default_config={"of": ["llm", "generator"], "task": None, "rule": None, "weights": {}, "doubt": 0.5},
)
def make_vote(
    nlp: Language,
    name: str,
    of: list[str],
    task: str | None,
    rule: str | None,
    weights: dict[str, float] | str,
    doubt: float,
) -> "Vote":
    """A component that decides between the span groups OF by RULE: majority (each with its weight, or 1) or union.

    Without a RULE it is that of TASK (YAML). WEIGHTS by group, or the JSON file that `clinical.teach_weights.v1` makes.
    DOUBT is the share of the weight from which a majority leaves words undecided.
    """
    rule = rule or (read_task(Path(task)).vote if task else "majority")
    if rule not in get_args(Rule):
        raise UserError(f"[components.{name}] rule = {rule} is unknown", f"There are: {', '.join(get_args(Rule))}")
    wrong = [] if isinstance(weights, str) else [g for g, weight in weights.items() if g not in of or weight <= 0]
    if wrong:
        raise UserError(
            f"[components.{name}] weights of {', '.join(wrong)}", "Name groups of `of`, with weights above 0"
        )
    if not 0 < doubt <= 0.5:
        raise UserError(f"[components.{name}] doubt = {doubt} is no share", "Choose one above 0 and up to 0.5")
    return Vote(of, rule, weights, doubt)


class Vote:
    """Reads `doc.spans` of the groups that a Doc has, and sets `doc.ents` to what they make of it together.

    A Doc with one group, such as a real note that no generator wrote, stays as it is.
    """

    def __init__(
        self,
        of: Sequence[str],
        rule: Rule,
        weights: Mapping[str, float] | str = MappingProxyType({}),
        doubt: float = 0.5,
    ):
        self.of, self.rule, self._weights, self.doubt = of, rule, weights, doubt

    @cached_property
    def weights(self) -> Mapping[str, float]:
        if not isinstance(self._weights, str):
            return self._weights
        if not Path(self._weights).is_file():
            raise UserError(f"{self._weights} does not exist", "Run the `teach` step with this annotator first")
        return json.loads(Path(self._weights).read_text("utf8"))

    def __call__(self, doc: Doc) -> Doc:
        ballots = [
            Ballot(list(doc.spans[name]), unread_tokens(doc, name), self.weights.get(name, 1.0))
            for name in self.of
            if name in doc.spans
        ]
        if len(ballots) > 1:
            won, missing = decide(doc, ballots, self.rule, self.doubt)
            doc.set_ents(won, missing=missing, default="outside")
        return doc


@spacy.registry.misc("clinical.teach_weights.v1")
def make_teach_weights(vote: str = "vote") -> Callable[..., dict[str, Any]]:
    """Teaching the component VOTE how much each annotator's word is worth, on the holdout notes with human labels."""

    def teach(
        nlp: Language, labelled: Sequence[Note], holdout: Sequence[Note], out: Path, seed: int, gpu_id: int
    ) -> dict[str, Any]:
        names = nlp.get_pipe(vote).of
        with nlp.select_pipes(disable=[vote]):
            docs = list(nlp.pipe(note.text for note in holdout))
        weights = fit_weights(docs, holdout, names)
        write_json(out / "weights.json", weights)
        return {"weights": weights}

    return teach


def fit_weights(docs: Sequence[Doc], notes: Sequence[Note], names: Sequence[str]) -> dict[str, float]:
    """The weight of each of the span groups NAMES in DOCS whose NOTES carry the truth.

    A group's weight is the log odds that it is right about a span that anybody holds, annotators or truth (Nitzan and
    Paroush 1982: the best weights for independent voters); one span right and one wrong are added to each count.
    """
    right, n = Counter(dict.fromkeys(names, 1)), 2
    for doc, note in zip(docs, notes, strict=True):
        truth = set(note.spans or ())
        held = {
            name: {NoteSpan(s.start_char, s.end_char, s.label_) for s in doc.spans[name]}
            for name in names
            if name in doc.spans
        }
        candidates = truth.union(*held.values())
        n += len(candidates)
        for name, spans in held.items():
            right[name] += sum((span in spans) == (span in truth) for span in candidates)
    # A voice that is wrong as often as right says nothing; one that is wrong more often is not turned round.
    return {
        name: max(0.01, log(right[name] / (n - right[name]))) for name in names if any(name in d.spans for d in docs)
    }


def decide(
    doc: Doc, ballots: Sequence[Ballot], rule: Rule = "majority", doubt: float = 0.5
) -> tuple[list[Span], list[Span]]:
    """The entities that BALLOTS elect, and the tokens about which they decide nothing, as spans of one token each.

    majority: a span that holds more than half of the weight is an entity. Of the other words, those on which at least
    the share DOUBT of the weight has some span, or could not read them, are undecided; the rest are outside.
    union: every span, the longer of two that overlap; words that anybody left unread are undecided.
    """
    everybody = sum(ballot.weight for ballot in ballots)
    votes: Counter[tuple[int, int, str]] = Counter()
    doubts: Counter[int] = Counter()
    for ballot in ballots:
        spans = {(span.start, span.end, span.label_) for span in ballot.spans}
        for span in spans:
            votes[span] += ballot.weight
        for token in ballot.unread.union(*(range(start, end) for start, end, _ in spans)):
            doubts[token] += ballot.weight
    needed = 0 if rule == "union" else everybody / 2
    won = filter_spans([Span(doc, *span) for span, weight in votes.items() if weight > needed])
    held = {token.i for span in won for token in span}
    if rule == "union":
        undecided = set().union(*(ballot.unread for ballot in ballots))
    else:
        undecided = {token for token, weight in doubts.items() if weight >= doubt * everybody}
    return won, [doc[i : i + 1] for i in sorted(undecided - held)]


def unread_tokens(doc: Doc, name: str) -> frozenset[int]:
    """The numbers of the tokens of DOC that the annotator NAME left unread."""
    return frozenset(token.i for span in doc.spans.get(name + UNREAD, ()) for token in span)


def agreement(docs: Iterable[Doc]) -> dict[str, dict[str, float]]:
    """How far each two annotators agree on DOCS, without gold: their strict F1 against each other, by label.

    Named "a ~ b" for the span groups a and b, on the Docs that have both; labels that neither uses are left out.
    """
    both: dict[str, Counter[str]] = {}
    either: dict[str, Counter[str]] = {}
    for doc in docs:
        groups = {
            name: {(span.start, span.end, span.label_) for span in doc.spans[name]}
            for name in sorted(doc.spans)
            if not name.endswith(UNREAD)
        }
        for a, b in combinations(groups, 2):
            pair = f"{a} ~ {b}"
            both.setdefault(pair, Counter()).update(label for _, _, label in groups[a] & groups[b])
            either.setdefault(pair, Counter()).update(label for name in (a, b) for _, _, label in groups[name])
    return {
        pair: {label: 2 * both[pair][label] / n for label, n in sorted(counts.items())}
        for pair, counts in either.items()
    }
