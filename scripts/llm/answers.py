"""The forms in which a language model names mentions: each can be written for training and read from an answer."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.notes.note import Span

Mentions = list[tuple[str, str]]  # (surface string, label), in the answer's order


class Unreadable(ValueError):
    """An answer in which the asked form cannot be found; says nothing of its text."""


@dataclass(frozen=True)
class AnswerForm:
    """WRITE the answer that a perfect model gives for a text and its spans; READ the mentions from any answer.

    Of an answer that was cut off, a form that SHOWS_ITS_END can still be read if it had ended before. SCHEMA is the
    JSON schema of an answer about some labels, for servers that can guarantee one.
    """

    write: Callable[[str, Sequence[Span], Sequence[str]], str]
    read: Callable[[str, Sequence[str]], Mentions]
    shows_its_end: bool = False
    schema: Callable[[Sequence[str]], dict[str, Any]] | None = None


def _write_json(text: str, spans: Sequence[Span], labels: Sequence[str]) -> str:
    return json.dumps({label: _strings(text, spans, label) for label in labels}, ensure_ascii=False)


def _read_json(answer: str, labels: Sequence[str]) -> Mentions:
    """The first JSON object in ANSWER: label -> list of strings, or list of {text, label}; paper A's form."""
    start = answer.find("{")
    if start < 0:
        raise Unreadable("no JSON object")
    try:
        row, _ = json.JSONDecoder().raw_decode(answer[start:])
    except ValueError:
        raise Unreadable("broken JSON") from None
    by_name = {label.casefold(): label for label in labels}
    mentions: Mentions = []
    for key, values in row.items():
        label = by_name.get(str(key).strip().casefold())
        if label is None:
            continue
        if values is None:
            values = []
        if isinstance(values, str):
            values = [values]
        if not isinstance(values, list) or any(not isinstance(v, str) for v in values):
            raise Unreadable("not a list of strings")
        mentions += [(v, label) for v in values if v.strip()]
    return mentions


def _json_schema(labels: Sequence[str]) -> dict[str, Any]:
    strings = {"type": "array", "items": {"type": "string"}}
    fields = {label: strings for label in labels}
    return {"type": "object", "properties": fields, "required": list(labels), "additionalProperties": False}


def _write_lists(text: str, spans: Sequence[Span], labels: Sequence[str]) -> str:
    return "\n".join(f"{label}: {'; '.join(_strings(text, spans, label)) or 'none'}" for label in labels)


def _read_lists(answer: str, labels: Sequence[str]) -> Mentions:
    """One line a label: `DRUG: aspirin; heparin 5,000`. Semicolons part, since commas stand inside doses and names."""
    mentions: Mentions = []
    found = False
    for label in labels:
        line = re.search(rf"^\W*{re.escape(label)}\s*:(.*)$", answer, re.MULTILINE | re.IGNORECASE)
        if line is None:
            continue
        found = True
        strings = (s.strip(" \t\"'") for s in line[1].split(";"))
        mentions += [(s, label) for s in strings if s and s.casefold() not in ("none", "-", "n/a")]
    if not found:
        raise Unreadable("no line for any label")
    return mentions


def _write_tags(text: str, spans: Sequence[Span], labels: Sequence[str]) -> str:
    pieces, last = [], 0
    for span in sorted(spans):
        mention = text[span.start : span.end]
        pieces += [text[last : span.start], f"<{span.label}>{mention}</{span.label}>"]
        last = span.end
    return "".join(pieces) + text[last:]


def _read_tags(answer: str, labels: Sequence[str]) -> Mentions:
    """The passage again, mentions between <LABEL> and </LABEL>."""
    names = "|".join(map(re.escape, labels))
    if not answer.strip():
        raise Unreadable("empty")
    opened = len(re.findall(rf"<(?:{names})>", answer))
    mentions = [(m[2], m[1]) for m in re.finditer(rf"<({names})>(.*?)</\1>", answer, re.DOTALL)]
    if opened != len(mentions):
        raise Unreadable("a tag is not closed")
    return mentions


def spans_of_copy(answer: str, text: str, labels: Sequence[str]) -> list[Span] | None:
    """The spans of an ANSWER that is TEXT itself with tags of LABELS around mentions, or None for anything else."""
    names = "|".join(map(re.escape, labels))
    spans: list[Span] = []
    plain, last = "", 0
    for match in re.finditer(rf"<({names})>(.*?)</\1>", answer, re.DOTALL):
        plain += answer[last : match.start()] + match[2]
        spans.append(Span(len(plain) - len(match[2]), len(plain), match[1]))
        last = match.end()
    return spans if plain + answer[last:] == text else None


def _strings(text: str, spans: Sequence[Span], label: str) -> list[str]:
    return [text[s.start : s.end] for s in sorted(spans) if s.label == label]


FORMS: dict[str, AnswerForm] = {
    "json": AnswerForm(_write_json, _read_json, shows_its_end=True, schema=_json_schema),
    "lists": AnswerForm(_write_lists, _read_lists),
    "tags": AnswerForm(_write_tags, _read_tags),
}
