"""Tokens that clinical spans can be put on: a few rules of splitting, set as data on spaCy's own tokenizer."""

import re
import unicodedata
from functools import cache

import spacy
from spacy.language import Language
from spacy.tokenizer import Tokenizer

from .errors import UserError

BASIC_PLANE = range(0x10000)  # every living script that has marks or case


def blank(lang: str) -> Language:
    """An empty pipeline of language LANG with the clinical tokenizer; a UserError for a language that spaCy lacks."""
    try:
        return split_clinical(spacy.blank(lang))
    except ImportError as e:
        reason = "spaCy has no such language" if "E048" in str(e) else "its tokenizer needs a package of its own"
        raise UserError(
            f"language {lang}: {reason}", "Give a code from https://spacy.io/usage/models#languages, such as en or es"
        ) from None


def split_clinical(nlp: Language) -> Language:
    """NLP with the clinical rules in its tokenizer; a tokenizer that works without rules (zh, ja, th) stays as it is.

    Every symbol is a token of its own; a word ends where letters meet digits ("25mg") and where a lower-case letter
    meets a capital ("PérezCalle"). The language's own exceptions go: "Jan." or "a.m." as one token would hide the edge
    of a span. All of it is data that `to_disk` stores, so that a trained pipeline needs no code of this project.
    """
    tokenizer = nlp.tokenizer
    if type(tokenizer) is Tokenizer:
        tokenizer.rules = {}
        tokenizer.token_match = None
        tokenizer.url_match = None
        tokenizer.suffix_search = None
        tokenizer.prefix_search = re.compile(f"^(?:{_symbol()})").search
        tokenizer.infix_finditer = re.compile("|".join([_symbol(), *_borders()])).finditer
    return nlp


def _symbol() -> str:
    """A regex for one character that is neither letter, digit, mark nor white space."""
    # Combining marks belong to the letter before them: text in NFD must not fall apart.
    return rf"[^\w\s{_class('M')}]|_"


def _borders() -> list[str]:
    """Regexes of width zero for the places inside a word where a new token begins."""
    letter, mark = r"[^\W\d_]", f"[{_class('M')}]"
    lower, upper = f"[{_class('Ll')}]", f"[{_class('Lu')}]"
    return [
        rf"(?<=\d)(?={letter})",
        rf"(?<={letter})(?=\d)",
        rf"(?<={letter}{mark})(?=\d)",
        rf"(?<={lower})(?={upper})",
        rf"(?<={lower}{mark})(?={upper})",
    ]


@cache
def _class(category: str) -> str:
    """The inside of a regex class: the ranges of characters whose Unicode category begins with CATEGORY."""
    ranges: list[list[int]] = []
    for code in BASIC_PLANE:
        if unicodedata.category(chr(code)).startswith(category):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(re.escape(chr(a)) if a == b else f"{chr(a)}-{chr(b)}" for a, b in ranges)
