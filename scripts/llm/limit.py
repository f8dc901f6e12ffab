"""How many requests may be on their way: more while it helps, fewer when the server says so."""

import asyncio
import time
from collections import deque

SLOWDOWN = 3.0  # a median answer that takes so much longer than the quickest says that requests queue at the server
RECENT = 32  # answers that the median is taken over


class AdaptiveLimit:
    """At most `limit` holders at a time. Doubles per round trip at first, later adds one; halves on `pushed_back`.

    Additive increase, multiplicative decrease (Chiu and Jain 1989), with TCP's slow start. All times in seconds of
    `time.monotonic`. Use it inside one event loop.
    """

    def __init__(self, most: int, start: int = 8):
        self.most, self.limit = most, float(min(start, most))
        self.n_held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._slow_start = True
        self._halved_at = float("-inf")
        self._quickest = float("inf")
        self._recent: deque[float] = deque(maxlen=RECENT)

    async def take(self) -> None:
        """Wait for a place; they are given in the order asked."""
        if self.n_held < int(self.limit) and not self._waiting:
            self.n_held += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Give a place back, to whoever waits longest."""
        self.n_held -= 1
        self._wake()

    def answered(self, seconds: float) -> None:
        """An answer came after SECONDS: there may be room for more."""
        self._recent.append(seconds)
        self._quickest = min(self._quickest, seconds)
        median = sorted(self._recent)[len(self._recent) // 2]
        if median <= SLOWDOWN * self._quickest:
            self.limit = min(self.most, self.limit + (1 if self._slow_start else 1 / self.limit))
            self._wake()

    def pushed_back(self, sent_at: float) -> None:
        """The server would not take a request sent at SENT_AT: halve, once for all that were sent before that."""
        if sent_at >= self._halved_at:
            self.limit = max(1.0, self.limit / 2)
            self._slow_start = False
            self._halved_at = time.monotonic()

    def _wake(self) -> None:
        while self._waiting and self.n_held < int(self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.n_held += 1
                place.set_result(None)
