"""Several annotators' spans become one set of entities; what they disagree on is missing annotation."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from scripts.notes.errors import UserError

Rule = Literal["majority", "union"]


@Language.factory("clinical_vote", default_config={"of": ["llm", "generator"], "rule": "majority"})
def make_vote(nlp: Language, name: str, of: list[str], rule: str) -> "Vote":
    """A component that decides between the span groups OF by RULE: majority or union."""
    if rule not in get_args(Rule):
        raise UserError(f"[components.{name}] rule = {rule} is unknown", f"There are: {', '.join(get_args(Rule))}")
    return Vote(of, rule)


class Vote:
    """Reads `doc.spans` of the groups that a Doc has, and sets `doc.ents` to what they make of it together.

    majority: a span that more than half of the groups hold; the words of a span that fewer hold are missing, not O.
    union: every span, the longer of two that overlap. Words that were missing before stay so where no entity stands.
    A Doc with one group, such as a real note that no generator wrote, stays as it is.
    """

    def __init__(self, of: Sequence[str], rule: str):
        self.of, self.rule = of, rule

    def __call__(self, doc: Doc) -> Doc:
        groups = [doc.spans[name] for name in self.of if name in doc.spans]
        if len(groups) < 2:
            return doc
        votes = Counter((span.start, span.end, span.label_) for group in groups for span in group)
        needed = 1 if self.rule == "union" else len(groups) // 2 + 1
        won = filter_spans([Span(doc, *vote) for vote, n in votes.items() if n >= needed])
        lost = {i for (a, b, _), n in votes.items() if n < needed for i in range(a, b)}
        open_before = {t.i for t in doc if t.ent_iob == 0}
        held = {t.i for span in won for t in span}
        missing = [doc[i : i + 1] for i in sorted((lost | open_before) - held)]
        doc.set_ents(won, missing=missing, default="outside")
        return doc
