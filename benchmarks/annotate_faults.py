"""What becomes of requests to a server that misbehaves: none lost, doubled or swapped, and hardly a call too many.

`make bench NAME=annotate-faults`. Of the first calls 20 % get a 429, 5 % a 5xx, 5 % stall, 2 % get garbage and 1 % a
closed connection; second calls fare as first ones do. The least possible number of calls is one a prompt, and one more
for every fault that was injected.
"""

import random
import tempfile
from collections import Counter
from pathlib import Path

import typer

from benchmarks.server import Fault, Server
from benchmarks.table import Row, write_table
from scripts.llm.endpoint import Endpoint
from scripts.llm.patience import Limits

SEED = 0
SHARES = {"429": 0.20, "5xx": 0.05, "stall": 0.05, "garbage": 0.02, "dropped": 0.01}
FAULTS = {
    "429": lambda rng: Fault(429, rng.choice([{}, {"Retry-After": "0"}, {"retry-after-ms": "20"}])),
    "5xx": lambda rng: Fault(rng.choice([500, 502, 503, 504, 529])),
    "stall": lambda rng: Fault(stall_s=60),
    "garbage": lambda rng: Fault(body=rng.choice(["<html>", "null", '{"choices": [{"mess', '{"choices": []}'])),
    "dropped": lambda rng: Fault(drop=True),
}


def main(n_prompts: int = 10_000, max_in_flight: int = 128) -> None:
    """Ask N_PROMPTS and write metrics/bench/annotate_faults.json."""
    injected: Counter[str] = Counter()

    def fault(prompt: str, n: int) -> Fault | None:
        rng = random.Random(f"{SEED} {prompt} {n}")
        (kind,) = rng.choices([*SHARES, None], [*SHARES.values(), 1 - sum(SHARES.values())])
        if kind is None:
            return None
        injected[kind] += 1
        return FAULTS[kind](rng)

    with Server(lambda prompt: prompt.replace("prompt", "answer"), latency_s=0.02) as server:
        server.fault = fault
        limits = Limits(max_in_flight, total_s=0.5, max_tries=20, first_wait_s=0.05, longest_wait_s=1.0)
        model = Endpoint("m", server.url, None, {}, Path(tempfile.mkdtemp()) / "journal.sqlite", limits, max_answers=1)
        prompts = [f"prompt {i}" for i in range(n_prompts)]
        answers = [answer for (answer,) in model([prompt] for prompt in prompts)]
        model.close()
        n_calls = server.n_calls
    expected = [prompt.replace("prompt", "answer") for prompt in prompts]
    n_failed = sum(answer.finish_reason == "failed" for answer in answers)
    wrong = sum(a != e for a, e in zip(answers, expected, strict=True) if a.finish_reason != "failed")
    least = n_prompts + sum(injected.values())
    rows = [Row(f"injected: {kind}", n, "calls", n_calls, SEED) for kind, n in sorted(injected.items())]
    rows += [
        Row(
            "prompts without an entry in the answers",
            n_prompts - len(answers),
            "prompts",
            n_prompts,
            SEED,
            None,
            0,
            len(answers) == n_prompts,
        ),
        Row("answers that belong to another prompt", wrong, "prompts", n_prompts, SEED, None, 0, wrong == 0),
        Row("answers given up, which become missing annotation", n_failed, "prompts", n_prompts, SEED),
        Row(
            "calls / least possible",
            round(n_calls / least, 4),
            "ratio",
            n_calls,
            SEED,
            None,
            1.02,
            n_calls <= 1.02 * least,
        ),
    ]
    write_table("annotate_faults", rows)


if __name__ == "__main__":
    typer.run(main)
