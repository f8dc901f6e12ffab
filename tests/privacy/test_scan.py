"""The byte scan against planted leaks: each hiding place must be found, and nothing where there is none."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import tarfile
from pathlib import Path

import pytest
import spacy
import srsly

from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.privacy.faults import zipped
from scripts.privacy.scan import Finding, Scanner

NAME, RECORD = "Zbigniew Öberg-Hallorann", "HN 4821-0093"
NOTE = Note(
    "p1", "The kestrelous rash faded.", None, {"patient": "P1", "name": NAME, "record": RECORD, "born": "1951-03-12"}
)
KEY = "sk-" + "a1" * 12


@pytest.fixture(scope="module")
def scanner(identifiers) -> Scanner:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOME_API_TOKEN", "correct-horse-battery")
        return Scanner(identifiers, [NOTE], [Note("s1", "The rash faded.")], "en")


def tarred(data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("inner")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def test_a_canary_s_end_alone_is_found_in_an_archive_and_in_a_document(identifiers, tmp_path):
    end = "chest lying walks blue neighbour echo salt week armchair"
    canaries = [Note("canary-0001", f"Seen today. {end}", None, {"canary": "planted", "end": 12})]
    scanner = Scanner(identifiers, [], [], "en", canaries)
    (tmp_path / "a.zip").write_bytes(zipped({"inner": f"... {end.upper()} ...".encode()}))
    assert {finding.what for finding in scanner.scan(tmp_path / "a.zip")[0]} == {"a canary"}
    for text, found in ((f"was {end}", {"a canary"}), ("chest lying walks blue, seen today", set())):
        (tmp_path / "report.json").write_text(json.dumps({"x": text}))
        assert {finding.what for finding in scanner.scan_documents([tmp_path / "report.json"])[0]} == found


def test_a_version_is_nobody_s_birth_date(identifiers, tmp_path):
    # spacy is pinned at 3.8.x, and x is read as a year: somebody is born on each day of a century.
    version = spacy.__version__
    month, day, year = map(int, version.split("."))
    born = [f"20{year:02}-{month:02}-{day:02}", f"20{year:02}-{day:02}-{month:02}", "2009-03-09", "2016-02-02"]
    notes = [Note(f"p{i}", "x", None, {"patient": f"P{i}", "born": date}) for i, date in enumerate(born)]
    scanner = Scanner(identifiers, notes, [], "en")
    bill = {"versions": {"spacy": version}, "purl": "pkg:pypi/httpx2@2.16.2", "needs": f"spacy>={version},<3.9.9"}
    (tmp_path / "bill.json").write_text(json.dumps(bill))
    (tmp_path / "a.zip").write_bytes(zipped({"METADATA": json.dumps(bill).encode()}))
    assert scanner.scan_documents([tmp_path / "bill.json"])[0] == []
    assert scanner.scan(tmp_path / "a.zip")[0] == []
    for leak in ("9.3.09", f"{version} and 2.2.16", "born=9.3.09", "2016-02-02", f"{version}.1 2.2.16"):
        (tmp_path / "leak.json").write_text(json.dumps({"x": leak}))
        (tmp_path / "leak.zip").write_bytes(zipped({"inner": leak.encode()}))
        for found in (scanner.scan_documents([tmp_path / "leak.json"])[0], scanner.scan(tmp_path / "leak.zip")[0]):
            assert {finding.what for finding in found} == {"an identifier (birth)"}, leak


@pytest.mark.slow
def test_names_in_other_scripts(identifiers, tmp_path):
    for name in ("王小明", "Иван Ёлкин", "김민수"):
        scanner = Scanner(identifiers, [Note("p1", "x", None, {"name": name})], [], "en")
        places = {
            "text": f"患者{name}。".encode(),
            "JSON escapes": json.dumps({"x": name}).encode(),
            "msgpack": srsly.msgpack_dumps({"who": name, "weights": noise(300)}),
            "among weights": noise(50_000) + name.encode() + noise(50_000),
        }
        for place, data in places.items():
            assert scan(scanner, tmp_path, planted=data), (name, place)
        assert not scan(scanner, tmp_path, harmless=noise(200_000) + "王小红".encode())


def noise(n: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n)


TEXT = f"about {NAME} today"
HIDING_PLACES = {
    "text": TEXT.encode(),
    "config comment": f"[nlp]\n# trained for {NAME}\nlang = en\n".encode(),
    "upper case, no accents": b"OBERG-HALLORANN, ZBIGNIEW",
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16, big end first": TEXT.encode("utf-16-be"),
    "Latin-1": TEXT.encode("latin1"),
    "JSON escapes": json.dumps({"x": TEXT}).encode(),
    "msgpack": srsly.msgpack_dumps({"user_data": {"who": TEXT}, "weights": noise(300)}),
    "pickle": pickle.dumps({"who": TEXT, "weights": noise(300)}),
    "oldest pickle": pickle.dumps([TEXT], protocol=0),
    "among weights": noise(5000) + TEXT.encode() + noise(5000),
    "UTF-16 among weights": noise(5000) + TEXT.encode("utf-16-le") + noise(5001),
    "zip": zipped({"a": TEXT.encode()}),
    "zip in zip": zipped({"a": zipped({"b": TEXT.encode()})}),
    "file name in zip": zipped({f"{NAME}.txt": b"-"}),
    "tar.gz": tarred(TEXT.encode()),
    "gz": gzip.compress(TEXT.encode()),
    "bz2": bz2.compress(TEXT.encode()),
    "xz": lzma.compress(TEXT.encode()),
    "record": b"MRN 48210093",
    "record among weights": noise(5000) + b" 4821-0093 " + noise(5000),
    "birth date": b"{'born': '12/03/1951'}",
    "key": f"api = {KEY}".encode(),
    "value of a variable": b"correct-horse-battery",
    "value of a variable in UTF-16": "correct-horse-battery".encode("utf-16-le"),
    "local path": f"model = {Path.cwd()}/training".encode(),
    "home": f"cache = {Path.home()}/cache".encode(),
}


def scan(scanner: Scanner, tmp_path: Path, **members: bytes) -> list[Finding]:
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(zipped(members))
    return scanner.scan(wheel)[0]


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_hiding_places(scanner, tmp_path, place):
    findings = scan(scanner, tmp_path, harmless=b"nothing", planted=HIDING_PLACES[place])
    # What is stored or hardly compressed stands in the container's own bytes as well.
    members = {f.member.split("!")[0] for f in findings}
    assert members and members <= {"planted", "(a file's name)", "(the file itself)"}
    assert not any(secret in str(findings) for secret in ("Hallorann", "4821", "correct-horse", KEY))


def test_a_name_in_a_file_name(scanner, tmp_path):
    assert scan(scanner, tmp_path, **{f"model/{NAME}.bin": b"-"}) == [
        Finding("(the file itself)", "an identifier (name)"),
        Finding("(a file's name)", "an identifier (name)"),
    ]


def test_words_of_private_notes_in_the_vocabulary(scanner, tmp_path):
    strings = ["rash", "the", "kestrelous", "Hallorann"]  # a surname that stands in the meta alone
    findings = scan(scanner, tmp_path, **{"vocab/strings.json": json.dumps(strings).encode()})
    assert findings == [Finding("vocab/strings.json", "2 words of private, holdout or gold notes")]


def test_labels_may_stand_in_the_vocabulary(scanner, tmp_path):
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(zipped({"vocab/strings.json": b'["B-KESTRELOUS"]'}))
    assert scanner.scan(wheel, labels=["KESTRELOUS"])[0] == [] and len(scanner.scan(wheel)[0]) == 1


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is(scanner, tmp_path):
    members = {
        "weights": noise(2_000_000),
        "config": b"[nlp]\nlang = en\n",
        "zip": zipped({"a": noise(1000), "b": b"text"}),
    }
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(zipped(members))
    findings, counts = scanner.scan(wheel)
    assert findings == []
    # the wheel, its three members and the two of the inner archive; the name in three rotations, with and without
    # its hyphen alike, the record in two forms, a date
    assert counts["n_members"] == 6 and counts["n_bytes"] > 2_000_000 and counts["n_identifiers"] == 3 + 2 + 1


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04 torn", b"\x1f\x8b torn", zipped({"a": b"x" * 100})[:-30]], ids=["zip", "gzip", "zip cut off"]
)
def test_an_archive_that_cannot_be_read_is_an_error(scanner, tmp_path, data):
    with pytest.raises(UserError, match="cannot be read"):
        scan(scanner, tmp_path, planted=data)


def test_an_archive_nested_without_end_is_an_error(scanner, tmp_path):
    data = b"x"
    for _ in range(9):
        data = gzip.compress(data)
    with pytest.raises(UserError, match="too deep"):
        scan(scanner, tmp_path, planted=data)
