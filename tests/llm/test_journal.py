import os
import signal
import subprocess
import sys
import time

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
