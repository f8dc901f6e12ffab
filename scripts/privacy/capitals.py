"""Names in notes that nobody labelled: runs of capitalised words, one of which is no ordinary word."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from .normalize import plain

_WORD = re.compile(r"[^\W\d_]+")
_BETWEEN = re.compile(r"[ \t]+|-|\s?\n\s?|\. ")  # the words of one name: "A. Lee", "Ana\nLee", "Lee-Ray"
_PARTICLES = frozenset("af al bin da de del der di do dos el la las los van von y zu".split())  # noqa: SIM905
MIN_RARE = 3  # letters of the word that makes a run of capitals a name; shorter ones are initials and units


def ordinary_words(texts: Iterable[str]) -> set[str]:
    """The words, in plain spelling, that some of TEXTS write in lower case: they name nobody by themselves."""
    return {plain(word) for text in texts for word in _WORD.findall(text) if word.islower()}


def capitalised_names(text: str, ordinary: set[str]) -> Iterator[str]:
    """Each run of capitalised words in TEXT that holds one not in ORDINARY, and each two neighbours that do.

    Particles inside a run belong to it ("Ana de la Vega"). Finds streets and hospitals as well, and nothing in scripts
    without capitals.
    """
    for run in _runs(text):
        capitals = [word for word in run if word[0][0].isupper() and len(word[0]) > 1]
        rare = [word for word in capitals if _is_rare(word[0], ordinary)]
        if len(capitals) > 1 and rare:
            yield text[capitals[0].start() : capitals[-1].end()]
            for left, right in pairwise(capitals):
                if left in rare or right in rare:
                    yield text[left.start() : right.end()]


def _is_rare(word: str, ordinary: set[str]) -> bool:
    return len(word) >= MIN_RARE and not word.isupper() and plain(word) not in ordinary


def _runs(text: str) -> Iterator[Sequence[re.Match[str]]]:
    """The runs of words that begin with a capital, particles between them included."""
    run: list[re.Match[str]] = []
    for word in _WORD.finditer(text):
        is_capital = word[0][0].isupper()
        goes_on = run and _BETWEEN.fullmatch(text[run[-1].end() : word.start()])
        if goes_on and (is_capital or word[0] in _PARTICLES):
            run.append(word)
            continue
        yield run
        run = [word] if is_capital else []
    yield run
