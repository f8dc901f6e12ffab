"""Calendar dates in their common written forms, read from normalised tokens."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from .normalize import Token, plain, tokenize

MAX_GAP = 3  # characters between two tokens of one date or identifier: ", " or " / "
MAX_FILLERS = 2  # "12 de marzo de 1951", "March 12th 1951"
MAX_SUFFIX = 4  # inflection: Estonian "märtsil"
YEAR_MONTH_DAY = frozenset("年月日년월일")  # after each number of a Chinese, Japanese or Korean date


class MonthNames:
    """The number of a month from its name, an abbreviation of three letters or more, or an inflected form."""

    def __init__(self, years: Iterable[str]):
        """YEARS: for each language its twelve names in one string, January first."""
        self._full: dict[str, int] = {}
        self._short: dict[str, int] = {}
        self._asked: dict[str, int | None] = {}  # texts repeat their words
        for names in years:
            words = plain(names).split()
            if len(words) != 12:
                raise ValueError(f"{len(words)} names of months in a line of 'months', not 12")
            for number, word in enumerate(words, 1):
                self._full[word] = number
                self._short |= {word[:n]: number for n in range(3, len(word))}

    def number(self, word: str) -> int | None:
        """1 to 12, or None if WORD (in plain spelling) names no month."""
        if word not in self._asked:
            self._asked[word] = self._look_up(word)
        return self._asked[word]

    def _look_up(self, word: str) -> int | None:
        if found := self._full.get(word) or self._short.get(word):
            return found
        stems = (word[:n] for n in range(len(word) - 1, max(2, len(word) - MAX_SUFFIX - 1), -1))
        return next((self._full[stem] for stem in stems if stem in self._full), None)


def dates_in(text: str, months: MonthNames) -> set[date]:
    """Every reading of every date in TEXT."""
    return {day for _, _, days in find_dates(tokenize(text), months) for day in days}


def find_dates(tokens: Sequence[Token], months: MonthNames) -> Iterator[tuple[int, int, set[date]]]:
    """Yield (first token, last token, readings): 12/03/1951 may be in March or December, and 51 is 1951 or 2051."""
    for first, token in enumerate(tokens):
        if token.text.isdigit() or months.number(token.text):
            last, days = _date_at(tokens, first, months)
            if days:
                yield first, last, days


def _date_at(tokens: Sequence[Token], first: int, months: MonthNames) -> tuple[int, set[date]]:
    text = tokens[first].text
    if text.isdigit() and len(text) == 8:
        return first, _readings([text[:4], text[4:6], text[6:]]) | _readings([text[:2], text[2:4], text[4:]])
    parts: list[str | int] = []
    n_fillers = 0
    for last in range(first, min(first + 3 + MAX_FILLERS, len(tokens))):
        word = tokens[last].text
        if last > first and tokens[last].gap > MAX_GAP:
            break
        if word.isdigit():
            parts.append(word)
        elif month := months.number(word):
            parts.append(month)
        elif word in YEAR_MONTH_DAY:
            continue
        elif len(word) <= 3 and n_fillers < MAX_FILLERS:
            n_fillers += 1
        else:
            break
        if len(parts) == 3:
            # Three bare numbers with words between them are no date: "5 mg 10 ml 20".
            named = any(isinstance(p, int) for p in parts)
            return last, _readings(parts) if named or not n_fillers else set()
    return first, set()


def _readings(parts: Sequence[str | int]) -> set[date]:
    """The dates that three PARTS can mean; a month's name comes as an int, a number as it was written."""
    numbers = [part for part in parts if isinstance(part, str)]
    if len(numbers) == 2:
        (month,) = (str(part) for part in parts if isinstance(part, int))
        year, day = numbers if len(numbers[0]) == 4 else reversed(numbers)
        # "Mar 4/52" is four of 52 weeks rather than a year; "4 Mar 52" is a date.
        orders = [(year, month, day)] if len(year) == 4 or isinstance(parts[1], int) else []
    elif len(numbers) == 3:
        first, second, third = numbers
        year_first = len(first) == 4
        orders = [(first, second, third)] if year_first else [(third, second, first), (third, first, second)]
    else:
        return set()
    return {day for order in orders for day in _dates(*order)}


def _dates(year: str, month: str, day: str) -> Iterator[date]:
    for full_year in _years(year):
        try:
            yield date(full_year, int(month), int(day))
        except (ValueError, OverflowError):  # no such day
            continue


def _years(written: str) -> list[int]:
    if len(written) == 4 and written[:2] in ("18", "19", "20"):
        return [int(written)]
    return [1900 + int(written), 2000 + int(written)] if len(written) == 2 else []
