"""Memory does not grow with the corpus: peak of `annotate` behind an endpoint, for more and more notes.

`make bench NAME=annotate-memory`. Notes of 150 words, labelled through a server on loopback that answers at once; the
peak is that of the step's own process.
"""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import typer

from benchmarks.annotate_throughput import CONFIG, PARTS, SEED, served
from benchmarks.peak import WITHIN, peak_of
from benchmarks.table import Row, write_table
from scripts.notes.files import write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note

TASK = "configs/task/drugs_procedures.yml"


def main(
    sizes: list[int] = typer.Argument(None, help="Numbers of notes; 1,000, 10,000 and 100,000 unless named"),
) -> None:
    """Annotate corpora of SIZES and write metrics/bench/annotate_memory.json."""
    sizes = sizes or [1_000, 10_000, 100_000]
    rows: list[Row] = []
    with served("--latency-s", "0") as url:
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                peak = measure(Path(folder), url, size)
            least = rows[0].value if rows else peak
            target = None if not rows else f"within {WITHIN:.0%} of {least:.2f}"
            reached = None if not rows else abs(peak - least) <= WITHIN * least
            rows.append(Row(f"peak memory, {size:,} notes", round(peak, 2), "GiB", size, SEED, None, target, reached))
            write_table("annotate_memory", rows)


def measure(folder: Path, url: str, size: int) -> float:
    """The peak memory in GiB of labelling SIZE notes."""
    released, config = folder / "released.jsonl", folder / "server.cfg"
    write_notes(released, notes(size))
    write_manifest(released, inputs={}, config={}, sensitivity="released", counts={})
    settings = f'base_url = "{url}"\njournal = "{folder / "journal.sqlite"}"'
    config.write_text(CONFIG.format(model="clinical.OpenAI.v1", name="m", settings=settings), "utf8")
    return peak_of("annotate", released, folder / "silver", "--config", config, "--task", TASK)


def notes(size: int) -> Iterator[Note]:
    rng = random.Random(SEED)
    for i in range(size):
        yield Note(str(i), f"Note {i}. " + " ".join(rng.choice(PARTS) for _ in range(55)))


if __name__ == "__main__":
    typer.run(main)
