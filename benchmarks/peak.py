"""The peak memory of a step: of one process, exactly, or of all that it starts, looked at again and again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import psutil

EVERY = 2.0  # seconds between two looks
WITHIN = 0.2  # of the peak for the smallest corpus: then memory is called flat
GIB_PER_KB = 1 / 2**20


def peak_of(step: str, *words: object) -> float:
    """The peak memory in GiB of `python -m scripts.STEP WORDS`; whoever asks should be small, for it counts too."""
    process = subprocess.Popen([sys.executable, "-m", f"scripts.{step}", *map(str, words)])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{step} ended with status {status}")
    return used.ru_maxrss * GIB_PER_KB


@contextmanager
def watch_children() -> Iterator[list[float]]:
    """While the context lasts, the most memory in GiB that all processes below this one had together, as a list of one.

    Memory that processes share counts once (PSS). What lasts less than EVERY seconds is not seen.
    """
    peak, is_over = [0.0], Event()

    def watch() -> None:
        while not is_over.wait(EVERY):
            n_bytes = 0
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):  # it has just ended
                    n_bytes += process.memory_full_info().pss
            peak[0] = max(peak[0], n_bytes / 2**30)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        is_over.set()
        watcher.join()
