"""Notes a second through an endpoint: ours beside stock spacy-llm and the bare official client, against one server.

`make bench NAME=annotate-throughput`. The server is a process of its own on loopback that takes 200 ms for an answer;
notes have 150 words. Stock spacy-llm is kept from asking api.openai.com for its list of models, which it does before it
talks to any other server. CPU time is that of the client's process. All in one run, so that only ratios matter.
"""

import asyncio
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import spacy
import typer

from benchmarks.table import Row, write_table
from scripts import functions  # noqa: F401  registers our model and task
from scripts.annotators.stream import label
from scripts.notes.tokenizer import blank

SEED = 0
IN_FLIGHT = {32: 25, 128: 60}  # requests on their way: how many times stock spacy-llm's rate is the target
PARTS = ("On aspirin", "after a CT head.", "Seen in clinic today", "with her husband;", "sleeps well,", "walks daily.")
CONFIG = """
[nlp]
lang = "en"
pipeline = ["llm"]
[components]
[components.llm]
factory = "llm"
[components.llm.task]
@llm_tasks = "clinical.Spans.v1"
task = "configs/task/drugs_procedures.yml"
template = "configs/prompts/json.jinja"
form = "json"
window = 400
occurrences = "all"
[components.llm.model]
@llm_models = "{model}"
name = "{name}"
{settings}
"""


def main(n_stock: int = 40, n_notes: int = 2000, n_cpu: int = 10_000) -> None:
    """Measure all three and write metrics/bench/annotate_throughput.json."""
    rng = random.Random(SEED)
    texts = [f"Note {i}. " + " ".join(rng.choice(PARTS) for _ in range(55)) for i in range(n_cpu)]
    rows = []
    with served() as url:
        stock = n_stock / timed(lambda: label_all(stock_spacy_llm(url), texts[:n_stock]))[0]
        rows.append(Row("stock spacy-llm", round(stock, 2), "notes/s", n_stock, SEED))
        for n_in_flight, target in IN_FLIGHT.items():
            ours = n_notes / timed(lambda k=n_in_flight: label_all(ours_at(url, k), texts[:n_notes]))[0]
            bare = n_notes / timed(lambda k=n_in_flight: asyncio.run(ask_bare(url, prompts_of(texts[:n_notes]), k)))[0]
            at = f"{n_in_flight} in flight"
            rows += [
                Row(f"ours, {at}", round(ours, 1), "notes/s", n_notes, SEED),
                Row(f"bare client, {at}", round(bare, 1), "notes/s", n_notes, SEED),
                ratio(f"ours / stock spacy-llm, {at}", ours / stock, target, n_notes, at_least=True),
                ratio(f"ours / bare client, {at}", ours / bare, 0.8, n_notes, at_least=True),
            ]
        cpu_ours = timed(lambda: label_all(ours_at(url, 128), texts))[1] / n_cpu
        prompts = prompts_of(texts)
        cpu_bare = timed(lambda: asyncio.run(ask_bare(url, prompts, 128)))[1] / n_cpu
        rows += [
            Row("CPU a note: ours, parsed, aligned and in the journal", round(1000 * cpu_ours, 2), "ms", n_cpu, SEED),
            Row("CPU a note: bare client", round(1000 * cpu_bare, 2), "ms", n_cpu, SEED),
            ratio("CPU a note: ours / bare client", cpu_ours / cpu_bare, 1.6, n_cpu, at_least=False),
        ]
    write_table("annotate_throughput", rows)


def ratio(measure: str, value: float, target: float, n: int, at_least: bool) -> Row:
    reached = value >= target if at_least else value <= target
    return Row(measure, round(value, 2), "ratio", n, SEED, None, target, reached)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """How long WORK takes: seconds on the wall, and of this process's processor."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def served(*options: str) -> Iterator[str]:
    """The address of a server in a process of its own, started with OPTIONS."""
    command = [sys.executable, "-m", "benchmarks.server", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(30)


def pipeline(model: str, name: str, settings: str) -> spacy.Language:
    text = CONFIG.format(model=model, name=name, settings=settings)
    return spacy.util.load_model_from_config(spacy.util.Config().from_str(text), auto_fill=True)


def ours_at(url: str, n_in_flight: int) -> spacy.Language:
    journal = Path(tempfile.mkdtemp()) / "journal.sqlite"
    settings = f'base_url = "{url}"\njournal = "{journal}"\nlimits = {{"max_in_flight": {n_in_flight}}}'
    return pipeline("clinical.OpenAI.v1", "m", settings)


def stock_spacy_llm(url: str) -> spacy.Language:
    from spacy_llm.models.rest.openai.model import OpenAI

    os.environ.setdefault("OPENAI_API_KEY", "none")
    OpenAI._verify_auth = lambda self: None
    settings = f'endpoint = "{url}/chat/completions"\nconfig = {{"temperature": 0.0}}'
    return pipeline("spacy.GPT-4.v3", "gpt-4", settings)


def label_all(nlp: spacy.Language, texts: list[str]) -> None:
    n_entities = sum(len(doc.ents) for doc in label(nlp, map(nlp.make_doc, texts), batch_size=1000))
    assert n_entities > 0, "nothing was labelled"


def prompts_of(texts: list[str]) -> list[str]:
    task = pipeline("clinical.OpenAI.v1", "m", 'base_url = "http://127.0.0.1:1/v1"').get_pipe("llm").task
    tokenizer = blank("en").tokenizer
    return [str(prompt) for text in texts for _, prompt in task.prompts(tokenizer(text))]


async def ask_bare(url: str, prompts: list[str], n_in_flight: int) -> None:
    """All PROMPTS by the official client alone: its fastest backend, a semaphore, and nothing else."""
    import openai

    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=n_in_flight, max_keepalive_connections=n_in_flight)
    http = openai.DefaultAioHttpClient(limits=limits)
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=http) as client:
        places = asyncio.Semaphore(n_in_flight)

        async def ask(prompt: str) -> None:
            async with places:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])

        await asyncio.gather(*map(ask, prompts))


if __name__ == "__main__":
    typer.run(main)
