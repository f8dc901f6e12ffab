"""Invented patients for the gate: some are planted among the private notes, as many twins are not."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from scripts.notes.canaries import END, PLANTED, ROLE, TWIN
from scripts.notes.errors import UserError
from scripts.notes.note import Note
from scripts.notes.surrogates import surrogate

if TYPE_CHECKING:
    from faker import Faker

MAX_SHARE = 0.05  # of the private notes; more would teach the generator to write canaries
SHARED = 3  # patients: what so many have in common identifies none of them
END_WORDS = (20, 30)
BEGINNING_WORDS = (10, 25)
MIN_WORDS = 100  # to draw ends from; fewer are no high perplexity
_WORD = re.compile(r"[^\W_]+")


def make_canaries(notes: Sequence[Note], n: int, lang: str, seed: str) -> list[Note]:
    """N canaries to plant and N twins: a beginning as in the private NOTES, and an end of random words of theirs.

    The design is that of Carlini et al. (2019, "The Secret Sharer"), with whole notes for canaries. Whatever words,
    numbers and meta fewer than three patients share is drawn anew, so that a canary holds no identifier; names come
    from Faker's lists for LANG. A UserError for more than 5 % of NOTES, and for notes that share too few words.
    """
    if n > MAX_SHARE * len(notes):
        most = int(MAX_SHARE * len(notes))
        raise UserError(
            f"{n} canaries are more than 5 % of the {len(notes)} private notes",
            f"Set n under [canaries] to {most} at most" if most else "Leave [canaries] out",
        )
    shared = shared_words(notes)
    ending = sorted(word for word in shared if len(word) >= 3 and word.isalpha())
    if len(ending) < MIN_WORDS:
        raise UserError(
            f"only {len(ending)} words stand in the notes of {SHARED} patients or more: too few for canaries",
            "Leave [canaries] out of the corpus config",
        )
    rng, known = random.Random(seed), _shared_meta(notes)
    fake = _faker(lang, rng.getrandbits(32))
    roles = [PLANTED, TWIN] * n
    rng.shuffle(roles)
    canaries = []
    for number, role in zip(count(1), roles, strict=False):
        host, id = rng.choice(notes), f"canary-{number:04}"
        beginning = _without_identifiers(_beginning(host.text), shared, fake, rng)
        end = " ".join(rng.choices(ending, k=rng.randint(*END_WORDS)))
        meta = {key: value for key, value in host.meta.items() if (key, str(value)) in known}
        meta |= {"patient": id, ROLE: role, END: len(beginning) + 1}
        canaries.append(Note(id, f"{beginning} {end}.", None, meta))
    return canaries


def shared_words(notes: Iterable[Note]) -> set[str]:
    """The words that stand in lower case in the notes of three patients or more."""
    return set(_shared((note.patient, word) for note in notes for word in _WORD.findall(note.text) if _is_plain(word)))


def _shared_meta(notes: Iterable[Note]) -> set[tuple[str, str]]:
    return set(_shared((note.patient, (key, str(value))) for note in notes for key, value in note.meta.items()))


def _shared(pairs: Iterable[tuple[str, Any]]) -> list[Any]:
    """What stands beside SHARED patients or more in PAIRS of patient and thing."""
    of_patient: dict[str, set[Any]] = defaultdict(set)
    for patient, thing in pairs:
        of_patient[patient].add(thing)
    n_patients = Counter(thing for things in of_patient.values() for thing in things)
    return [thing for thing, n in n_patients.items() if n >= SHARED]


def _is_plain(word: str) -> bool:
    return word == word.lower() and not re.search(r"\d", word)


def _beginning(text: str) -> str:
    """TEXT up to the end of the sentence in which its tenth word stands, or of its 25th word."""
    words = list(re.finditer(r"\S+", text))[: BEGINNING_WORDS[1]]
    ends = (word.end() for word in words[BEGINNING_WORDS[0] - 1 :] if word[0].endswith((".", "!", "?", ":", ";")))
    return text[: next(ends, words[-1].end())].strip()


def _without_identifiers(text: str, shared: set[str], fake: "Faker", rng: random.Random) -> str:
    """TEXT with surrogates for its numbers and for every word that is not in SHARED."""
    rare = [word for word in _WORD.findall(text) if word.lower() not in shared]
    made: dict[str, str] = {}
    for word in rare:
        if word not in made:
            kind = "number" if re.search(r"\d", word) else "name"
            made[word] = surrogate(kind, word, fake, rng, {other.casefold() for other in rare})
    return _WORD.sub(lambda match: made.get(match[0], match[0]), text)


def _faker(lang: str, seed: int) -> "Faker":
    from faker import Faker

    try:
        fake = Faker(lang)
    except AttributeError:  # a language without lists of names of its own
        fake = Faker("en")
    fake.seed_instance(seed)
    return fake
