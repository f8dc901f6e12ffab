"""Every fault that the gate must catch, as the policy lists them: how it is planted, and which check is to see it.

A leak is one synthetic note, and is caught by a check that names this very note. A breach changes the evidence, and is
caught by a check that does not pass on it. A trace stands in a file that leaves, and is caught by the scan at the door.
"""

import io
import json
import pickle
import random
import re
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.notes.canaries import end_of, planted
from scripts.notes.docbins import make_docs, write_docbin
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note
from scripts.notes.tokenizer import blank

from .stand_in import WORD, Case, Identity, settle

DOOR = "door"
UNTOUCHED = "Reviewed on the ward this morning, comfortable."  # what stands before a leak
OTHERWISE = "otherwise"  # what a word is changed to
SHARED = 3  # patients: what so many have in common identifies none of them

Text = Callable[[Case, random.Random], str]
Change = Callable[[Case, random.Random], Case]


@dataclass(frozen=True)
class Leak:
    """One synthetic note that tells of the victim by TEXT; CHECK is to name it, None: no check sees it, by design.

    One that IS_COPY holds much of the victim's note, and is planted apart from the others: what it repeats would make
    these less of a chance.
    """

    name: str
    check: str | None
    text: Text
    is_copy: bool = False

    def plant(self, case: Case, draw: random.Random, id: str) -> Note:
        """The note that leaks, to be put among the synthetic ones of CASE."""
        return Note(id, f"{UNTOUCHED} {self.text(case, draw)}")


@dataclass(frozen=True)
class Breach:
    """A change of the evidence on which CHECK must not pass. MAKE gets evidence with its files and leaves one so."""

    name: str
    check: str
    make: Change


@dataclass(frozen=True)
class Trace:
    """A file that leaves, written by WRITE into a folder around a text that is or is not the victim's name."""

    name: str
    write: Callable[[Path, str, Case], Path]
    check: str = DOOR


Fault = Leak | Breach | Trace


@dataclass(frozen=True)
class Sized:
    """A fault of any size: MAKE gives it, SIZES go from the smallest leak to the largest, LISTED are the policy's."""

    name: str
    unit: str
    sizes: Sequence[float]
    listed: Sequence[float]
    make: Callable[[float], Leak | Breach]


def run(text: str, n: int, first: int) -> str:
    """N words and numbers of TEXT from the one numbered FIRST on, with what stands between them."""
    found = list(WORD.finditer(text))[first : first + n]
    return text[found[0].start() : found[-1].end()]


def changed(text: str, part: float, draw: random.Random) -> str:
    """TEXT with this PART of its words replaced."""
    words = re.split(r"(\s+)", text)
    places = list(range(0, len(words), 2))
    for at in draw.sample(places, round(part * len(places))):
        words[at] = OTHERWISE
    return "".join(words)


def shuffled(text: str, draw: random.Random) -> str:
    """TEXT with its sentences and lines in another order."""
    sentences = [sentence for sentence in re.split(r"(?<=[.!?])\s+|\n+", text) if sentence]
    draw.shuffle(sentences)
    return "\n".join(sentences)


def retold(case: Case, draw: random.Random) -> str:
    """The victim's note without a word that fewer than three patients use, and every fifth of the others changed."""
    users: dict[str, set[str]] = defaultdict(set)
    for note in (*case.evidence.private, *case.evidence.holdout):
        for word in WORD.findall(note.text):
            users[word].add(note.patient)
    words = (
        word if word.islower() and len(users[word]) >= SHARED else OTHERWISE for word in WORD.findall(case.victim.body)
    )
    return changed(" ".join(words), 0.2, draw)


def without_accents(text: str) -> str:
    """TEXT with its letters' marks removed."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def with_zero_width(text: str) -> str:
    """TEXT with a character that nobody sees inside each word."""
    return re.sub(r"(\w\w)(?=\w)", "\\1\u200b", text)


def spaced(text: str) -> str:
    """TEXT with more space between its words, and a line break."""
    return text.replace(" ", "   \n ")


def digit_by_digit(number: str, separator: str) -> str:
    """The digits of NUMBER with SEPARATOR between any two."""
    return separator.join(re.sub(r"\D", "", number))


def mistyped(name: str) -> str:
    """NAME with its last letter replaced."""
    return name[:-1] + ("e" if name[-1] != "e" else "o")


def combination(who: Identity) -> str:
    """The age, sex, diagnosis and day of visit of WHO in other words than their own note's."""
    day = f"{who.seen.day} {who.seen:%B %Y}"
    return f"A {who.age}-year-old {'woman' if who.sex == 'F' else 'man'} with {who.diagnosis} attended on {day}."


def _of_identity(tell: Callable[[Identity], str]) -> Text:
    return lambda case, draw: tell(case.victim.identity)


def _of_name(spell: Callable[[str], str]) -> Text:
    return _of_identity(lambda who: f"Thank you for seeing {spell(who.name)} today.")


def _copied_run(n: float) -> Leak:
    def text(case: Case, draw: random.Random) -> str:
        n_words = len(WORD.findall(case.victim.body))
        return run(case.victim.body, int(n), draw.randrange(n_words - int(n) + 1))

    return Leak(f"a run of {n:.0f} tokens", "G2", text, is_copy=True)


def _run_with_surname(n: float) -> Leak:
    def text(case: Case, draw: random.Random) -> str:
        text = case.victim.note.text
        n_before = len(WORD.findall(text)) - len(WORD.findall(case.victim.body))
        return run(text, int(n), n_before - 1)

    return Leak(f"a run of {n:.0f} tokens that begins with a surname", "G2", text, is_copy=True)


def _changed_note(part: float) -> Leak:
    name = f"a note with {part:.0%} of its words changed"
    return Leak(name, "G1", lambda case, draw: changed(case.victim.note.text, part, draw), is_copy=True)


def _copied_share(part: float) -> Breach:
    """The private notes of PART of the patients among the synthetic ones: each by itself is G2's to see."""

    def make(case: Case, draw: random.Random) -> Case:
        patients = sorted({note.patient for note in case.evidence.private})
        chosen = set(draw.sample(patients, round(part * len(patients))))
        texts = [note.text for note in case.evidence.private if note.patient in chosen]
        return _with_synthetic(case, (Note(f"copy-{i}", text) for i, text in enumerate(texts)))

    return Breach(f"all notes of {part:.0%} of the private patients copied", "G4", make)


def _with_synthetic(case: Case, more: Iterable[Note]) -> Case:
    return _settled(case, synthetic=(*case.evidence.synthetic, *more))


def _settled(case: Case, **sides: tuple[Note, ...]) -> Case:
    files = case.evidence.files
    return replace(case, evidence=settle(replace(case.evidence, **sides), files["synthetic"].parent, files["config"]))


def _overlap(case: Case, draw: random.Random) -> Case:
    twin = Note("overlap", UNTOUCHED, None, {"patient": case.victim.note.patient})
    return _settled(case, holdout=(*case.evidence.holdout, twin))


def _exchange(case: Case, draw: random.Random) -> Case:
    others = (*case.evidence.synthetic[1:], Note("other", UNTOUCHED))
    write_notes(case.evidence.files["synthetic"], others)
    return replace(case, evidence=replace(case.evidence, synthetic=others))


def _recite(case: Case, draw: random.Random) -> Case:
    end = end_of(draw.choice(planted(case.canaries)))
    synthetic = (*case.evidence.synthetic, Note("recited", f"{UNTOUCHED} {end}"))
    return _settled(case, synthetic=synthetic, canaries=case.canaries)


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip archive of MEMBERS."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _in_wheel(member: Callable[[str], tuple[str, bytes]]) -> Callable[[Path, str, Case], Path]:
    """A wheel with a MEMBER around a text, by its name and bytes."""

    def write(folder: Path, text: str, case: Case) -> Path:
        path = folder / "model.whl"
        path.write_bytes(zipped({"model/config.cfg": b"[nlp]\nlang = en\n"} | dict([member(text)])))
        return path

    return write


def _in_user_data(folder: Path, text: str, case: Case) -> Path:
    docs, _ = make_docs(case.evidence.synthetic[:1], blank("xx"), [])
    docs[0].user_data["._.", "who", None, None] = [text]
    write_docbin(folder / "train.spacy", docs, store_user_data=True)
    return folder / "train.spacy"


LEAKS = (
    Leak("a whole note", "G2", lambda case, draw: case.victim.note.text, is_copy=True),
    Leak("shuffled sentences", "G1", lambda case, draw: shuffled(case.victim.note.text, draw), is_copy=True),
    Leak("a name alone", "G1", _of_name(str)),
    Leak("a name in capitals", "G1", _of_name(str.upper)),
    Leak("a name without accents", "G1", _of_name(without_accents)),
    Leak("a name decomposed (NFD)", "G1", _of_name(lambda name: unicodedata.normalize("NFD", name))),
    Leak("a name with zero-width characters", "G1", _of_name(with_zero_width)),
    Leak("a name with other spacing", "G1", _of_name(spaced)),
    Leak("a name, surname first", "G1", _of_name(lambda name: ", ".join(reversed(name.split(" ", 1))))),
    Leak("a name mistyped by one letter", "G1", _of_name(mistyped)),
    Leak("a record number, digit by digit", "G1", _of_identity(lambda who: digit_by_digit(who.record, "-"))),
    Leak("a phone number with dots", "G1", _of_identity(lambda who: who.phone.replace(" ", "."))),
    Leak("a phone number split by a newline", "G1", _of_identity(lambda who: "\n".join(who.phone.rsplit(" ", 2)))),
    Leak("a birth date in words", "G1", _of_identity(lambda who: f"born on {who.born.day} {who.born:%B %Y}")),
    Leak("a rare age, sex, diagnosis and date", "G3", _of_identity(combination)),
    Leak("told in other words, identifiers removed", None, retold),
)
SIZED = (
    Sized("a run without the name", "tokens", (15, 20, 30, 40, 45, 50, 60), (50,), _copied_run),
    Sized("a run that begins with a surname", "tokens", (6, 8, 10, 11, 12, 13, 15), (13,), _run_with_surname),
    Sized(
        "a note with words changed",
        "share of words",
        (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1),
        (0.2, 0.1),
        _changed_note,
    ),
    Sized(
        "notes of private patients copied", "share of patients", (0.05, 0.1, 0.2, 0.3, 0.4, 0.5), (0.5,), _copied_share
    ),
)
BREACHES = (
    Breach("a patient in both T and H", "G0", _overlap),
    Breach("an empty H", "G0", lambda case, draw: _settled(case, holdout=())),
    Breach("S exchanged after it was hashed", "G0", _exchange),
    Breach("the end of a canary alone", "G4", _recite),
)
TRACES = (
    Trace("a name in strings.json", _in_wheel(lambda text: ("vocab/strings.json", json.dumps(text.split()).encode()))),
    Trace(
        "a name in a config comment", _in_wheel(lambda text: ("base.cfg", f"[nlp]\n# trained for {text}\n".encode()))
    ),
    Trace("a name in a file name", _in_wheel(lambda text: (f"model/{text}.bin", b"-"))),
    Trace("a name inside a zip", _in_wheel(lambda text: ("model/data.zip", zipped({"a.txt": f"by {text}".encode()})))),
    Trace("a name inside a pickle", _in_wheel(lambda text: ("model/cfg.pkl", pickle.dumps({"who": text, "at": 1})))),
    Trace("a name in a DocBin's user_data", _in_user_data),
)


def all_faults() -> list[Fault]:
    """Every fault, of every size."""
    return [*LEAKS, *(sized.make(size) for sized in SIZED for size in sized.sizes), *BREACHES, *TRACES]
