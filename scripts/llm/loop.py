"""One event loop for all endpoints, run in the thread that asks and only while somebody asks.

A thread of its own would compete with its caller for Python's one interpreter, and both would take longer.
"""

import asyncio
import atexit
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
_TURN = threading.Lock()


class PausingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while it does not run.

    Between two turns its caller may work for minutes: no deadline may pass meanwhile for an answer that lies unread.
    """

    def __init__(self):
        self._paused_s, self._paused_at = 0.0, None
        super().__init__()
        self._paused_at = super().time()

    def time(self) -> float:
        """Seconds for which the loop has run, from any beginning."""
        now = super().time() if self._paused_at is None else self._paused_at
        return now - self._paused_s

    def run_forever(self) -> None:
        """As every event loop's; the clock goes on until it returns."""
        self._paused_s += super().time() - self._paused_at
        self._paused_at = None
        try:
            super().run_forever()
        finally:
            self._paused_at = super().time()


def run(work: Coroutine[Any, Any, T]) -> T:
    """What WORK returns; all that has been started in the loop goes on until then, and then waits for the next call.

    Threads take turns.
    """
    with _TURN:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return _complete(work)
        with ThreadPoolExecutor(1) as thread:  # in a notebook this thread runs another loop already
            return thread.submit(_complete, work).result()


def start(work: Sequence[Coroutine[Any, Any, T]]) -> "list[asyncio.Task[T]]":
    """A task for each of WORK; they go on whenever the loop runs."""
    with _TURN:
        return [_loop().create_task(each) for each in work]


def _complete(work: Coroutine[Any, Any, T]) -> T:
    loop = _loop()
    task = loop.create_task(work)
    try:
        try:
            return loop.run_until_complete(task)
        except RuntimeError:
            if task.done():
                raise
            # Ctrl-C between the end of an earlier call and the loop's stop has left the stop for this one.
            return loop.run_until_complete(task)
    except BaseException:
        if not task.cancel() and not task.cancelled():
            task.exception()  # its caller hears of the interrupt itself
        raise


def call_off(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel TASKS of the loop and let them end; where somebody has the turn already, they end in it.

    That may be the caller itself, and waiting would be for ever: garbage is collected at any moment, and what asks is
    called off with it.
    """
    for task in tasks:
        task.cancel()
    if not _TURN.locked():
        run(_ended(tasks))


def now() -> float:
    """The loop's clock, in seconds."""
    return _loop().time()


async def _ended(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


@cache
def _loop() -> PausingLoop:
    loop = PausingLoop()
    loop.set_exception_handler(_report)
    atexit.register(loop.close)
    return loop


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As the loop does by itself, but nothing of Ctrl-C, which some task was the first to meet."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)
