"""The peak memory of a step, in a process of its own: a process's peak never falls."""

import os
import subprocess
import sys

WITHIN = 0.2  # of the peak for the smallest corpus: then memory is called flat
GIB_PER_KB = 1 / 2**20


def peak_of(step: str, *words: object) -> float:
    """The peak memory in GiB of `python -m scripts.STEP WORDS`; whoever asks should be small, for it counts too."""
    process = subprocess.Popen([sys.executable, "-m", f"scripts.{step}", *map(str, words)])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{step} ended with status {status}")
    return used.ru_maxrss * GIB_PER_KB
