"""How often to ask a server again, how long to wait before that, and when it is of no use to go on."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

from scripts.llm.loop import now
from scripts.notes.errors import UserError


@dataclass(frozen=True)
class Limits:
    """How long to wait and how often to ask again; seconds and counts.

    MAX_TRIES is per prompt, RETRY_SHARE per run: no more retries than this share of the prompts (and 100).
    The server counts as gone when nothing was heard of it for GONE_S seconds: not even an error.
    """

    max_in_flight: int = 32
    connect_s: float = 10.0
    total_s: float = 120.0
    max_tries: int = 6
    retry_share: float = 0.5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    gone_s: float = 180.0


class Patience:
    """What is left of it with one server: for each prompt, for the run, with silence, and with a refusal.

    Times are those of the endpoints' loop, in which it is used.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self.n_prompts = 0
        self._n_retries = 0
        self._rng = random.Random(0)
        self._heard_at = now()
        self._silent_since: float | None = None  # when the first was sent of the calls since it was last heard of
        self.forgive()

    def forgive(self) -> None:
        """Another run begins: an earlier refusal may have been mended."""
        self.refusal: UserError | None = None
        self._refused = asyncio.Event()

    def refuse(self, why: UserError) -> None:
        """Raise WHY here, and wherever the run would go on."""
        self.refusal = why
        self._refused.set()
        self.check()

    def check(self) -> None:
        """Raise the refusal that ended this run, if there was one: no further call is sent."""
        if self.refusal:
            raise self.refusal from None

    def heard(self) -> None:
        """The server has said something, if only that it failed."""
        self._heard_at, self._silent_since = now(), None

    def is_gone(self, sent_at: float) -> bool:
        """Whether the server has been silent for too long, now that a call sent at SENT_AT had no reply."""
        if self._silent_since is None:
            self._silent_since = sent_at
        return now() - self._silent_since > self.limits.gone_s

    def is_over(self, tries: int, failed_at: float) -> bool:
        """Whether a prompt that has failed TRIES times, first at FAILED_AT, is given up.

        As long as nothing has been heard since, the prompt is not at fault: wait for the server, or stop.
        """
        if self._heard_at < failed_at:
            return False
        self._n_retries += 1
        most = max(100, self.limits.retry_share * self.n_prompts)
        return tries >= self.limits.max_tries or self._n_retries > most

    async def wait(self, tries: int, asked_s: float | None) -> None:
        """Wait before the next of so many TRIES, at least the ASKED_S seconds of the server; a refusal ends the wait.

        Full jitter (Brooker 2015) on an exponential wait.
        """
        longest = min(self.limits.longest_wait_s, self.limits.first_wait_s * 2 ** min(tries - 1, 30))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._refused.wait(), (asked_s or 0.0) + self._rng.random() * longest)
