"""Sequences made of others without a copy of what these hold."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, TypeVar

T = TypeVar("T")


class Joined(Sequence[T]):
    """One sequence after the other."""

    def __init__(self, *parts: Sequence[T]):
        self._parts = parts
        self._ends = list(accumulate(map(len, parts), initial=0))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, i: int) -> T:
        i = range(len(self))[i]
        part = bisect_right(self._ends, i) - 1
        return self._parts[part][i - self._ends[part]]

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self._parts)


class Mapped(Sequence[T]):
    """What FUNCTION makes of each of ITEMS, made anew whenever it is asked for."""

    def __init__(self, function: Callable[[Any], T], items: Sequence[Any]):
        self._function, self._items = function, items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, i: int) -> T:
        return self._function(self._items[i])

    def __iter__(self) -> Iterator[T]:
        return map(self._function, self._items)


class Picked(Sequence[T]):
    """Those of ITEMS that stand at PLACES."""

    def __init__(self, items: Sequence[T], places: Sequence[int]):
        self._items, self._places = items, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, i: int) -> T:
        return self._items[self._places[i]]

    def __iter__(self) -> Iterator[T]:
        return (self._items[place] for place in self._places)
