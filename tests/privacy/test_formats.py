"""National numbers by shape and check digits; every number here is invented."""

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.privacy.formats import CHECKSUMS, find_numbers, read_formats

FOLDER = Path(__file__).resolve().parent.parent.parent / "configs/identifiers"

VALID = {
    # 1*4+2*9+3*4+4*0+5*3+6*1+7*3+8*6+9*5+1*1 = 170 = 15*11 + 5
    "ee": ["49403136515", "kood: 49403136515.", "４９４０３１３６５１５"],
    "se": ["811218-9876", "198112189876", "19811218-9876", "811278-9873", "811218+9876", "811218 9876"],
    "es": [
        "12345678Z",  # 12345678 = 23 * 536768 + 14, and the letter at 14 is Z
        "12345678-z",
        "12.345.678-Z",
        "X1234567L",  # 01234567 = 23 * 53676 + 19: L
        "y 1234567 x",  # 11234567 = 23 * 488459 + 10: X
        "28/12345678/40",  # 2812345678 = 97 * 28993254 + 40
        "281234567840",
        "28 01234567 42",  # the zero left out: 281234567 = 97 * 2899325 + 42
    ],
    "us": ["123-45-6789", "123 45 6789"],
    "uk": ["943 476 5919", "943-476-5919", "9434765919", "AB 12 34 56 C", "ab123456c"],
}
INVALID = {
    "ee": ["49403136516", "49413136515", "149403136515", "4940313651", "9.49403136515"],
    "se": ["811218-9875", "811318-9876", "811200-9876", "5811218-9876", "811218-9876-1"],
    "es": ["12345678A", "X1234567A", "12345678ZZ", "W1234567L", "28/12345678/41", "123456789"],
    "us": ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "123456789", "123-45 6789"],
    "uk": ["943 476 5918", "9434765910", "QA123456C", "AO123456C", "AB123456E"],
}


def numbers(country: str, text: str) -> list[str]:
    return list(find_numbers(text, read_formats(FOLDER / f"{country}.yml")))


@pytest.mark.parametrize(("country", "text"), [(c, text) for c, texts in VALID.items() for text in texts])
def test_valid(country, text):
    assert len(numbers(country, f"He gave {text} at the desk")) == 1


@pytest.mark.parametrize(("country", "text"), [(c, text) for c, texts in INVALID.items() for text in texts])
def test_invalid(country, text):
    assert numbers(country, f"He gave {text} at the desk") == []


@pytest.mark.parametrize("kind", ["luhn", "mod11", "mod11_rounds", "mod97"])
def test_check_digits_see_every_wrong_digit(kind):
    """Each of these codes detects all errors in one digit, by construction."""
    number = {"luhn": "8112189876", "mod11": "9434765919", "mod11_rounds": "49403136515", "mod97": "281234567840"}[kind]
    valid = CHECKSUMS[kind]
    assert valid(number)
    wrong = [number[:i] + d + number[i + 1 :] for i in range(len(number)) for d in "0123456789" if d != number[i]]
    if kind == "mod11_rounds":  # all but the few in which the second round's digit agrees by chance
        assert sum(map(valid, wrong)) <= 3
    else:
        assert not any(map(valid, wrong))


def test_the_second_round_of_a_personal_code():
    """Of a number whose first round leaves ten, the other weights decide, and zero where they leave ten as well."""
    second = [f"3700101{i:03}" for i in range(1000)]
    first = [sum(int(c) * w for c, w in zip(n, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1), strict=True)) % 11 for n in second]
    stem = second[first.index(10)]
    expected = sum(int(c) * w for c, w in zip(stem, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3), strict=True)) % 11 % 10
    assert [d for d in range(10) if CHECKSUMS["mod11_rounds"](f"{stem}{d}")] == [expected]


def test_the_policy_finds_them_in_private_text_without_labels(identifiers):
    note = Note("1", "DNI 12345678Z, NASS 28/12345678/40")
    assert {"12345678z", "12345678", "281234567840"} <= set(identifiers.collect([note]).keys)
    assert {"12345678z", "281234567840"}.isdisjoint(
        replace(identifiers, formats=[], number_cues=[]).collect([note]).keys
    )


@pytest.mark.parametrize(
    "text",
    ["- name: x\n  pattern: '(\\d'\n  checksum: luhn\n", "- name: x\n  pattern: '1'\n  checksum: mod7\n", "- 1\n"],
)
def test_a_broken_file_is_an_error_of_the_file(tmp_path, text):
    (tmp_path / "xx.yml").write_text(text)
    with pytest.raises(UserError, match=r"xx\.yml"):
        read_formats(tmp_path / "xx.yml")


def test_a_missing_file_names_its_neighbours():
    with pytest.raises(UserError, match="There are: ee, es, se, uk, us"):
        read_formats(FOLDER / "fr.yml")
