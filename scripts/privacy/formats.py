"""National numbers (personal codes, health, social security) as the data files of configs/identifiers describe them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import srsly

from scripts.notes.errors import UserError

from .normalize import plain

DNI_LETTERS = "trwagmyfpdxbnjzsqvhlcke"  # by the number's remainder
FOREIGNERS = str.maketrans("xyz", "012")  # the first letter of a Spanish foreigner's number counts as a digit


@dataclass(frozen=True)
class NumberFormat:
    """Numbers called NAME: PATTERN matches plain spelling, CHECKSUM is a key of CHECKSUMS."""

    name: str
    pattern: re.Pattern[str]
    checksum: str

    def find(self, text: str) -> Iterator[str]:
        """The numbers of this format in TEXT, which is in plain spelling; those alone whose check digits are right."""
        for match in self.pattern.finditer(text):
            checked = "".join(filter(None, match.groups())) or match.group()
            if CHECKSUMS[self.checksum]("".join(c for c in checked if c.isalnum())):
                yield match.group()


def read_formats(path: Path) -> list[NumberFormat]:
    """The formats in the YAML file PATH; a UserError where it is missing or broken."""
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yml"))) or "none"
        raise UserError(f"{path} does not exist", f"Mend 'formats' in the policy. There are: {there}")
    try:
        formats = []
        for row in srsly.read_yaml(path):
            if row["checksum"] not in CHECKSUMS:
                raise ValueError(f"checksum {row['checksum']} is none of {', '.join(CHECKSUMS)}")
            # Not inside a longer number, word or decimal.
            whole = rf"(?<!\w)(?<!\d[.,/-])(?:{row['pattern']})(?!\w)(?![.,/-]\d)"
            formats.append(NumberFormat(row["name"], re.compile(whole), row["checksum"]))
        return formats
    except (ValueError, KeyError, TypeError, re.error) as e:
        raise UserError(f"{path}: {type(e).__name__}: {e}", "Compare it with configs/identifiers/ee.yml") from None


def find_numbers(text: str, formats: list[NumberFormat]) -> Iterator[str]:
    """The national numbers in TEXT, in plain spelling."""
    spelled = plain(text)
    for form in formats:
        yield from form.find(spelled)


def luhn(number: str) -> bool:
    """Every second digit from the right but one doubled; the digits of all add up to a multiple of ten."""
    doubled = [int(c) * (2 if i % 2 else 1) for i, c in enumerate(reversed(number))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def mod11(number: str) -> bool:
    """Weights n, n - 1, ... 1 (the NHS number's 10 to 2, the check digit 1): the sum is a multiple of eleven."""
    return sum(int(c) * w for c, w in zip(number, range(len(number), 0, -1), strict=True)) % 11 == 0


def mod11_rounds(number: str) -> bool:
    """The Baltic personal codes: weights 1, 2, ... 9, 1, ...; for the remainder ten 3, 4, ... 9, 1, ...; then zero."""
    digits = [int(c) for c in number]
    for first in (0, 2):
        remainder = sum(d * ((i + first) % 9 + 1) for i, d in enumerate(digits[:-1])) % 11
        if remainder < 10:
            return remainder == digits[-1]
    return digits[-1] == 0


def mod23_letter(number: str) -> bool:
    """The last letter is that of the remainder by 23."""
    return DNI_LETTERS[int(number[:-1].translate(FOREIGNERS)) % 23] == number[-1]


def mod97(number: str) -> bool:
    """The last two digits are the remainder of the others by 97."""
    return int(number[:-2]) % 97 == int(number[-2:])


CHECKSUMS: Mapping[str, Callable[[str], bool]] = {
    "luhn": luhn,
    "mod11": mod11,
    "mod11_rounds": mod11_rounds,
    "mod23_letter": mod23_letter,
    "mod97": mod97,
    "none": lambda number: True,
}
