"""What a note says of a patient that others could know as well: age, sex, dates, values, rare words."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import spacy

from scripts.notes.note import Note

from .dates import MAX_GAP, MonthNames, find_dates
from .normalize import Token, plain, tokenize

Kind = Literal["age", "sex", "date", "value", "word"]
Attribute = tuple[Kind, str]

DETAILS = ("value", "word")  # facts of these kinds tell somebody apart only where they are rare
MIN_WORD = 4  # letters of a word that can be rare; shorter ones are abbreviations with many meanings


@spacy.registry.misc("clinical.attributes.v1")
@dataclass(frozen=True)
class AttributePolicy:
    """How age and sex are written, what the months are called, and how few patients make an attribute rare.

    `ages` are regular expressions with the age as their group; `sexes` maps each sex to one that matches a mention of
    it; both meet the text in plain spelling (no capitals, no accents). What the text does not say is taken from the
    note's meta, keys `meta_age` and `meta_sex`. Rare is what at most `max_patients` patients of T and H have.
    """

    ages: list[str]
    sexes: Mapping[str, str]
    months: list[str]
    max_patients: int
    meta_age: str = "age"
    meta_sex: str = "sex"
    month_names: MonthNames = field(init=False, repr=False, compare=False)
    age_patterns: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)
    sex_patterns: Mapping[str, re.Pattern[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "month_names", MonthNames(self.months))
        object.__setattr__(self, "age_patterns", tuple(re.compile(age) for age in self.ages))
        object.__setattr__(self, "sex_patterns", {sex: re.compile(words) for sex, words in self.sexes.items()})

    def of_note(self, note: Note) -> set[Attribute]:
        """The attributes of NOTE: those of its text, and age and sex from its meta where the text has none."""
        found = self.of_text(note.text)
        kinds = {kind for kind, _ in found}
        for kind, key in (("age", self.meta_age), ("sex", self.meta_sex)):
            if kind not in kinds and note.meta.get(key) not in (None, ""):
                found.add((kind, plain(str(note.meta[key]))))
        return found

    def of_text(self, text: str) -> set[Attribute]:
        """The attributes that TEXT states."""
        spelled = plain(text)
        found: set[Attribute] = {("age", age) for pattern in self.age_patterns for age in pattern.findall(spelled)}
        mentions = Counter({sex: len(pattern.findall(spelled)) for sex, pattern in self.sex_patterns.items()})
        first, *others = mentions.most_common(2)
        if first[1] and (not others or others[0][1] < first[1]):
            found.add(("sex", plain(first[0])))
        tokens = tokenize(spelled)
        in_dates: set[int] = set()
        for start, last, days in find_dates(tokens, self.month_names):
            if start not in in_dates:
                in_dates.update(range(start, last + 1))
                # 12/03/1951 has two readings and 51 stands for two years: what they have in common.
                found |= {("date", f"{d.year % 100} {min(d.day, d.month)} {max(d.day, d.month)}") for d in days}
        found |= {("value", value) for value in _values(tokens, spelled, in_dates)}
        found |= {("word", t.text) for t in tokens if len(t.text) >= MIN_WORD and t.text.isalpha()}
        return found


def _values(tokens: Sequence[Token], spelled: str, in_dates: set[int]) -> Iterator[str]:
    """The numbers under the word before them: a dose under its drug, a result under its test ("k 3.1", "bp 120/80")."""
    start, word, number = 0, "", ""
    end = 0
    for i, token in enumerate(tokens):
        start = end + token.gap
        between, end = spelled[end:start], start + len(token.text)
        if number and token.text.isdigit() and between in (".", ",", "/"):
            number += between.replace(",", ".") + token.text
            continue
        if number:
            yield f"{word} {number}"
        number = token.text if word and token.text.isdigit() and token.gap <= MAX_GAP and i not in in_dates else ""
        word = word if number else token.text if token.text.isalpha() else ""
    if number:
        yield f"{word} {number}"
