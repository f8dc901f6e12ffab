"""Every answer of a language model, written down before anybody reads it: nothing paid for is paid twice."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.notes.errors import UserError

JOURNAL = "training/journal.sqlite"  # where a config does not name another
SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"
BUSY_S = 30  # how long another process may hold the file


class Journal:
    """Answers by the sha256 of all that could change them; one SQLite file, which counts as private.

    An answer is on its way to the disk when `add` returns, so that a process killed at any moment loses none; several
    processes may share a file. The first answer to a key stays.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + BUSY_S
        while True:
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                # A commit in the write-ahead log survives the process; only a power cut could take the last ones.
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute(SCHEMA)
                return
            except sqlite3.DatabaseError as e:
                self._db.close()
                # SQLite does not wait, whatever its timeout, where two processes make one file at once.
                if not _is_busy(e):
                    raise UserError(
                        f"{path.name} is no journal ({e})", "Move it away, or name another under `journal`"
                    ) from None
                if time.monotonic() > deadline:
                    raise UserError(
                        f"another process has held {path.name} for {BUSY_S} s",
                        "Wait until it has ended, or name another under `journal`",
                    ) from None
                time.sleep(0.01)

    def get(self, key: str) -> dict[str, Any] | None:
        """What was answered to KEY, or None."""
        row = self._db.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def add(self, key: str, answer: Mapping[str, Any]) -> None:
        """Write down what was answered to KEY."""
        try:
            self._db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))
        except sqlite3.OperationalError as e:
            raise UserError(
                f"an answer could not be written to the journal ({e})",
                "Free some disk space and run the same command: what was written before is kept",
            ) from None

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM answers").fetchone()[0]

    def close(self) -> None:
        self._db.close()


def _is_busy(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY  # the low byte; above it stands why


def key_of(**what: Any) -> str:
    """The sha256 of WHAT (JSON values), as hex: host, model, parameters, prompt, number of the sample."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def forget(path: Path) -> int:
    """Delete the journal at PATH and the files that SQLite keeps beside it; returns how many answers it held."""
    if not path.is_file():
        return 0
    journal = Journal(path)  # a UserError, and nothing deleted, if it is none
    n_answers = len(journal)
    journal.close()
    for name in (f"{path.name}-wal", f"{path.name}-shm", path.name):
        path.with_name(name).unlink(missing_ok=True)
    return n_answers
