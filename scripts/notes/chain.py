"""The best way to place a list of mentions from left to right."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from .search import Hit


class Worth(NamedTuple):
    """What a chain of hits is worth, compared from left to right."""

    n_hits: int = 0
    manner: int = 0
    edges: int = 0
    n_characters: int = 0
    earliness: int = 0

    def plus(self, hit: Hit) -> "Worth":
        manner, edges = hit.quality
        more = (1, manner, edges, hit.end - hit.start, -hit.start)
        return Worth(*(a + b for a, b in zip(self, more, strict=True)))


def best_chain(order: Sequence[int], options: Sequence[Sequence[Hit]]) -> dict[int, Hit]:
    """The most worthy way to place mentions in ORDER from left to right, without overlap: mention -> hit.

    A weighted longest increasing subsequence: `ends` and `chains` hold, both growing, where the best chains end.
    """
    ends, chains = [0], [(Worth(), None)]
    for i in order:
        longer = []
        for hit in options[i]:
            worth, last = chains[bisect_right(ends, hit.start) - 1]
            longer.append((hit.end, worth.plus(hit), (i, hit, last)))
        for end, worth, last in longer:
            at = bisect_right(ends, end)
            if worth <= chains[at - 1][0]:
                continue
            first = at - 1 if ends[at - 1] == end else at
            while at < len(ends) and chains[at][0] <= worth:
                at += 1
            ends[first:at], chains[first:at] = [end], [(worth, last)]
    placed, link = {}, chains[-1][1]
    while link:
        i, hit, link = link
        placed[i] = hit
    return placed
