"""Killed at random moments and started again: no answer lost, and no more paid for twice than was on its way.

`make bench NAME=annotate-kill`. Each trial asks through a process that is ended by SIGKILL, then by another that goes
on to the end. The server counts what it was asked, and what was on its way when the process died: calls that it had not
answered, or had answered less than 50 ms before, so that the answer may not have been read.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import typer

from benchmarks.server import Server
from benchmarks.table import Row, write_table
from scripts.llm.endpoint import Endpoint
from scripts.llm.patience import Limits

SEED = 0
N_PROMPTS = 400
UNREAD_S = 0.05
CHILD = "import sys; from benchmarks.annotate_kill import ask; ask(sys.argv[1], sys.argv[2])"


def main(n_trials: int = 200) -> None:
    """Run N_TRIALS and write metrics/bench/annotate_kill.json."""
    rng = random.Random(SEED)
    n_lost = n_too_many = n_repeated = n_killed = 0
    for _ in range(n_trials):
        lost, repeated, on_their_way, was_killed = trial(rng.random())
        n_lost += lost
        n_repeated += repeated
        n_too_many += max(0, repeated - on_their_way)
        n_killed += was_killed
    rows = [
        Row("killed before the end", n_killed, "trials", n_trials, SEED),
        Row(
            "prompts without their own answer after the second run",
            n_lost,
            "prompts",
            n_trials * N_PROMPTS,
            SEED,
            None,
            0,
            n_lost == 0,
        ),
        Row("calls repeated", n_repeated, "calls", n_trials * N_PROMPTS, SEED),
        Row(
            "calls repeated beyond those on their way at the kill",
            n_too_many,
            "calls",
            n_trials,
            SEED,
            None,
            0,
            n_too_many == 0,
        ),
    ]
    write_table("annotate_kill", rows)


def trial(moment: float) -> tuple[int, int, int, bool]:
    """Kill a run at MOMENT (0: start, 1: about the end): prompts lost, calls repeated, calls on their way, killed."""
    with Server(lambda prompt: prompt.replace("prompt", "answer"), latency_s=0.02) as server:
        journal = Path(tempfile.mkdtemp()) / "journal.sqlite"
        process = subprocess.Popen([sys.executable, "-c", CHILD, server.url, str(journal)], stdout=subprocess.DEVNULL)
        n_wanted = int(moment * N_PROMPTS)
        while server.n_calls <= n_wanted and process.poll() is None:
            time.sleep(0.001)
        was_killed = process.poll() is None
        killed_at = time.monotonic()
        process.kill()
        process.wait()
        on_their_way = server.n_in_flight + sum(t > killed_at - UNREAD_S for t in server.answered_at)
        time.sleep(0.1)
        asked = [f"prompt {i}" for i in range(N_PROMPTS)]
        answers = ask(server.url, str(journal))
        lost = sum(a != p.replace("prompt", "answer") for a, p in zip(answers, asked, strict=True))
        return lost, server.n_calls - N_PROMPTS, on_their_way, was_killed


def ask(url: str, journal: str) -> list[str]:
    """The answers to all prompts, through the journal at the path JOURNAL."""
    model = Endpoint("m", url, None, {}, Path(journal), Limits(16), max_answers=1)
    try:
        return [str(answer) for (answer,) in model([f"prompt {i}"] for i in range(N_PROMPTS))]
    finally:
        model.close()


if __name__ == "__main__":
    typer.run(main)
