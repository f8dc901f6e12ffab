"""What must not stand anywhere in a file that leaves: the bytes of the wheel (G6), and the texts of all else."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.notes.canaries import Spotter, end_of
from scripts.notes.note import Note

from .collect import IdentifierPolicy
from .documents import HASH, bytes_of, notes_of, texts_of, without_versions
from .keys import Identifiers
from .members import texts_in, walk_members
from .normalize import searchable, tokenize, weight
from .search import Finder

MIN_IN_BINARY = 8  # in letters and digits (`weight`); shorter identifiers occur in weights by chance
MIN_SECRET = 8
SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
KEY_SHAPES = re.compile(
    rb"sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}"
    rb"|xox[abprs]-[0-9A-Za-z-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


@dataclass(frozen=True)
class Finding:
    """WHAT was found (a kind, never the thing itself) in MEMBER."""

    member: str
    what: str


class Scanner:
    """Looks for identifiers, words, local paths and keys in the bytes of an archive and of all archives inside it.

    Identifiers are found in any case, accent form, encoding (UTF-8, UTF-16, Latin-1) and JSON or pickle escape; inside
    weights those of eight letters or three Chinese, Japanese or Korean characters, these in UTF-8 alone, and no birth
    dates. Not seen: encrypted, encoded (base64) or split text.
    """

    def __init__(
        self,
        policy: IdentifierPolicy,
        notes: Iterable[Note],
        released: Iterable[Note],
        lang: str,
        canaries: Iterable[Note] = (),
    ):
        """NOTES are private, holdout and gold; RELEASED may leave, and with it its words and LANG's own.

        Of CANARIES, planted or not, no end may stand anywhere.
        """
        import spacy

        notes = list(notes)
        known = policy.collect(notes)
        released = list(released)
        self._released = {note.text for note in released}
        self.n_identifiers = len(known.keys) + len(known.births)
        self._in_text = Finder(known, policy.month_names, near=False)
        long_keys = {key: kind for key, kind in known.keys.items() if weight(key) >= MIN_IN_BINARY}
        self._in_binary = Finder(
            Identifiers(long_keys, known.own, frozenset(), frozenset(), {}, {}), policy.month_names, near=False
        )
        public = _words(spacy.blank(lang).vocab.strings) | _words(note.text for note in released)
        self._words = (_words(note.text for note in notes) | known.parts) - public
        self._raw = _local_paths() | _secrets(os.environ)
        self._canaries = Spotter({canary.id: end_of(canary) for canary in canaries})
        # The gate has judged what the released notes hold: a doctor, a public name, a date. Their copies hold it too.
        self._vouched = {hit.key for note in released for hit in self._in_text.find(tokenize(searchable(note)))}

    def scan(
        self, path: Path, labels: Iterable[str] = (), on_bytes: Callable[[int], object] = lambda n: None
    ) -> tuple[list[Finding], dict[str, Any]]:
        """What is found in the archive PATH, and how much was looked at. Its vocabulary may hold LABELS' words.

        ON_BYTES is told of each member's size when the member is done.
        """
        findings: list[Finding] = []
        n_members = n_bytes = 0
        words = self._words - _words(labels)
        for member, data in walk_members("", path.read_bytes()):
            n_members, n_bytes = n_members + 1, n_bytes + len(data)
            named = [Finding("(a file's name)", what) for what in sorted(self._look_at(member.encode()))]
            found = self._look_at(data) | self._vocabulary(member, data, words)
            where = "(the same)" if named else member or "(the file itself)"
            findings += named + [Finding(where, what) for what in sorted(found)]
            on_bytes(len(data))
        return findings, {"n_members": n_members, "n_bytes": n_bytes, "n_identifiers": self.n_identifiers}

    def scan_documents(self, paths: Iterable[Path], labels: Iterable[str] = ()) -> tuple[list[Finding], int]:
        """What is found in the files PATHS, which are no archives, and how many texts were looked at.

        Read as what they are (`documents.texts_of`). What the gate let stand in the released notes may stand in their
        copies. A DocBin may hold released notes alone, and no private word beside its tokens, its labels and LABELS.
        """
        findings: list[Finding] = []
        n_texts = 0
        for path in paths:
            found = {("", what) for what in self._raw_in(bytes_of(path))}
            for place, text in texts_of(path):
                n_texts += 1
                hits = self._in_text.find(tokenize(without_versions(text)))
                found |= {(place, f"an identifier ({hit.kind})") for hit in hits if hit.key not in self._vouched}
                found |= {(place, "a canary") for _ in self._canaries.find(text)}
            if path.suffix == ".spacy":
                held = notes_of(path)
                n_foreign = len(_words(held.strings) & (self._words - _words({*labels, *held.used})))
                found |= {("strings", _foreign(n_foreign))} if n_foreign else set()
                n_others = len(set(held.texts) - self._released)
                found |= {("docs", f"{n_others} texts of no released note")} if n_others else set()
            # A file's name can be the thing itself.
            name = path.name if not self._in_text.find(tokenize(path.name)) else "(a file)"
            findings += [Finding(f"{name}, {place}" if place else name, what) for place, what in sorted(found)]
            findings += [] if name == path.name else [Finding("(a file's name)", "an identifier")]
        return findings, n_texts

    def _look_at(self, data: bytes) -> set[str]:
        texts, is_text = texts_in(data)
        if is_text:
            hits = (hit for text in texts for hit in self._in_text.find(tokenize(without_versions(text))))
        else:  # no birth dates are looked for, so that versions cannot be taken for any
            hits = (hit for text in texts for hit in self._in_binary.find(tokenize(HASH.sub(" ", text))))
        found = {f"an identifier ({hit.kind})" for hit in hits} | self._raw_in(data)
        return found | {"a canary" for text in texts for _ in self._canaries.find(text)}

    def _raw_in(self, data: bytes) -> set[str]:
        found = {what for needle, what in self._raw.items() if needle in data}
        return found | ({"a string shaped as a key"} if KEY_SHAPES.search(data) else set())

    def _vocabulary(self, member: str, data: bytes, words: set[str]) -> set[str]:
        if not member.endswith("strings.json"):
            return set()
        n_foreign = len(_words(map(str, json.loads(data))) & words)
        return {_foreign(n_foreign)} if n_foreign else set()


def _foreign(n: int) -> str:
    return f"{n} words of private, holdout or gold notes"


def _words(texts: Iterable[str]) -> set[str]:
    return {token.text for text in texts for token in tokenize(text) if token.text.isalpha()}


def _local_paths() -> dict[bytes, str]:
    paths = {f"{Path.cwd()}", f"{Path.home()}/"}
    return _encoded({path: "a local path" for path in paths if len(path) > 3})


def _secrets(environment: Mapping[str, str]) -> dict[bytes, str]:
    return _encoded(
        {
            value: f"the value of {name}"
            for name, value in environment.items()
            if any(word in name.upper() for word in SECRET_NAMES) and len(value) >= MIN_SECRET
        }
    )


def _encoded(needles: Mapping[str, str]) -> dict[bytes, str]:
    encodings = ("utf8", "utf-16-le", "utf-16-be")
    return {
        needle.encode(e, "surrogateescape" if e == "utf8" else "replace"): w
        for needle, w in needles.items()
        for e in encodings
    }
