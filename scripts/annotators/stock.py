"""Tasks of spacy-llm's own: they read a failed answer as "no entity", and here learn that it is missing annotation."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from spacy.tokens import Doc
from spacy_llm.ty import supports_sharding

from scripts.llm.prompt import WHY_UNREAD


def mind_failed_answers(task: Any) -> None:
    """Let TASK leave a Doc missing, and counted, whose answer was refused, cut off, filtered or never came."""
    parse, shards = task.parse_responses, supports_sharding(task)

    def parse_answered(docs: Iterable[Any], responses: Iterable[Iterable[Any]]) -> Iterable[Doc]:
        for shown, answers in zip(docs, responses, strict=True):
            shown, answers = list(shown) if shards else shown, list(answers)
            reasons = {getattr(answer, "finish_reason", None) for answer in answers} - {None, "stop"}
            doc = _missing(shown[0] if shards else shown) if reasons else next(iter(parse([shown], [answers])))
            counts = Counter(doc.user_data.get("annotation"))
            counts.update(f"answers: {WHY_UNREAD.get(reason, reason)}" for reason in reasons or {"read"})
            doc.user_data["annotation"] = dict(counts)
            yield doc

    task.parse_responses = parse_answered


def _missing(doc: Doc) -> Doc:
    doc.set_ents([], default="missing")
    return doc
