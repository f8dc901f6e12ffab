import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from scripts.llm.journal import Journal, key_of
from scripts.notes.errors import UserError


def test_an_answer_is_there_after_the_journal_is_opened_again_and_the_first_stays(tmp_path):
    path = tmp_path / "a" / "journal.sqlite"
    first = Journal(path)
    first.add("k", {"content": "älter 心", "finish_reason": "stop"})
    first.add("k", {"content": "newer"})
    first.close()
    again = Journal(path)
    assert again.get("k") == {"content": "älter 心", "finish_reason": "stop"}
    assert again.get("other") is None
    assert len(again) == 1


def test_everything_that_can_change_an_answer_changes_the_key():
    base = {"model": "m", "parameters": {"temperature": 0.0}, "prompt": "Luis derivó a Ana", "sample": 0}
    keys = {key_of(**base)}
    changes = [("model", "n"), ("parameters", {"temperature": 0.1}), ("prompt", "Ana derivó a Luis"), ("sample", 1)]
    for name, other in changes:
        keys.add(key_of(**{**base, name: other}))
    assert len(keys) == 5
    assert key_of(**dict(reversed(base.items()))) == key_of(**base)


@pytest.mark.slow
def test_two_processes_write_into_one_file_and_one_that_is_killed_loses_nothing_that_was_added(tmp_path):
    path = tmp_path / "journal.sqlite"
    code = (
        "import sys; from pathlib import Path; from scripts.llm.journal import Journal\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "for i in range(10**6):\n    j.add(f'{sys.argv[2]}-{i}', {'n': i}); print(i, flush=True)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    for process in processes:
        process.stdout.readline()
    time.sleep(0.3)
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
    said = [int(process.communicate()[0].splitlines()[-1]) for process in processes]
    journal = Journal(path)
    for name, last in zip("ab", said, strict=True):
        assert last > 0
        assert all(journal.get(f"{name}-{i}") == {"n": i} for i in range(last))


def test_a_file_that_is_no_journal_is_named_and_left_alone(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_text("this is a letter to a patient" * 100)
    with pytest.raises(UserError, match="is no journal"):
        Journal(path)
    assert path.read_text().startswith("this is a letter")


def test_a_file_that_many_make_at_once_is_made_once_and_opened_by_all(tmp_path):
    n_openers, n_rounds = 8, 20  # SQLite itself answers "locked" to some of them, whatever its timeout
    barrier = threading.Barrier(n_openers)

    def open_and_add(path, i):
        barrier.wait(10)
        journal = Journal(path)
        journal.add(f"{i}", {})
        journal.close()

    with ThreadPoolExecutor(n_openers) as pool:
        for k in range(n_rounds):
            path = tmp_path / f"{k}.sqlite"
            list(pool.map(partial(open_and_add, path), range(n_openers)))
            assert len(Journal(path)) == n_openers


def test_a_file_that_another_holds_too_long_is_said_to_be_held_and_not_to_be_no_journal(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.llm.journal.BUSY_S", 0.2)
    path = tmp_path / "journal.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="another process has held"):
        Journal(path)
    other.close()
