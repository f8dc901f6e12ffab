"""Notes that may be seen, drawn as private, holdout and synthetic ones: evidence that nothing leaks, and a victim."""

import random
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from faker import Faker

from scripts.notes.canaries import END, PLANTED, ROLE, TWIN, planted
from scripts.notes.errors import UserError
from scripts.notes.files import manifest_path, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span

from .check import Evidence
from .keys import MIN_PART, Kind
from .normalize import tokenize

PARTS = (0.5, 0.25)  # of the patients: private, holdout; the rest are synthetic
MIN_WORDS = 75  # of a victim's note: the longest run that is planted, and some more
WORD = re.compile(r"[^\W\d_]+|\d+")
CANARY_WORDS = 25
# Their names are in no policy's public lists, and most surnames have accents.
NAMES = "cs_CZ"
DIAGNOSES = (
    *("erythromelalgia", "alkaptonuria", "pycnodysostosis", "lymphangioleiomyomatosis", "trimethylaminuria"),
    *("cystinuria", "pheochromocytoma", "moyamoya", "hyperekplexia", "fibrodysplasia", "myelofibrosis", "acromegaly"),
)


@dataclass(frozen=True)
class Identity:
    """Who an invented patient is, and what is rare about them: a diagnosis, and the day on which they were SEEN."""

    name: str
    record: str
    phone: str
    born: date
    sex: Literal["F", "M"]
    seen: date
    diagnosis: str

    @property
    def age(self) -> int:
        """In years when seen."""
        return self.seen.year - self.born.year - ((self.seen.month, self.seen.day) < (self.born.month, self.born.day))

    def meta(self, kinds: Mapping[str, Kind]) -> dict[str, str]:
        """What the record system knows, under the first keys of each of KINDS."""
        values = {"name": [self.name], "number": [self.record, self.phone], "birth": [self.born.isoformat()]}
        keys = {kind: [key for key, own in kinds.items() if own == kind and key != "patient"] for kind in values}
        return {key: value for kind in values for key, value in zip(keys[kind], values[kind], strict=False)}


@dataclass(frozen=True)
class Victim:
    """A private patient whose every part is known: a stand-in's note that begins with an invented identity.

    BODY is the note without it. A second note of the patient tells age, sex, diagnosis and the day of the visit.
    """

    note: Note
    body: str
    identity: Identity


@dataclass(frozen=True)
class Case:
    """Clean EVIDENCE, one of whose private patients is the VICTIM; a canary and its twin, not in it yet."""

    evidence: Evidence
    victim: Victim
    canaries: tuple[Note, ...]


def draw_evidence(notes: Sequence[Note], seed: int, sizes: tuple[int, int, int]) -> Evidence:
    """Patients of NOTES drawn as private, holdout and synthetic notes, in these numbers: nothing leaks."""
    patients = sorted({note.patient for note in notes})
    random.Random(seed).shuffle(patients)
    groups, first = [], 0
    for size in sizes:
        chosen = set(patients[first : first + size])
        groups.append(tuple(note for note in notes if note.patient in chosen))
        first += size
    private, holdout, other = groups
    synthetic = tuple(Note(f"s{i}", note.text) for i, note in enumerate(other))
    return Evidence(private, holdout, (), synthetic, {}, seed)


def sizes_of(notes: Sequence[Note]) -> tuple[int, int, int]:
    """How many patients of NOTES are private, holdout and synthetic: all of them."""
    n = len({note.patient for note in notes})
    private, holdout = (round(part * n) for part in PARTS)
    return private, holdout, n - private - holdout


def settle(evidence: Evidence, folder: Path, policy: Path) -> Evidence:
    """EVIDENCE with its files in FOLDER, whose manifests tell one unbroken chain, and the config POLICY."""
    sides = ("private", "holdout", "gold", "synthetic", "canaries")
    files = {name: folder / f"{name}.jsonl" for name in sides} | {"generator": folder / "generator", "config": policy}
    for name in sides:
        write_notes(files[name], getattr(evidence, name))
    files["generator"].mkdir(exist_ok=True)
    inputs = {name: files[name] for name in ("private", "canaries")}
    write_manifest(files["generator"], inputs=inputs, config={}, sensitivity="private", counts={})
    inputs |= {"generator": manifest_path(files["generator"]), "holdout": files["holdout"]}
    counts = {"canaries": {"n": len(planted(evidence.canaries)), "emitted": 0}}
    write_manifest(files["synthetic"], inputs=inputs, config={}, sensitivity="synthetic", counts=counts)
    return replace(evidence, files=files)


def make_case(evidence: Evidence, kinds: Mapping[str, Kind], seed: int) -> Case:
    """EVIDENCE, one of whose private patients has an invented identity now, told by a note's text and its meta.

    KINDS are those of the policy's meta keys, of which the first of a kind holds the identity. A UserError if no note
    is long enough.
    """
    draw = random.Random(f"victim {seed}")
    hosts = [note for note in evidence.private if len(WORD.findall(note.text)) >= MIN_WORDS]
    if not hosts:
        raise UserError(f"no private note has {MIN_WORDS} words", "Name a corpus of longer notes")
    host = draw.choice(hosts)
    taken = words_of([*evidence.private, *evidence.holdout, *evidence.synthetic])
    identity = Identity(
        name=_name(draw, taken),
        record=f"HN {_digits(draw, 4)}-{_digits(draw, 4)}",
        phone=" ".join(["0" + _digits(draw, 3), *(_digits(draw, n) for n in (3, 3, 2))]),
        born=date(1930, 1, 1) + timedelta(draw.randrange(20_000)),
        sex=draw.choice("FM"),
        seen=date(2021, 1, 1) + timedelta(draw.randrange(1000)),
        diagnosis=draw.choice([word for word in DIAGNOSES if word not in taken]),
    )
    # The surname stands last, so that a run can begin with it and hold no other part of the identity.
    header = f"{identity.record}, DOB {identity.born:%d/%m/%Y}, tel {identity.phone}\n{identity.name} "
    spans = host.spans and tuple(_moved(span, len(header)) for span in host.spans)
    marked = tuple(_moved(span, len(header)) for span in host.identifiers)
    known = {"patient": host.patient} | identity.meta(kinds)
    note = Note(host.id, header + host.text, spans, {**host.meta, **known}, marked)
    told = f"{identity.age}{identity.sex}, clinic {identity.seen:%d/%m/%Y}. Has had {identity.diagnosis} for years."
    history = Note(f"{host.id}-history", told, None, {"patient": host.patient})
    private = (*(note if other.id == host.id else other for other in evidence.private), history)
    canaries = tuple(_canary(role, sorted(filter(str.isalpha, taken)), draw) for role in (PLANTED, TWIN))
    return Case(replace(evidence, private=private), Victim(note, host.text, identity), canaries)


def words_of(notes: Iterable[Note]) -> set[str]:
    """The words of NOTES in plain spelling."""
    return {token.text for note in notes for token in tokenize(note.text)}


def _name(draw: random.Random, taken: Container[str]) -> str:
    """A given name and a surname with accents, of which no word is TAKEN."""
    fake = Faker(NAMES)
    fake.seed_instance(draw.getrandbits(32))
    while True:
        given, surname = fake.first_name(), fake.last_name()
        words = [token.text for token in tokenize(f"{given} {surname}")]
        if not (given.isascii() and surname.isascii()) and min(map(len, words)) >= MIN_PART and not set(words) & taken:
            return f"{given} {surname}"


def _canary(role: str, words: Sequence[str], draw: random.Random) -> Note:
    """An invented note of ROLE that ends with random WORDS."""
    beginning = "Seen in clinic. "
    meta = {"patient": f"canary-{role}", ROLE: role, END: len(beginning)}
    return Note(f"canary-{role}", beginning + " ".join(draw.choices(words, k=CANARY_WORDS)), None, meta)


def _digits(draw: random.Random, n: int) -> str:
    """N digits, the first of which is no zero."""
    return str(draw.randrange(10 ** (n - 1), 10**n))


def _moved(span: Span, by: int) -> Span:
    return replace(span, start=span.start + by, end=span.end + by)
