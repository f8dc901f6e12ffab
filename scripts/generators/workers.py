"""Batches of texts, drawn one after the other or by several processes beside each other, each with its own model."""

import json
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from scripts.notes.errors import UserError
from scripts.notes.files import write_json

PATIENCE = 10.0  # seconds that idle processes have to end by themselves


@dataclass
class Drawer:
    """Draws a batch with a seed into a file; the model is loaded for the first one.

    LOAD makes the model on a GPU (-1: the CPU), DRAW makes of model, batch and seed what JSON can hold. Other processes
    are sent all of it.
    """

    load: Callable[[int], Any]
    draw: Callable[[Any, Any, int], Any]
    gpu_id: int = -1
    model: Any = None

    def __call__(self, path: Path, batch: Any, seed: int) -> None:
        """What is drawn for BATCH is in the file PATH, whole or not at all."""
        if self.model is None:
            self.model = self.load(self.gpu_id)
        write_json(path, self.draw(self.model, batch, seed))


class Workers:
    """N processes that draw batches in turn, on the GPUs from DRAWER's on, or with a part of the threads each.

    With N = 1 this process draws. A context: on leaving it, for whatever reason, the processes end.
    """

    def __init__(self, n: int, drawer: Drawer):
        if n < 1:
            raise UserError(f"[generator.writing] n_workers is {n}", "Set 1, or as many as there are cores or GPUs")
        # Whoever has finished a batch finds the next one waiting, even while an earlier one is not finished elsewhere.
        self.n_ahead = 2 * n if n > 1 else 1
        self._n, self._drawer, self._n_started = n, drawer, 0
        self._pipes: list[Connection] = []
        self._processes: list[multiprocessing.Process] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, error: type[BaseException] | None, *rest: Any) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(0 if error else PATIENCE)
            process.terminate()
        for process in self._processes:
            process.join()

    def start(self, path: Path, batch: Any, seed: int, is_alone: bool = False) -> Callable[[], None]:
        """Have BATCH drawn into PATH; returns what waits for it. IS_ALONE: nothing else is drawn, all threads are free.

        Wait in the order of the starts. Waiting raises the UserError or OSError that the drawing has raised.
        """
        if self._n == 1:
            return partial(self._drawer, path, batch, seed)
        if len(self._pipes) < self._n:
            self._add_process()
        pipe = self._pipes[self._n_started % self._n]
        self._n_started += 1
        try:
            pipe.send((path, batch, seed, is_alone))
        except BrokenPipeError:
            raise _ended() from None
        return partial(_wait, pipe)

    def _add_process(self) -> None:
        # A forked process would inherit threads and GPU contexts in whatever state they are.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._drawer, len(self._pipes), self._n), daemon=True)
        process.start()
        theirs.close()  # so that the end of the process ends the pipe
        self._pipes.append(ours)
        self._processes.append(process)


def draw_ahead(
    workers: Workers,
    requests: Iterator[Any],
    work: Path,
    seed: int,
    size_after: Callable[[int], int],
    most: int,
    limit: float,
) -> Iterator[tuple[list[Any], list[Any]]]:
    """Batches of REQUESTS, each with what was drawn for it, in order; it ends where all would be more than LIMIT.

    SIZE_AFTER(n) is the size of the next batch, MOST at most, if n requests on their way are all answered well. A batch
    is begun before earlier ones are done only if their outcome cannot change its size: sizes and seeds are those of one
    process alone. WORK keeps finished batches, and what is there is not drawn again.
    """
    n_begun, n_drawn, ahead = 0, 0, deque()
    while True:
        while len(ahead) < workers.n_ahead:
            n_coming = sum(len(batch) for batch, _, _ in ahead)
            size = size_after(n_coming)
            if (ahead and size < most) or n_drawn + size > limit:
                break
            batch, path = list(islice(requests, size)), work / f"batch-{n_begun:05}.json"
            is_alone = not ahead and size_after(size) < most
            wait = None if path.is_file() else workers.start(path, batch, seed * 100_003 + n_begun, is_alone)
            ahead.append((batch, path, wait))
            n_begun, n_drawn = n_begun + 1, n_drawn + size
        if not ahead:
            return
        batch, path, wait = ahead.popleft()
        if wait:
            wait()
        yield batch, json.loads(path.read_text("utf8"))


def share_of(n_threads: int, n_workers: int) -> int:
    """How many of N_THREADS each of N_WORKERS has."""
    return max(1, n_threads // n_workers)


def gpu_of(worker: int, gpu_id: int) -> int:
    """The GPU of process WORKER: GPU_ID for the first, the next one for the next, and again from GPU_ID on."""
    import torch

    n_gpus = torch.cuda.device_count() - gpu_id
    return gpu_id + worker % n_gpus if gpu_id >= 0 and n_gpus > 0 else gpu_id


def _serve(tasks: Connection, drawer: Drawer, worker: int, n: int) -> None:
    """Draw one batch after the other, until the other end of TASKS is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the process that started us ends us
    import torch

    drawer.gpu_id, n_threads = gpu_of(worker, drawer.gpu_id), torch.get_num_threads()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            *task, is_alone = tasks.recv()
            torch.set_num_threads(n_threads if is_alone else share_of(n_threads, n))
            tasks.send(_error_of(partial(drawer, *task)))


def _error_of(work: Callable[[], None]) -> Exception | None:
    """What WORK raises, if a person can mend it; a bug keeps its traceback here, and ends this process."""
    try:
        return work()
    except (UserError, OSError) as error:
        return error


def _wait(pipe: Connection) -> None:
    try:
        error = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise _ended() from None
    if error is not None:
        raise error


def _ended() -> UserError:
    return UserError(
        "a process that draws notes has ended before its work",
        "If no error stands above, memory was short: lower n_workers or batch_size; the same command goes on",
    )
