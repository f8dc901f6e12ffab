"""Batches drawn by several processes: the same as by one, in order, and every end of a process is noticed."""

import json
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from scripts.generators.causal_lm_configs import make_pretrained
from scripts.generators.workers import Drawer, Workers, draw_ahead, gpu_of, share_of
from scripts.notes.errors import UserError

# What a model of random weights writes is no language, and one text is much like another.
WRITING = {"temperature": 1.0, "max_new_tokens": 20, "batch_size": 8, "min_words": 1, "cut": True}
WRITING |= {"max_attempts": 20.0, "max_excess_bits": 99.0, "near_copy": 2.0}


def load(gpu_id: int) -> str:
    return f"gpu {gpu_id}"


def draw(model: str, batch: list[Any], seed: int) -> dict[str, Any]:
    """What the process sees; a batch may ask for trouble."""
    if batch == ["mend"]:
        raise UserError("what is wrong", "what to do")
    if batch == ["die"]:
        os._exit(1)
    if batch == ["disk"]:
        raise OSError(28, "No space left on device")
    threads = torch.get_num_threads()
    return {"model": model, "batch": batch, "seed": seed, "process": os.getpid(), "threads": threads}


@pytest.mark.slow
def test_processes_draw_in_turn_and_end_with_the_context(tmp_path):
    paths = [tmp_path / f"{i}.json" for i in range(5)]
    with Workers(2, Drawer(load, draw)) as workers:
        waits = [workers.start(path, [i], 10 + i) for i, path in enumerate(paths)]
        for path, wait in zip(paths, waits, strict=True):
            wait()
            assert path.is_file()
    seen = [json.loads(path.read_text()) for path in paths]
    assert [(s["model"], s["batch"], s["seed"]) for s in seen] == [("gpu -1", [i], 10 + i) for i in range(5)]
    first, second = seen[0]["process"], seen[1]["process"]
    assert [s["process"] for s in seen] == [first, second, first, second, first]
    assert len({first, second, os.getpid()}) == 3
    assert not psutil.pid_exists(first) and not psutil.pid_exists(second)
    # They end by themselves: a killed one leaks semaphores.
    assert [process.exitcode for process in workers._processes] == [0, 0]


def test_one_worker_is_this_process(tmp_path):
    with Workers(1, Drawer(load, draw)) as workers:
        workers.start(tmp_path / "a.json", [], 0)()
    assert json.loads((tmp_path / "a.json").read_text())["process"] == os.getpid()


def test_no_worker_is_refused():
    with pytest.raises(UserError, match="n_workers is 0"):
        Workers(0, Drawer(load, draw))


@pytest.mark.slow
def test_errors_come_through_and_an_end_is_noticed(tmp_path):
    with Workers(2, Drawer(load, draw)) as workers:
        mend, disk = (workers.start(tmp_path / "x", [kind], 0) for kind in ("mend", "disk"))
        with pytest.raises(UserError, match=r"what is wrong\. what to do"):
            mend()
        with pytest.raises(OSError, match="No space left"):
            disk()
        workers.start(tmp_path / "fine.json", ["fine"], 0)()
        die = workers.start(tmp_path / "x", ["die"], 0)
        with pytest.raises(UserError, match=r"ended before its work.*lower n_workers"):
            die()
    assert [path.name for path in tmp_path.iterdir()] == ["fine.json"]


@pytest.mark.slow
def test_threads_are_divided_unless_a_batch_is_alone(tmp_path, monkeypatch):
    assert [share_of(5, 2), share_of(2, 2), share_of(1, 2)] == [2, 1, 1]
    n_threads = min(2, len(os.sched_getaffinity(0)))
    monkeypatch.setenv("OMP_NUM_THREADS", str(n_threads))
    with Workers(2, Drawer(load, draw)) as workers:
        for name, is_alone in (("a", False), ("b", False), ("c", True)):
            workers.start(tmp_path / name, [], 0, is_alone)()
    assert [json.loads((tmp_path / name).read_text())["threads"] for name in "abc"] == [1, 1, n_threads]


@pytest.mark.parametrize(
    ("n_gpus", "gpu_id", "expected"),
    [(4, 0, [0, 1, 2, 3, 0]), (4, 2, [2, 3, 2, 3, 2]), (1, 0, [0] * 5), (0, -1, [-1] * 5), (0, 0, [0] * 5)],
)
def test_workers_go_round_the_gpus_from_the_first_on(monkeypatch, n_gpus, gpu_id, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    assert [gpu_of(worker, gpu_id) for worker in range(5)] == expected


class Log(Workers):
    """Draws at once, and notes what is begun while how many are on their way."""

    def __init__(self, n: int):
        super().__init__(n, Drawer(load, draw))
        self.begun: list[tuple[int, int, int, bool]] = []  # size, seed, others on their way, is_alone
        self.n_coming = 0

    def start(self, path: Path, batch: list[Any], seed: int, is_alone: bool = False) -> Callable[[], None]:
        self.begun.append((len(batch), seed, self.n_coming, is_alone))
        self.n_coming += 1
        path.write_text(json.dumps([f"text {request}" for request in batch]))

        def wait() -> None:
            self.n_coming -= 1

        return wait


def drawn(workers: Log, work: Path, n_wanted: int, limit: float = 1000) -> list[int]:
    """The requests whose texts came back, if half of the texts are fit and batches have ten at most."""
    work.mkdir(exist_ok=True)
    requests: list[int] = []

    def size_after(n_coming: int) -> int:
        return min(10, 2 + n_wanted - len(requests) // 2 - n_coming)

    for batch, texts in draw_ahead(workers, count(), work, 3, size_after, 10, limit):
        assert texts == [f"text {request}" for request in batch]
        requests += batch
        if len(requests) // 2 >= n_wanted:
            break
    return requests


def test_only_batches_whose_size_is_certain_are_begun_early(tmp_path):
    one, two = Log(1), Log(2)
    # Missing and 2 more, 10 at most: 22, 17, 12, then 2 + 20 - 15 = 7, then 2 + 20 - 18 = 4.
    assert drawn(one, tmp_path / "one", 20) == drawn(two, tmp_path / "two", 20) == list(range(41))
    sizes = [10, 10, 10, 7, 4]
    assert [size for size, *_ in one.begun] == [size for size, *_ in two.begun] == sizes
    assert [seed for _, seed, *_ in two.begun] == [3 * 100_003 + i for i in range(5)]
    assert [n for _, _, n, _ in one.begun] == [0] * 5
    # Of 22, two tens are certain; once the first has given 5, no third is: the second may give 10.
    assert [n for _, _, n, _ in two.begun] == [0, 1, 0, 0, 0]
    assert [is_alone for *_, is_alone in two.begun] == [False, False, True, True, True]


def test_nothing_is_drawn_beyond_the_limit_and_nothing_finished_again(tmp_path):
    assert drawn(Log(2), tmp_path / "few", 100, limit=45) == list(range(40))
    again = Log(2)
    assert drawn(again, tmp_path / "few", 100, limit=65) == list(range(60))
    assert [seed for _, seed, *_ in again.begun] == [3 * 100_003 + i for i in (4, 5)]


@pytest.fixture(scope="module")
def adapted(toy_lm, toy_notes, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("generator")
    generator(toy_lm, 1).adapt(toy_notes, toy_notes[:2], out, 0, -1)
    return out


def generator(toy_lm: str, n_workers: int):
    return make_pretrained(toy_lm, ["genre"], {"n_epochs": 1}, WRITING | {"n_workers": n_workers}, lora={"r": 2})


@pytest.mark.slow
def test_two_processes_write_the_notes_that_one_writes_and_go_on_with_its_batches(adapted, toy_lm, toy_notes, tmp_path):
    def write(n_workers, work):
        return generator(toy_lm, n_workers).write(adapted, toy_notes, 30, 1, -1, tmp_path / work, lambda n: None)

    one, two = write(1, "one"), write(2, "two")
    assert len(one.notes) == 30 and one == two
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) > 3
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    (tmp_path / "two" / names[1]).unlink()
    kept = {name: (tmp_path / "two" / name).stat().st_mtime_ns for name in names if name != names[1]}
    assert write(2, "two") == one
    assert {name: (tmp_path / "two" / name).stat().st_mtime_ns for name in kept} == kept


@pytest.mark.slow
def test_what_is_wrong_with_the_model_is_said_as_by_one_process(adapted, toy_lm, toy_notes, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(UserError, match="no adapter in"):
        generator(toy_lm, 2).write(tmp_path, toy_notes, 5, 0, -1, tmp_path / "work", lambda n: None)
